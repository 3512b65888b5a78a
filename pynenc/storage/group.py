"""Groups: operations of several components that go out together.

Components that live on one storage put their operations into the same group, which sends
neighbours on one storage in one round trip. Where components live on different storages the
group falls apart into one call for each, in the same order, and the promises are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar, cast

from pynenc.storage.base_storage import Storage
from pynenc.storage.operations import Operation, Outcome, Read, Record, Reply, Table, Write

T = TypeVar("T")
S = TypeVar("S")


class Pending(Generic[T]):
    """The reply of one step, there once the group was sent."""

    __slots__ = ("_reply",)

    def __init__(self) -> None:
        self._reply: tuple[T] | None = None

    def settle(self, reply: T) -> None:
        """Called by the group."""
        self._reply = (reply,)

    def get(self) -> T:
        """The reply.

        Raises:
            RuntimeError: The group was not sent yet.
        """
        if self._reply is None:
            raise RuntimeError("the group was not sent yet")
        return self._reply[0]


class Mapped(Pending[T]):
    """A reply seen through a function, which runs when the reply is asked for."""

    __slots__ = ("_function", "_source")

    def __init__(self, source: Pending[S], function: Callable[[S], T]) -> None:
        super().__init__()
        self._source = source
        self._function = function

    def get(self) -> T:
        if self._reply is None:
            self._reply = (self._function(self._source.get()),)
        return self._reply[0]


class Group:
    """Collects steps and sends them in order."""

    def __init__(self) -> None:
        self._steps: list[
            tuple[Storage, Operation, Pending[Reply]] | tuple[None, Callable[[], object], Pending[object]]
        ] = []

    def add(self, storage: Storage, operation: Operation) -> Pending[Reply]:
        """Append an operation."""
        pending: Pending[Reply] = Pending()
        self._steps.append((storage, operation, pending))
        return pending

    def write(self, storage: Storage, writes: Sequence[Write]) -> Pending[list[Outcome]]:
        """Append writes; the reply has an outcome for each."""
        replies = [self.add(storage, write) for write in writes]
        return _Collected(replies)

    def read(
        self, storage: Storage, table: Table, keys: Sequence[str], fields: tuple[str, ...] = ()
    ) -> Pending[list[Record | None]]:
        """Append a read."""
        pending = self.add(storage, Read(table, tuple(keys), fields))
        return cast("Pending[list[Record | None]]", pending)

    def call(self, function: Callable[[], T]) -> Pending[T]:
        """Append a step that is no storage operation; it runs at its place in the order."""
        pending: Pending[T] = Pending()
        self._steps.append((None, function, cast("Pending[object]", pending)))
        return pending

    def send(self) -> None:
        """Carry out all steps in order; then the group is empty and can be used again."""
        steps, self._steps = self._steps, []
        at = 0
        while at < len(steps):
            storage, step, pending = steps[at]
            if storage is None:
                cast("Pending[object]", pending).settle(cast("Callable[[], object]", step)())
                at += 1
                continue
            end = at + 1
            while end < len(steps) and steps[end][0] is storage:
                end += 1
            batch = cast("list[tuple[Storage, Operation, Pending[Reply]]]", steps[at:end])
            replies = storage.execute([operation for _, operation, _ in batch])
            for (_, _, waiting), reply in zip(batch, replies, strict=True):
                waiting.settle(reply)
            at = end


class _Collected(Pending[list[Outcome]]):
    __slots__ = ("_parts",)

    def __init__(self, parts: list[Pending[Reply]]) -> None:
        super().__init__()
        self._parts = parts

    def get(self) -> list[Outcome]:
        return [cast(Outcome, part.get()) for part in self._parts]
