"""Rollups: each count is in one minute and in one hour, whoever dies in between."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from dying import Dies, failing

from pynenc import Pynenc
from pynenc.lifecycle.components import Components
from pynenc.lifecycle.count_keeping import flush_counts
from pynenc.lifecycle.observation_retention import old_loads, old_rollups
from pynenc.lifecycle.rollups import read_rolled_up, roll_up, submitted_counts
from pynenc.metrics.history import history, quantile
from pynenc.recording.counts import BOUNDS, Counts, Histogram, key_of
from pynenc.recording.recorder import ENDED, RETRIED, STARTED, Recorder
from pynenc.state_backend.count_records import HOUR, MINUTE, Rollup, RunnerLoad
from pynenc.storage.record_store import Lookup, Save
from pynenc.testing import in_memory

app = Pynenc({"app_id": "rolled_up"})
KEY = key_of(RETRIED, ["t"])
BEGIN = 1_800_000_000.0


@app.task
def work() -> int:
    return 1


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    with in_memory(app):
        yield


@pytest.fixture
def process() -> Components:
    """The components as a process has them that counts."""
    components = dataclasses.replace(app.components, recorder=Recorder())
    _roll_at(components, 0)
    return components


def _roll_at(components: Components, seconds: float) -> None:
    roll_up(dataclasses.replace(components, now=lambda: BEGIN + 5.0 + seconds), [])


def _count(process: Components, number: int = 1) -> None:
    for _ in range(number):
        process.recorder.note((RETRIED, "t", "q", "", 0.0))
    flush_counts(process)


def _numbers(span: str = MINUTE) -> list[int]:
    found = app.state_backend.find_all(Rollup, Lookup(Rollup, {"span": span}))
    return [each.counts.counters[KEY] for each in found]


def test_each_minute_has_what_was_counted_in_it(process: Components) -> None:
    _count(process, 3)
    _roll_at(process, 60)
    _count(process, 4)
    _roll_at(process, 120)
    _roll_at(process, 180)  # in which nothing was done
    _count(process, 5)
    _roll_at(process, 240)
    assert _numbers() == [3, 4, 5]
    found = app.state_backend.find_all(Rollup, Lookup(Rollup, {"span": MINUTE}))
    assert [(each.begun - BEGIN, each.at - BEGIN) for each in found] == [(0, 60), (60, 120), (180, 240)]


def test_what_was_counted_before_the_first_rollup_is_in_it() -> None:
    components = dataclasses.replace(app.components, recorder=Recorder())
    _count(components, 3)
    _roll_at(components, 0)
    assert _numbers() == [3]
    _count(components, 4)
    _roll_at(components, 60)
    assert _numbers() == [3, 4]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(14))
def test_a_leader_that_dies_anywhere_counts_nothing_twice_and_loses_nothing(
    at: int, after: bool, process: Components, monkeypatch: pytest.MonkeyPatch
) -> None:
    _count(process, 5)
    _roll_at(process, 3000)
    _count(process, 7)
    with monkeypatch.context() as patched:
        failing(app.state_backend, ("write", "read", "find", "count_many"), at, after, patched)
        with suppress(Dies):
            _roll_at(process, 4000)
    _count(process, 11)
    _roll_at(process, 5000)
    _roll_at(process, 9000)
    assert sum(_numbers()) == 23
    assert sum(_numbers(HOUR)) == 23
    assert _numbers()[0] == 5


def test_two_leaders_at_once_write_one_minute(process: Components, monkeypatch: pytest.MonkeyPatch) -> None:
    _count(process, 5)
    original, entered = app.state_backend.find, []

    def interrupted(*given: Any) -> Any:
        if not entered:
            entered.append(None)
            _roll_at(process, 61)
        return original(*given)

    monkeypatch.setattr(app.state_backend, "find", interrupted)
    _roll_at(process, 60)
    monkeypatch.undo()
    _count(process, 2)
    _roll_at(process, 120)
    assert _numbers() == [5, 2]


def test_hours_are_the_sums_of_their_minutes(process: Components) -> None:
    for minute in range(1, 181):
        _count(process)
        _roll_at(process, minute * 60)
    assert len(_numbers()) == 180
    hours = app.state_backend.find_all(Rollup, Lookup(Rollup, {"span": HOUR}))
    assert [each.at - each.begun for each in hours] == [3600] * len(hours)
    assert all(each.at % 3600 == 0 for each in hours)
    assert sum(each.counts.counters[KEY] for each in hours) == sum(
        1 for minute in range(1, 181) if BEGIN + minute * 60 < hours[-1].at
    )


def test_counts_that_were_deleted_begin_anew(process: Components) -> None:
    _count(process, 5)
    _roll_at(process, 60)
    rolled = read_rolled_up(process)
    assert rolled is not None
    app.state_backend.purge()
    app.state_backend.write([Save(rolled)])
    fresh = dataclasses.replace(app.components, recorder=Recorder())
    _count(fresh, 2)
    _roll_at(fresh, 120)
    assert _numbers() == [2]


def test_damaged_rollups_count_for_nothing(process: Components) -> None:
    app.state_backend.write([Save(Rollup("x", MINUTE, BEGIN + 30, BEGIN, 77, b"\xc1\xff"))])
    _count(process, 5)
    _roll_at(process, 60)
    (step,) = history(app.components, BEGIN, BEGIN + 120, 120.0)
    assert step.retried == 5


def test_submissions_are_counted_by_their_times() -> None:
    now = app.components.now()
    early = dataclasses.replace(app.components, now=lambda: now - 100)
    roll_up(early, [])
    for _ in range(4):
        work()
    later = dataclasses.replace(app.components, now=lambda: now + 100)
    roll_up(later, [work.task_id.key])
    assert submitted_counts(read_rolled_up(app.components)).counters == {
        key_of("submitted", [work.task_id.key]): 4
    }
    roll_up(dataclasses.replace(app.components, now=lambda: now + 200), [])
    assert submitted_counts(read_rolled_up(app.components)).counters == {
        key_of("submitted", [work.task_id.key]): 4
    }
    (step,) = history(later, now - 50, now + 100, 1000.0)
    assert step.submitted == 4
    (other,) = history(later, now - 50, now + 100, 1000.0, "other")
    assert other.submitted == 0


def test_submissions_of_tasks_that_nobody_knows_are_counted_as_others() -> None:
    now = app.components.now()
    roll_up(dataclasses.replace(app.components, now=lambda: now - 100), [])
    work()
    roll_up(dataclasses.replace(app.components, now=lambda: now + 100), ["another"])
    assert submitted_counts(read_rolled_up(app.components)).counters == {key_of("submitted", ["other"]): 1}


def test_old_rollups_and_loads_are_deleted(process: Components) -> None:
    for minute in (1, 2, 3):
        _count(process)
        _roll_at(process, minute * 60)
    assert sum(old_rollups(app.components, MINUTE, BEGIN + 125)) == 2
    assert len(_numbers()) == 1
    loads = [RunnerLoad(f"r{at}", BEGIN + at, 1, 1, 0.0, 0.0, 1, 0.0) for at in range(3)]
    app.state_backend.write([Save(each) for each in loads])
    assert sum(old_loads(app.components, BEGIN + 1)) == 1
    assert app.state_backend.read(RunnerLoad, ["r0", "r1"]) == [None, loads[1]]


def test_history_steps_through_a_time(process: Components) -> None:
    for minute in range(6):
        for _ in range(minute):
            process.recorder.note((STARTED, "t", "q", "", 0.1))
            process.recorder.note((ENDED, "t", "q", "failed" if minute == 5 else "success", 0.2))
        flush_counts(process)
        _roll_at(process, minute * 60 + 60)
    steps = history(app.components, BEGIN + 60, BEGIN + 421, 120.0)
    assert [each.started for each in steps] == [1 + 2, 3 + 4, 5, 0]
    assert [each.failed for each in steps] == [0, 0, 5, 0]
    assert [each.succeeded for each in steps] == [3, 7, 0, 0]
    assert steps[-1].until == BEGIN + 421
    assert steps[0].run_s == pytest.approx(0.2)
    assert steps[0].run_p95_s == pytest.approx(0.15 + 0.1 * 0.95)  # around the mean, which is 0.2
    assert steps[-1].run_s is None
    assert steps[-1].run_p95_s is None


def test_history_goes_on_with_hours_where_minutes_are_gone(process: Components) -> None:
    for minute in range(1, 241, 10):
        _count(process)
        _roll_at(process, minute * 60)
    now = BEGIN + 241 * 60
    conf = app.conf.model_copy(update={"rollup_minutes_hours": 2.0})
    late = dataclasses.replace(app.components, now=lambda: now, conf=conf)
    list(old_rollups(late, MINUTE, now - 7200))
    before = (now - 7200) // 3600 * 3600 + 3600
    counted = sum(each.retried for each in history(late, BEGIN - 3600, now, 3600.0))
    minutes = [BEGIN + minute * 60 for minute in range(1, 241, 10)]
    hours = app.state_backend.find_all(Rollup, Lookup(Rollup, {"span": HOUR}))
    assert counted == len(minutes)
    assert any(each.at <= before for each in hours)


def test_an_hour_belongs_to_the_step_in_which_it_begins() -> None:
    now = BEGIN + 100 * 3600.0
    late = dataclasses.replace(app.components, now=lambda: now)
    begun = BEGIN // 3600 * 3600
    data = Counts({key_of(STARTED, ["t", "q"]): 7}).encoded()
    app.state_backend.write([Save(Rollup("h:1", HOUR, begun + 3600, begun, 0, data))])
    steps = history(late, begun - 3600, begun + 7200, 3600.0)
    assert [each.started for each in steps] == [0, 7, 0]
    assert [each.started for each in history(late, begun + 3600, begun + 7200, 3600.0)] == [0]


@pytest.mark.parametrize("given", [{"since": 5}, {"step": 5}, {"until": "now"}, {"task": 5}])
def test_what_is_no_time_or_task_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="timedelta|a task"):
        app.history(**given)


@pytest.mark.parametrize("step", [0.0, -1.0, math.nan, 0.001])
def test_steps_that_make_no_sense_are_refused(step: float) -> None:
    with pytest.raises(ValueError, match="step"):
        history(app.components, BEGIN, BEGIN + 3600, step)


def test_the_app_tells_its_history() -> None:
    steps = app.history(timedelta(hours=1), step=timedelta(minutes=10), task=work)
    assert len(steps) == 6
    assert {each.started for each in steps} == {0}
    moment = datetime.fromtimestamp(BEGIN, UTC)
    assert len(app.history(moment, moment + timedelta(minutes=2))) == 2
    assert app.history(moment, moment) == []
    assert app.history(moment + timedelta(hours=1), moment) == []


def test_a_quantile_is_within_its_bucket() -> None:
    times = Histogram()
    times.buckets[3] = 4
    assert quantile(times, 0.5) == pytest.approx(BOUNDS[2] + (BOUNDS[3] - BOUNDS[2]) / 2)
    times.buckets[-1] = 100
    assert quantile(times, 0.95) == BOUNDS[-1]
    assert quantile(Histogram(), 0.5) is None


def test_rollups_are_read_as_they_are_stored() -> None:
    counts = Counts({KEY: 3}, {"run": Histogram()})
    stored = msgspec.msgpack.encode(counts)
    assert Rollup("x", MINUTE, 1.0, 0.0, 1, stored).counts == counts


@pytest.mark.parametrize(
    ("seconds", "share", "low", "high"),
    [
        ([0.000037], 0.95, 0.00001, 0.00008),
        ([0.00006] * 1000, 0.95, 0.00003, 0.00013),
        ([72.0] * 50, 0.95, 60.0, 90.0),
        ([0.2, 0.2, 7000.0], 0.5, 0.1, 0.25),
        ([10_000.0], 0.5, 7200.0, 7200.0),
        ([0.3, 0.4, 0.45, 0.49], 0.95, 0.4, 0.5),
    ],
)
def test_quantiles_are_near_what_was_seen(
    seconds: list[float], share: float, low: float, high: float
) -> None:
    recorder = Recorder()
    for each in seconds:
        recorder.note((ENDED, "t", "q", "success", each))
    found = quantile(recorder.drain().times("run"), share)
    assert found is not None
    assert low <= found <= high
