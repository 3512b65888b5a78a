"""Groups: operations of several components that go out together.

Components that live on one storage put their operations into the same group, which sends
neighbours on one storage in one round trip. Where components live on different storages the
group falls apart into one call for each, in the same order, and the promises are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar, cast

from pynenc.storage.base_storage import Storage
from pynenc.storage.operations import Operation, Outcome, Read, Record, Reply, Table, Write

T = TypeVar("T")


class Pending(Generic[T]):
    """The reply of one step, there once the group was sent.

    Args:
        function: Makes the reply of what the storage gave, when it is asked for the first time.

    Attributes:
        raw: What the storage gave; set by the group.
    """

    __slots__ = ("_function", "_reply", "raw")

    def __init__(self, function: Callable[[Any], T] | None = None) -> None:
        self._function = function
        self.raw: tuple[Any] | None = None
        self._reply: tuple[T] | None = None

    def get(self) -> T:
        """Return the reply.

        Raises:
            RuntimeError: The group was not sent yet.
        """
        if self._reply is None:
            if self.raw is None:
                raise RuntimeError("the group was not sent yet")
            (raw,) = self.raw
            self._reply = (raw if self._function is None else self._function(raw),)
        return self._reply[0]


class Group:
    """Collects steps and sends them in order."""

    __slots__ = ("_after", "_steps")

    def __init__(self) -> None:
        self._steps: list[
            tuple[Storage, Sequence[Operation], Pending[Any]]
            | tuple[None, Callable[[], object], Pending[Any]]
        ] = []
        self._after: list[Callable[[], object]] = []

    def execute(
        self,
        storage: Storage,
        operations: Sequence[Operation],
        function: Callable[[list[Reply]], T],
    ) -> Pending[T]:
        """Append operations as one step.

        Args:
            storage: Where they go.
            operations: The operations, in order.
            function: Makes the reply of the step of the replies of its operations.
        """
        pending: Pending[T] = Pending(function)
        self._steps.append((storage, operations, pending))
        return pending

    def write(self, storage: Storage, writes: Sequence[Write]) -> Pending[list[Outcome]]:
        """Append writes; the reply has an outcome for each."""
        pending: Pending[list[Outcome]] = Pending()
        self._steps.append((storage, writes, pending))
        return pending

    def read(
        self, storage: Storage, table: Table, keys: Sequence[str], fields: tuple[str, ...] = ()
    ) -> Pending[list[Record | None]]:
        """Append a read."""
        pending: Pending[list[Record | None]] = Pending(_first)
        self._steps.append((storage, (Read(table, tuple(keys), fields),), pending))
        return pending

    def call(self, function: Callable[[], T]) -> Pending[T]:
        """Append a step that is not a storage operation; it runs at its place in the order."""
        pending: Pending[T] = Pending()
        self._steps.append((None, function, pending))
        return pending

    def after(self, function: Callable[[], object]) -> None:
        """Call a function once all steps are carried out."""
        self._after.append(function)

    def send(self) -> None:
        """Carry out all steps in order; then the group is empty and can be used again."""
        steps, self._steps = self._steps, []
        at = 0
        while at < len(steps):
            storage, step, pending = steps[at]
            if storage is None:
                pending.raw = (cast("Callable[[], object]", step)(),)
                at += 1
                continue
            end = at + 1
            while end < len(steps) and steps[end][0] is storage:
                end += 1
            batch = cast("list[tuple[Storage, Sequence[Operation], Pending[Any]]]", steps[at:end])
            operations = [operation for _, some, _ in batch for operation in some]
            replies = storage.execute(operations) if operations else []
            start = 0
            for _, some, waiting in batch:
                waiting.raw = (replies[start : start + len(some)],)
                start += len(some)
            at = end
        if self._after:
            functions, self._after = self._after, []
            for function in functions:
                function()


def _first(replies: list[Reply]) -> list[Record | None]:
    return cast("list[Record | None]", replies[0])
