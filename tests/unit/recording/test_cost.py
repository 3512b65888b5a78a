"""The cost of observation in writes, index entries and round trips, counted at the storage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest

from pynenc import Pynenc
from pynenc.lifecycle.count_keeping import QUIET_S, flush_counts, fold
from pynenc.lifecycle.failures import flush_failures
from pynenc.lifecycle.rollups import roll_up
from pynenc.storage.operations import Delete, Insert, Operation, Patch
from pynenc.testing.inline_runner import InlineRunner


class Cost(NamedTuple):
    """Writes, entries in indexes that they add or move, and round trips."""

    writes: int
    entries: int
    trips: int

    def __sub__(self, other: Cost) -> Cost:
        return Cost(*(mine - theirs for mine, theirs in zip(self, other, strict=True)))


def plain() -> None:
    """Do nothing."""


def fails() -> None:
    raise ValueError("no")


def parent() -> None:
    child.invoke()


class child:  # noqa: N801 - stands for a task that is set below
    invoke: Callable[[], object] = staticmethod(lambda: None)


def flow() -> None:
    """Do nothing."""


@contextmanager
def counted(app: Pynenc) -> Iterator[list[Cost]]:
    """Count what happens at the storage of an app; the cost is in the list afterwards."""
    storage: Any = app.orchestrator.storage  # type: ignore[attr-defined]
    found: list[Cost] = []
    writes = entries = trips = 0
    execute, find, take = storage.execute, storage.find, storage.take

    def entries_of(operation: Operation) -> int:
        if isinstance(operation, Insert):
            fields = operation.values
            return sum(
                not index.is_sparse or all(fields.get(name) is not None for name in index.by)
                for index in operation.table.indexes
            )
        if isinstance(operation, Patch):
            return sum(
                bool({*index.by, index.order} & operation.values.keys())
                and (not index.is_sparse or all(operation.values.get(name) is not None for name in index.by))
                for index in operation.table.indexes
            )
        return 0

    def counting_execute(operations: Any) -> Any:
        nonlocal writes, entries, trips
        trips += 1
        writes += sum(isinstance(each, (Insert, Patch, Delete)) for each in operations)
        entries += sum(map(entries_of, operations))
        return execute(operations)

    def counting_find(*given: Any) -> Any:
        nonlocal trips
        trips += 1
        return find(*given)

    def counting_take(*given: Any) -> Any:
        nonlocal trips
        trips += 1
        return take(*given)

    storage.execute, storage.find, storage.take = counting_execute, counting_find, counting_take
    try:
        yield found
    finally:
        storage.execute, storage.find, storage.take = execute, find, take
        found.append(Cost(writes, entries, trips))


def _app(observation: str) -> Pynenc:
    Pynenc.discard("costs")
    return Pynenc({"app_id": "costs", "observation": observation, "logging_level": "critical"})


def _life(observation: str, body: Callable[[], None], **options: Any) -> Cost:
    app = _app(observation)
    task = app.workflow(body) if body is flow else app.task(body)
    child.invoke = staticmethod(app.task(plain)) if body is parent else staticmethod(lambda: None)
    InlineRunner(app).run_due()
    with counted(app) as found:
        task.options(**options)()
        InlineRunner(app).run_due()
    return found[0]


@pytest.mark.parametrize("body", [plain, fails, parent, flow], ids=lambda body: body.__name__)
def test_no_life_costs_more_because_it_is_observed(body: Callable[[], None]) -> None:
    assert _life("full", body) == _life("off", body)


def test_a_tag_is_one_write_and_headers_are_none() -> None:
    bare = _life("full", plain)
    assert _life("full", plain, headers={"tenant": "t"}) == bare
    assert _life("full", plain, tags={"customer": "42"}) - bare == Cost(1, 1, 0)
    assert _life("full", plain, tags={"customer": "42", "area": "x"}) - bare == Cost(2, 2, 0)


def test_a_child_and_a_workflow_are_in_indexes_of_their_own() -> None:
    alone, family = _life("full", plain), _life("full", parent)
    submitted_by_a_task = family - alone - alone
    assert submitted_by_a_task.entries == 2  # by its parent and by its family
    workflow = _life("full", flow) - alone
    assert workflow.writes <= 1
    assert workflow.entries <= 4  # the kind, and one for each change of its status


def test_a_sign_of_life_costs_a_write_and_a_group_of_failures_three() -> None:
    app = _app("full")
    task = app.task(fails)
    task()
    InlineRunner(app).run_due()
    with counted(app) as found:
        flush_counts(app.components)
    assert found[0] == Cost(1, 1, 1)
    with counted(app) as found:
        flush_counts(app.components)
    assert found[0] == Cost(0, 0, 0)  # nothing was counted since
    with counted(app) as found:
        flush_failures(app.components, "r")
    assert found[0] == Cost(3, 4, 1)  # the group, when it failed last, and a sample
    task()
    InlineRunner(app).run_due()
    with counted(app) as found:
        flush_counts(app.components)
    assert found[0] == Cost(1, 1, 1)


def test_a_minute_costs_the_leader_a_few_trips_however_much_was_done() -> None:
    app = _app("full")
    task = app.task(plain)
    costs: list[Cost] = []
    for number in (1, 200):
        for _ in range(number):
            task()
        InlineRunner(app).run_due()
        flush_counts(app.components)
        with counted(app) as found:
            roll_up(app.components, [task.task_id.key])
            fold(app.components, app.components.now() - QUIET_S)
        costs.append(found[0])
    assert costs[1].writes <= 2
    assert costs[1].trips <= 12
    assert costs[1].trips <= costs[0].trips
