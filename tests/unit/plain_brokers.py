"""Brokers in the memory of one process that keep as little as a message system has to."""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Sequence

from pynenc.broker.plain_broker import Incoming, Outgoing, PlainBroker
from pynenc.plugins.component import ComponentContext


class DequeBroker(PlainBroker):
    """Keeps messages in lists, and never forgets one."""

    shared_between_processes = False
    longest_wait_s = 30.0

    def __init__(self, context: ComponentContext) -> None:
        super().__init__(context)
        self.changed = threading.Condition()
        self.queued: dict[str, deque[bytes]] = {}
        self.taken: dict[str, tuple[str, bytes]] = {}
        self.sent = self.received = 0

    def send(self, messages: Sequence[Outgoing]) -> None:
        with self.changed:
            for each in messages:
                self.sent += 1
                self.put(each)
            self.changed.notify_all()

    def put(self, message: Outgoing) -> None:
        self.queued.setdefault(message.queue, deque()).append(message.body)

    def receive(self, queues: Sequence[str], limit: int, timeout_s: float) -> list[Incoming]:
        with self.changed:
            self.changed.wait_for(
                lambda: self.was_interrupted() or any(self.queued.get(queue) for queue in queues), timeout_s
            )
            found = []
            for queue in queues:
                while self.queued.get(queue) and len(found) < limit:
                    self.received += 1
                    body = self.queued[queue].popleft()
                    self.taken[str(self.received)] = (queue, body)
                    found.append(Incoming(body, str(self.received)))
            return found

    def confirm(self, receipts: Sequence[str]) -> None:
        with self.changed:
            for receipt in receipts:
                self.taken.pop(receipt, None)

    def clear(self, queues: Sequence[str]) -> None:
        with self.changed:
            for queue in queues:
                self.queued.pop(queue, None)

    def count(self, queue: str) -> int | None:
        return len(self.queued.get(queue, ()))

    def wake(self) -> None:
        with self.changed:
            self.changed.notify_all()

    def close(self) -> None:
        """Put back what was taken, as the end of a connection does."""
        with self.changed:
            for queue, body in self.taken.values():
                self.queued.setdefault(queue, deque()).append(body)
            self.taken.clear()


class SilentBroker(DequeBroker):
    """Cannot count."""

    def count(self, queue: str) -> int | None:
        return None


class WorstBroker(SilentBroker):
    """Loses a fifth, repeats a fifth and puts what comes anywhere."""

    chance = random.Random(7)

    def put(self, message: Outgoing) -> None:
        queue = self.queued.setdefault(message.queue, deque())
        for _ in range(self.chance.choice([0, 1, 1, 1, 2])):
            queue.insert(self.chance.randint(0, len(queue)), message.body)
