"""The interface of brokers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import msgspec

from pynenc.conf.base_config import PynencConfig
from pynenc.conf.config_broker import ConfigBroker
from pynenc.plugins.component import DataComponent
from pynenc.storage.group import Group
from pynenc.storage.operations import QueueDepth, QueuedItem


class Message(msgspec.Struct, frozen=True):
    """Tells that an invocation can be run. It is a hint: its status record is the truth.

    Attributes:
        invocation_id: Which one.
        claim: The claim number of the record when the message was made; a message whose number
            is no longer the record's is stale and falls away.
        status: The status of the record when the message was made.
        queue: Where it goes.
        priority: Higher goes first.
        not_before: Seconds since the epoch before which it is not delivered; 0 for at once.
    """

    invocation_id: str
    claim: int
    status: str
    queue: str
    priority: float = 0
    not_before: float = 0.0

    @property
    def message_id(self) -> str:
        """The same for the same stretch of an invocation's life."""
        return f"{self.invocation_id}:{self.claim}"


class Delivery(msgspec.Struct, frozen=True):
    """A message taken from a queue and not yet acknowledged.

    Attributes:
        message: The message.
        receipt: What the broker needs to acknowledge it.
    """

    message: Message
    receipt: str


class BaseBroker(DataComponent):
    """Carries messages from who submits to who runs.

    It may deliver twice and in any order of equals. To implement one on a message system, subclass
    `PlainBroker`, which asks for less.

    Attributes:
        is_exact: Whether it loses no message that it has accepted, knows one that it holds already, holds
            back what is delayed, and counts exactly. For one that is not, all this is done from the records.
    """

    config_class: ClassVar[type[PynencConfig]] = ConfigBroker
    conf: ConfigBroker
    is_exact: ClassVar[bool] = True

    @abstractmethod
    def push(self, messages: Sequence[Message]) -> None:
        """Queue messages and wake who waits; one whose id is queued already is left alone."""

    @abstractmethod
    def take(self, queues: Sequence[str], limit: int, timeout_s: float | None) -> list[Delivery]:
        """Take the best messages: by order of `queues`, then priority, then age.

        Args:
            queues: Where to look, most important first.
            limit: Most messages to take.
            timeout_s: Longest wait for the first in seconds; 0 for none, None for no bound.
        """

    @abstractmethod
    def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Forget messages that were taken. Others come back after the lease."""

    @abstractmethod
    def depth(self, queues: Sequence[str]) -> dict[str, QueueDepth]:
        """Return how full each of the queues is."""

    @abstractmethod
    def queues(self) -> list[str]:
        """Return names of the queues that hold anything."""

    def backlog(self, queue: str) -> int | None:
        """Return how many messages of a queue can be taken now; None if that is not known."""
        return self.depth([queue])[queue].ready

    def look(self, messages: Sequence[Message], limit: int = 10_000) -> list[QueuedItem | None] | None:
        """Return where messages stand in their queues, None for those that are not queued.

        Args:
            messages: The messages.
            limit: The number at which counts may stop.

        Returns:
            None if this broker cannot tell.
        """
        return None

    # A broker on a storage overrides these, so that they travel with the writes of others.

    def stage_push(self, group: Group, messages: Sequence[Message]) -> None:
        """Push as a step of a group."""
        group.call(lambda: self.push(messages))

    def stage_ack(self, group: Group, deliveries: Sequence[Delivery]) -> None:
        """Acknowledge as a step of a group."""
        group.call(lambda: self.ack(deliveries))

    def interrupt(self) -> None:
        """Make blocked takes of this process return early."""
