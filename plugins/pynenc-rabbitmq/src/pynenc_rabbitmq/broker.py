"""The broker on RabbitMQ."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import ClassVar
from urllib.parse import quote

from pynenc.backend import ComponentContext, Incoming, Outgoing, PlainBroker
from pynenc.conf.base_config import PynencConfig
from pynenc_rabbitmq.session import Sessions
from pynenc_rabbitmq.settings import ConfigRabbitMQ

_LONGEST_NAME = 255


class RabbitMQBroker(PlainBroker):
    """Durable queues of RabbitMQ, with persistent messages that the server has confirmed."""

    config_class: ClassVar[type[PynencConfig]] = ConfigRabbitMQ
    conf: ConfigRabbitMQ
    longest_wait_s = 30.0

    def __init__(self, context: ComponentContext) -> None:
        super().__init__(context)
        self._sessions = Sessions(self.conf)

    def send(self, messages: Sequence[Outgoing]) -> None:
        named = [Outgoing(self._name(each.queue), each.body) for each in messages]
        self._sessions.use(lambda session: session.publish(named))

    def receive(self, queues: Sequence[str], limit: int, timeout_s: float) -> list[Incoming]:
        names = [self._name(queue) for queue in queues]
        return self._sessions.use(
            lambda session: session.receive(names, limit, timeout_s, self.was_interrupted)
        )

    def confirm(self, receipts: Sequence[str]) -> None:
        by_session: dict[str, list[int]] = {}
        for receipt in receipts:
            name, _, tag = receipt.rpartition(":")
            if tag.isascii() and tag.isdecimal():
                by_session.setdefault(name, []).append(int(tag))
        for name, tags in by_session.items():
            self._sessions.confirm(name, tags)

    def clear(self, queues: Sequence[str]) -> None:
        names = [self._name(queue) for queue in queues]
        self._sessions.use(lambda session: session.clear(names))

    def count(self, queue: str) -> int:
        name = self._name(queue)
        return self._sessions.use(lambda session: session.declare(name, again=True))

    def wake(self) -> None:
        self._sessions.wake()

    def ping(self) -> str:
        self._sessions.use(lambda session: session.ping())
        return f"RabbitMQ at {self._sessions.place}"

    def close(self) -> None:
        self._sessions.close()

    def _name(self, queue: str) -> str:
        """Return the name of a queue of this app on the server."""
        name = f"pynenc:{quote(self.app_id, safe='')}:{quote(queue, safe='')}"
        if len(name) <= _LONGEST_NAME:
            return name
        return f"{name[:190]}:{hashlib.sha256(name.encode()).hexdigest()[:64]}"
