"""The base of brokers on message systems that promise little, such as RabbitMQ, SQS, NATS or Kafka."""

from __future__ import annotations

import threading
import time
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import ClassVar

import msgspec

from pynenc.broker.base_broker import BaseBroker, Delivery, Message
from pynenc.conf.config_runner import ConfigRunner
from pynenc.exceptions import StorageError
from pynenc.identifiers.texts import described, error_text, shortened
from pynenc.invocation.status import InvocationStatus
from pynenc.plugins.component import ComponentContext
from pynenc.storage.operations import QueueDepth

_HIGH, _LOW = "~high", "~low"
_SHORTEST_LOOK_S, _TOLD_AGAIN_S = 0.02, 60.0
_STATUSES = frozenset(each.value for each in InvocationStatus)


class Outgoing(msgspec.Struct, frozen=True):
    """A message for the message system.

    Attributes:
        queue: The name of its queue.
        body: What to deliver, at most 2 KiB.
    """

    queue: str
    body: bytes


class Incoming(msgspec.Struct, frozen=True):
    """A message from the message system.

    Attributes:
        body: What was sent.
        receipt: Names this delivery to `confirm`: a text that no other delivery to this process has.
    """

    body: bytes
    receipt: str


class PlainBroker(BaseBroker):
    """A broker on a message system that may lose, repeat and reorder messages.

    Messages are hints, and the records of invocations are the truth. What the message system does not
    do is done from the records: a delayed message is sent when it is due; a lost one is sent again; a
    repeated one is discarded. Priorities are lanes: each queue has one for priorities above 0, one for 0
    and one for those below.

    An author implements `send`, `receive`, `confirm` and `clear`, and where the system can count,
    `count`. All methods are called from several threads at once. Whatever the message system raises
    becomes a `StorageUnavailableError` if it may answer later, and otherwise a `StorageError`.

    Attributes:
        has_lanes: Whether queues have lanes for priorities; without them, priorities do not count.
        longest_wait_s: The longest wait that `receive` is asked for, in seconds. It may be 30 where `wake`
            works; otherwise a runner needs as long to stop.
    """

    is_exact = False
    has_lanes: ClassVar[bool] = True
    longest_wait_s: ClassVar[float] = 1.0

    def __init__(self, context: ComponentContext) -> None:
        super().__init__(context)
        self._interrupts = 0
        self._at_take = threading.local()
        self._told: dict[str, float] = {}
        self._untold: dict[str, int] = {}
        self._known = frozenset(context.settings(ConfigRunner).queues)

    # --- what an author implements -----------------------------------------------------

    @abstractmethod
    def send(self, messages: Sequence[Outgoing]) -> None:
        """Send messages, in order; return once the message system has accepted them.

        A queue that does not exist yet is made.

        Raises:
            StorageUnavailableError: Some may not have been accepted. It is safe to send all again.
        """

    @abstractmethod
    def receive(self, queues: Sequence[str], limit: int, timeout_s: float) -> list[Incoming]:
        """Receive messages, and wait if there are none.

        Args:
            queues: Where to look, most important first. They may not exist yet.
            limit: Most messages to receive. What arrives beyond goes back.
            timeout_s: Longest wait for the first, in seconds; at 0, what is there is returned.

        Raises:
            StorageUnavailableError: The message system does not answer.
        """

    @abstractmethod
    def confirm(self, receipts: Sequence[str]) -> None:
        """Delete received messages. One that is not confirmed may come again, or be lost.

        A receipt that is not valid any more is ignored.
        """

    @abstractmethod
    def clear(self, queues: Sequence[str]) -> None:
        """Delete all messages of queues; they may not exist."""

    def count(self, queue: str) -> int | None:
        """Return about how many messages of a queue wait to be received; None if that is not known."""
        return None

    def wake(self) -> None:
        """Let calls of `receive` of this process look at `was_interrupted`, if the system can do that."""

    def was_interrupted(self) -> bool:
        """Return whether the call of `receive` in this thread is to return early."""
        return self._interrupts != getattr(self._at_take, "interrupts", self._interrupts)

    # --- the broker --------------------------------------------------------------------

    def push(self, messages: Sequence[Message]) -> None:
        now_due = [each for each in messages if not each.not_before]
        if now_due:
            self._note(each.queue for each in now_due)
            self.send([Outgoing(self._lane(each), msgspec.json.encode(each)) for each in now_due])

    def take(self, queues: Sequence[str], limit: int, timeout_s: float | None) -> list[Delivery]:
        self._note(queues)
        lanes = [lane for queue in queues for lane in self._lanes(queue)]
        end = None if timeout_s is None else time.monotonic() + timeout_s
        self._at_take.interrupts = self._interrupts
        while True:
            rest_s = self.longest_wait_s if end is None else max(0.0, end - time.monotonic())
            began, bound_s = time.monotonic(), min(rest_s, self.longest_wait_s)
            deliveries = self._read(self.receive(lanes, limit, bound_s))
            if not deliveries and bound_s > 0 and not self.was_interrupted():
                # One that does not wait must not keep a processor busy.
                time.sleep(max(0.0, min(_SHORTEST_LOOK_S, bound_s) - (time.monotonic() - began)))
            if deliveries or rest_s == 0 or self.was_interrupted():
                return deliveries

    def ack(self, deliveries: Sequence[Delivery]) -> None:
        if not deliveries:
            return
        try:
            self.confirm([each.receipt for each in deliveries])
        except Exception as error:  # noqa: BLE001 - then they come again, and are discarded
            self._tell("messages could not be confirmed and may come again", error)

    def depth(self, queues: Sequence[str]) -> dict[str, QueueDepth]:
        return {queue: QueueDepth(self.backlog(queue) or 0, 0) for queue in queues}

    def backlog(self, queue: str) -> int | None:
        counts = [self.count(lane) for lane in self._lanes(queue)]
        known = [each for each in counts if isinstance(each, int) and each >= 0]
        return sum(known) if len(known) == len(counts) else None

    def queues(self) -> list[str]:
        """Return those queues that hold messages; known are those of the runner and those used here."""
        return sorted(queue for queue in self._known if self.backlog(queue))

    def purge(self) -> None:
        """Delete what is in the queues that are known here; the rest falls away when it is taken."""
        self.clear([lane for queue in sorted(self._known) for lane in self._lanes(queue)])

    def interrupt(self) -> None:
        self._interrupts += 1
        self.wake()

    def _note(self, queues: Iterable[str]) -> None:
        new = frozenset(queues) - self._known
        if new:  # seldom, so that threads do not undo what others have noted
            self._known |= new

    def _lane(self, message: Message) -> str:
        if not self.has_lanes or message.priority == 0:
            return message.queue
        return message.queue + (_HIGH if message.priority > 0 else _LOW)

    def _lanes(self, queue: str) -> list[str]:
        return [queue + _HIGH, queue, queue + _LOW] if self.has_lanes else [queue]

    def _read(self, received: Sequence[Incoming]) -> list[Delivery]:
        if not isinstance(received, Sequence) or not all(isinstance(each, Incoming) for each in received):
            raise StorageError(
                f"`receive` of {type(self).__name__} has to return a list of Incoming, and returned "
                f"{described(received)}"
            )
        deliveries: list[Delivery] = []
        for each in received:
            try:
                message = msgspec.json.decode(each.body, type=Message)
                if message.status not in _STATUSES:
                    raise msgspec.ValidationError(f"there is no status '{shortened(message.status, 40)}'")
            except (msgspec.MsgspecError, UnicodeError, RecursionError, TypeError) as error:
                self._tell("a message that is not of this app is dropped", error)
                self.confirm([each.receipt])
            else:
                deliveries.append(Delivery(message, each.receipt))
        return deliveries

    def _tell(self, what: str, error: Exception) -> None:
        """Warn of something, at most once a minute."""
        told, now = self._told.get(what, float("-inf")), time.monotonic()
        self._untold[what] = self._untold.get(what, 0) + 1
        if now - told >= _TOLD_AGAIN_S:
            count, self._untold[what], self._told[what] = self._untold[what], 0, now
            reason = shortened(error_text(error), 200)
            self.logger.warning("%s (%d since the last time this was told): %s", what, count, reason)
