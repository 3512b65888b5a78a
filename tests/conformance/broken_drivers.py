"""Drivers that break one promise each; the kit has to notice every one."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from pynenc.storage.base_storage import Storage
from pynenc.storage.memory_storage import MemoryStorage
from pynenc.storage.operations import APPLIED, Ack, Insert, Notify, Operation, Patch, Push, Reply, Taken


class DropsOneWriteIn100(MemoryStorage):
    """Says that a write was done, and forgets every hundredth."""

    def __init__(self, app_id: str) -> None:
        super().__init__(app_id)
        self._numbers = itertools.count(1)

    def execute(self, operations: Sequence[Operation]) -> list[Reply]:
        replies: list[Reply] = []
        for operation in operations:
            if isinstance(operation, (Insert, Patch)) and next(self._numbers) % 100 == 0:
                replies.append(APPLIED)
            else:
                replies += super().execute([operation])
        return replies


class IgnoresAGuard(MemoryStorage):
    """Patches without looking at the owner that it should expect."""

    def execute(self, operations: Sequence[Operation]) -> list[Reply]:
        return super().execute(
            [
                msgspec.structs.replace(each, expect=dict(list(each.expect.items())[:1]))
                if isinstance(each, Patch)
                else each
                for each in operations
            ]
        )


class LosesAWakeUp(MemoryStorage):
    """Forgets every tenth wake-up; timed looks hide it from who waits long enough."""

    def __init__(self, app_id: str) -> None:
        super().__init__(app_id)
        self._numbers = itertools.count(1)

    def execute(self, operations: Sequence[Operation]) -> list[Reply]:
        kept = [each for each in operations if not isinstance(each, Notify) or next(self._numbers) % 10 != 0]
        replies = iter(super().execute(kept))
        return [next(replies) if any(each is one for one in kept) else None for each in operations]


class ReturnsLeasedItemsTwice(MemoryStorage):
    """Takes items without a lease worth the name."""

    def take(self, queues: Sequence[str], limit: int, lease_s: float, now: float) -> Taken:
        return super().take(queues, limit, 0.0, now)


class ForgetsAcknowledgements(MemoryStorage):
    """Keeps what was acknowledged."""

    def execute(self, operations: Sequence[Operation]) -> list[Reply]:
        return super().execute([Ack(()) if isinstance(each, Ack) else each for each in operations])


class IgnoresPriorities(MemoryStorage):
    """First come, first served, whatever the priority."""

    def execute(self, operations: Sequence[Operation]) -> list[Reply]:
        return super().execute([_level(each) for each in operations])


class SeesOtherApps(MemoryStorage):
    """Keeps all apps in one place."""

    _one: MemoryStorage | None = None

    def __new__(cls, app_id: str) -> SeesOtherApps:
        if cls._one is None:
            cls._one = super().__new__(cls)
            MemoryStorage.__init__(cls._one, app_id)
        return cls._one  # type: ignore[return-value]

    def __init__(self, app_id: str) -> None:
        """Once was enough."""


def _level(operation: Operation) -> Any:
    if not isinstance(operation, Push):
        return operation
    return Push(operation.queue, tuple(msgspec.structs.replace(item, priority=0) for item in operation.items))


BROKEN: Iterable[type[Storage]] = (
    DropsOneWriteIn100,
    IgnoresAGuard,
    LosesAWakeUp,
    ReturnsLeasedItemsTwice,
    ForgetsAcknowledgements,
    IgnoresPriorities,
    SeesOtherApps,
)
