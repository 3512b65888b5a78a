"""Composites: which occurrences belong together, in what order, and for how long."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import plain_tasks
import pytest
from clocks import Clock
from hypothesis import given
from hypothesis import strategies as some

from pynenc import Pynenc
from pynenc.exceptions import TaskDefinitionError
from pynenc.scheduler.matching import Candidate, match
from pynenc.testing.evaluating import Evaluating, fired
from pynenc.testing.inline_runner import InlineRunner
from pynenc.trigger import all_of, any_of, on_cron, on_event, on_success, sequence
from pynenc.trigger.records import EVENT, Occurrence, Part, RunState, TriggerRun


def numbers(context: Any) -> dict[str, Any]:
    return {"value": [part.payload["n"] for part in context.parts]}


@pytest.fixture
def app() -> Iterator[Pynenc]:
    app = Pynenc({"app_id": "composites", "logging_level": "critical", "trigger_retry_seconds": 0})
    yield app
    Pynenc.discard("composites")


@pytest.fixture
def clock(app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(app, monkeypatch)


def met(app: Pynenc, builder: Any, events: list[tuple[str, dict[str, Any]]], clock: Clock) -> list[Any]:
    """Return the arguments of what was started, after each event was evaluated by itself."""
    echo = app.task(triggers=builder.with_args_provider(numbers))(plain_tasks.echo)
    app.register_deferred_triggers()
    evaluating = Evaluating(app)
    for code, payload in events:
        clock.now += 1
        app.trigger.emit_event(code, payload)
        evaluating.work()
    return [app.get_invocation(run.invocation_id).arguments["value"] for run in fired(app, echo)]


def paid(n: int, order: Any = 1) -> tuple[str, dict[str, Any]]:
    return "paid", {"n": n, "order": order}


def packed(n: int, order: Any = 1) -> tuple[str, dict[str, Any]]:
    return "packed", {"n": n, "order": order}


def test_correlated_occurrences_meet_only_their_own(app: Pynenc, clock: Clock) -> None:
    both = all_of(on_event("paid"), on_event("packed"), correlate_by="order")
    events = [paid(1, "a"), packed(2, "b"), paid(3, "b"), paid(4, 7), packed(5, "7"), packed(6, "a")]
    assert met(app, both, events, clock) == [[3, 2], [1, 6]]


def test_a_function_may_say_what_belongs_together(app: Pynenc, clock: Clock) -> None:
    both = all_of(
        on_event("paid"), on_event("packed"), correlate_by=lambda part: part.payload["order"].lower()
    )
    assert met(app, both, [paid(1, "A"), packed(2, "b"), packed(3, "a")], clock) == [[1, 3]]


def test_an_occurrence_without_the_value_belongs_to_nothing(app: Pynenc, clock: Clock) -> None:
    both = all_of(on_event("paid"), on_event("packed"), correlate_by="customer.id")
    assert met(app, both, [paid(1), packed(2)], clock) == []
    (problem,) = app.trigger.find_problems()
    assert "nothing to correlate by: KeyError: 'customer.id'" in problem.error
    assert problem.count == 2


def test_two_conditions_for_one_code_need_two_events(app: Pynenc, clock: Clock) -> None:
    both = all_of(on_event("vote"), on_event("vote"))
    events = [("vote", {"n": n}) for n in range(5)]
    assert met(app, both, events, clock) == [[0, 1], [2, 3]]


def test_an_occurrence_that_meets_several_conditions_leaves_room_for_others(
    app: Pynenc, clock: Clock
) -> None:
    both = all_of(on_event("e", {"kind": "special"}), on_event("e"))
    plain, special = ("e", {"n": 1}), ("e", {"n": 2, "kind": "special"})
    assert met(app, both, [special, plain], clock) == [[2, 1]]


def test_three_of_one_code_of_which_two_are_special(app: Pynenc, clock: Clock) -> None:
    three = all_of(on_event("e"), on_event("e", {"s": 1}), on_event("e", {"s": 1}))
    events = [("e", {"n": 1, "s": 1}), ("e", {"n": 2, "s": 1}), ("e", {"n": 3})]
    assert met(app, three, events, clock) in ([[3, 1, 2]], [[3, 2, 1]])


def test_a_sequence_is_met_in_its_order_only(app: Pynenc, clock: Clock) -> None:
    both = sequence(on_event("paid"), on_event("packed"))
    assert met(app, both, [packed(1), paid(2), packed(3), paid(4), paid(5), packed(6)], clock) == [
        [2, 3],
        [4, 6],
    ]


def test_any_of_is_met_by_each(app: Pynenc, clock: Clock) -> None:
    assert met(app, any_of(on_event("paid"), on_event("packed")), [paid(1), packed(2)], clock) == [[1], [2]]


def test_half_a_match_is_dropped_after_its_window_and_told(app: Pynenc, clock: Clock) -> None:
    both = all_of(on_event("paid"), on_event("packed"), within=timedelta(seconds=10))
    echo = app.task(triggers=both.with_args_provider(numbers))(plain_tasks.echo)
    app.register_deferred_triggers()
    evaluating = Evaluating(app)
    app.trigger.emit_event(*paid(1))
    evaluating.work()
    clock.now += 9
    app.trigger.emit_event(*paid(2))
    evaluating.work()
    assert app.trigger.find_runs() == []
    clock.now += 6
    app.trigger.emit_event(*packed(3))
    evaluating.work()
    (run,) = fired(app, echo)
    assert app.get_invocation(run.invocation_id).arguments["value"] == [2, 3]
    (dropped,) = app.trigger.find_runs(state=RunState.EXPIRED)
    assert dropped.reason == "the other conditions were not met within 10 s"
    assert dropped.cause.startswith("event 'paid'")
    clock.now += 100
    evaluating.work()
    assert len(app.trigger.find_runs()) == 2  # what was used does not expire


def test_statuses_and_events_are_correlated_by_their_values(app: Pynenc, clock: Clock) -> None:
    source = app.task(plain_tasks.add)
    both = all_of(on_success(source), on_event("packed"), correlate_by="x")
    echo = app.task(triggers=both.with_arguments({"value": 1}))(plain_tasks.echo)
    app.register_deferred_triggers()

    calls = [source(x, 1) for x in (5, 6)]
    InlineRunner(app).run_due()
    assert [call.result for call in calls] == [6, 7]
    evaluating = Evaluating(app)
    evaluating.work()
    app.trigger.emit_event("packed", {"x": 6})
    app.trigger.emit_event("packed", {"x": 8})
    evaluating.work()
    (run,) = fired(app, echo)
    assert calls[1].invocation_id in run.cause


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: all_of(on_event("a")), "needs at least 2"),
        (lambda: any_of(), "needs at least 1"),
        (lambda: sequence(on_event("a"), all_of(on_event("b"), on_event("c"))), "do not nest"),
        (lambda: all_of(on_event("a").with_arguments({}), on_event("b")), "single conditions"),
        (lambda: all_of(on_event("a"), on_event("b"), correlate_by=""), "correlate_by=''"),
        (lambda: all_of(on_event("a"), on_event("b"), correlate_by=3), "correlate_by=3"),  # type: ignore[arg-type]
        (lambda: all_of(on_event("a"), on_event("b"), within=0), "must be more than nothing"),
        (lambda: all_of(on_event("a"), on_event("b"), within=float("nan")), "neither a number"),
        (lambda: all_of(on_event("a"), on_cron("@daily"), correlate_by="x").build("m.f"), "schedule"),
        (lambda: on_event("a").with_logic("or", correlate_by="x").build("m.f"), "needed together"),
        (lambda: all_of(on_event("a"), "b"), "not a trigger condition"),  # type: ignore[arg-type]
    ],
)
def test_combinations_that_mean_nothing_are_refused(make: Any, told: str) -> None:
    with pytest.raises(TaskDefinitionError, match=told):
        make()


def test_parts_and_runs_that_cannot_be_read_stop_no_other(app: Pynenc, clock: Clock) -> None:
    both = all_of(on_event("paid"), on_event("packed"), within=60)
    echo = app.task(triggers=both.with_args_provider(numbers))(plain_tasks.echo)
    heard = app.task(triggers=on_event("paid").with_arguments({"x": 1}))(plain_tasks.add)
    app.register_deferred_triggers()
    evaluating = Evaluating(app)
    app.trigger.emit_event(*paid(1))
    evaluating.work()
    (stored,) = app.trigger.find_definitions(echo.task_id.key)
    for number, text in enumerate(("{", "[]", "\x00")):
        slot = f"{stored.trigger_id}:{number % 2}"
        app.trigger.save_parts([Part(f"bad{number}", slot, text, 1.0, "", clock.now + 30)])
    run = TriggerRun(
        "bad", stored.trigger_id, echo.task_id.key, RunState.FIRING, "c", 1.0, "", "[]", parts="[3]"
    )
    app.trigger.save_runs([run])
    app.trigger.emit_event(*packed(2))
    successor = Evaluating(app, "r2")
    clock.now += 5
    successor.work()
    successor.evaluator._composites.complete()  # as after the death of another evaluator
    assert len(fired(app, echo)) == 1
    assert len(fired(app, heard)) == 1
    assert [app.trigger.waiting_parts(f"{stored.trigger_id}:{index}", 9) for index in (0, 1)] == [[], []]
    (failed,) = app.trigger.find_runs(state=RunState.FAILED)
    assert (failed.run_id, "cannot be read" in (failed.reason or "")) == ("bad", True)


# --- matching --------------------------------------------------------------------------


def candidate(index: int, source: int, at: float) -> Candidate:
    occurrence = Occurrence(str(source), EVENT, "e", "{}", at)
    return Candidate(Part(f"{index}/{source}", str(index), "", at), index, occurrence)


@given(
    some.lists(some.tuples(some.integers(0, 20), some.sets(some.integers(0, 2), min_size=1)), max_size=9),
    some.integers(1, 12),
    some.booleans(),
)
def test_rows_keep_every_rule_and_none_is_left_over(
    sources: list[tuple[int, set[int]]], window: int, in_order: bool
) -> None:
    columns: list[list[Candidate]] = [[], [], []]
    for number, (at, meets) in sorted(enumerate(sources), key=lambda pair: (pair[1][0], pair[0])):
        for index in meets:
            columns[index].append(candidate(index, number, at))
    rows = match(columns, window, in_order)
    used = [each.source for row in rows for each in row]
    assert len(used) == len(set(used))
    for row in rows:
        times = [each.part.at for each in row]
        assert [each.index for each in row] == [0, 1, 2]
        assert max(times) - min(times) <= window
        assert not in_order or times == sorted(set(times))
    left = [[each for each in column if each.source not in used] for column in columns]
    assert match(left, window, in_order) == []
    found = [
        row
        for row in ((a, b, c) for a in left[0] for b in left[1] for c in left[2])
        if len({each.source for each in row}) == 3
        and max(each.part.at for each in row) - min(each.part.at for each in row) <= window
        and (not in_order or row[0].part.at < row[1].part.at < row[2].part.at)
    ]
    assert found == []
