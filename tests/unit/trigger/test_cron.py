"""When cron expressions tick, and which ticks are fired, by a clock that the tests set."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from zoneinfo import ZoneInfo

import plain_tasks
import pytest
from clocks import Clock
from hypothesis import given
from hypothesis import strategies as some

from pynenc import Pynenc
from pynenc.testing.evaluating import Evaluating
from pynenc.trigger import on_cron
from pynenc.trigger.cron import CronSchedule

MADRID = ZoneInfo("Europe/Madrid")  # forward on 2026-03-29 at 02:00, back on 2026-10-25 at 03:00


def at(text: str, zone: str = "Europe/Madrid", fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()


def ticks(expression: str, since: str, count: int, zone: str = "Europe/Madrid") -> list[str]:
    schedule = CronSchedule(expression, zone)
    found = islice(schedule.between(at(since, zone), at(since, zone) + 5e8), count)
    return [schedule.local(tick).isoformat() for tick in found]


# --- schedules -------------------------------------------------------------------------


def test_a_time_that_the_clock_leaves_out_counts_as_it_would_have_been() -> None:
    assert ticks("30 2 * * *", "2026-03-28T12:00", 2) == [
        "2026-03-29T03:30:00+02:00",
        "2026-03-30T02:30:00+02:00",
    ]


def test_a_time_that_comes_twice_counts_once() -> None:
    assert ticks("30 2 * * *", "2026-10-24T12:00", 2) == [
        "2026-10-25T02:30:00+02:00",
        "2026-10-26T02:30:00+01:00",
    ]


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25"])
def test_every_half_hour_goes_on_through_a_change_of_the_clock(day: str) -> None:
    schedule = CronSchedule("*/30 * * * *", "Europe/Madrid")
    begin = at(f"{day}T00:00")
    found = list(schedule.between(begin, begin + 6 * 3600))
    assert found == [begin + number * 1800 for number in range(1, 13)]


def test_hours_with_a_step_tick_both_times() -> None:
    found = ticks("0 */2 * * *", "2026-10-25T01:30", 3)
    assert found == ["2026-10-25T02:00:00+02:00", "2026-10-25T02:00:00+01:00", "2026-10-25T04:00:00+01:00"]


def test_a_leap_day_comes_every_four_years() -> None:
    assert ticks("0 12 29 2 *", "2026-01-01T00:00", 2, "UTC") == [
        "2028-02-29T12:00:00+00:00",
        "2032-02-29T12:00:00+00:00",
    ]


def test_seconds_are_the_sixth_field() -> None:
    assert ticks("* * * * * */20", "2026-01-01T00:00", 3, "UTC") == [
        "2026-01-01T00:00:20+00:00",
        "2026-01-01T00:00:40+00:00",
        "2026-01-01T00:01:00+00:00",
    ]


@given(
    some.sampled_from(["*/7 * * * *", "15 2 * * *", "0 */3 * * *", "30 1-3 * * 0", "* * * * * */45"]),
    some.sampled_from(["Europe/Madrid", "America/New_York", "Australia/Lord_Howe", "UTC"]),
    some.floats(1_770_000_000, 1_800_000_000),
)
def test_ticks_come_one_after_the_other_wherever_one_begins(expression: str, zone: str, begin: float) -> None:
    schedule = CronSchedule(expression, zone)
    found = list(islice(schedule.between(begin, begin + 1e8), 20))
    assert all(earlier < later for earlier, later in zip([begin, *found], found, strict=False))
    middle = (found[9] + found[10]) / 2
    assert list(islice(schedule.between(middle, begin + 1e8), 10)) == found[10:]


# --- firing ----------------------------------------------------------------------------


@pytest.fixture
def app() -> Iterator[Pynenc]:
    app = Pynenc({"app_id": "cron", "logging_level": "critical"})
    yield app
    Pynenc.discard("cron")


@pytest.fixture
def clock(app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(app, monkeypatch, at("2026-03-28T12:00"))


def define(app: Pynenc, expression: str, misfire: str = "fire_once") -> None:
    app.task(triggers=on_cron(expression, "Europe/Madrid", misfire))(plain_tasks.nothing)
    app.register_deferred_triggers()


def fired(app: Pynenc) -> list[str]:
    return [run.cause.removeprefix("tick of ") for run in reversed(app.trigger.find_runs(limit=1000))]


def drive(app: Pynenc, clock: Clock, until: float) -> None:
    """Sleep from look to look, as a runner does, until a moment."""
    evaluating = Evaluating(app)
    while clock.now < until:
        pause = evaluating.work()
        assert pause is not None
        clock.now = min(clock.now + max(pause, 0.001), until)
    evaluating.work()


def test_a_runner_that_is_awake_fires_through_both_changes_of_the_clock(app: Pynenc, clock: Clock) -> None:
    define(app, "30 2 * * *")
    drive(app, clock, at("2026-03-30T12:00"))
    assert fired(app) == ["2026-03-29T03:30:00+02:00", "2026-03-30T02:30:00+02:00"]
    clock.now = at("2026-10-24T12:00")
    Evaluating(app).work()  # one of those that were missed meanwhile
    assert len(fired(app)) == 3
    drive(app, clock, at("2026-10-26T12:00"))
    assert fired(app)[3:] == ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"]


def test_each_tick_is_fired_within_a_second_of_its_time(app: Pynenc, clock: Clock) -> None:
    define(app, "0 * * * *")
    drive(app, clock, clock.now + 5 * 3600 + 1)
    runs = app.trigger.find_runs()
    assert len(runs) == 5
    assert all(0 <= run.at % 3600 < 1 for run in runs)


def test_a_clock_that_is_set_back_fires_nothing_twice(app: Pynenc, clock: Clock) -> None:
    define(app, "0 * * * *")
    drive(app, clock, at("2026-03-28T15:00:01"))
    clock.now -= 7200
    drive(app, clock, at("2026-03-28T16:00:01"))
    assert [each[11:16] for each in fired(app)] == ["13:00", "14:00", "15:00", "16:00"]


def test_a_clock_that_was_far_ahead_does_not_silence_a_trigger(app: Pynenc, clock: Clock) -> None:
    define(app, "0 * * * *", "skip")
    right = clock.now
    Evaluating(app).work()
    clock.now += 400 * 86400
    drive(app, clock, clock.now + 3601)
    clock.now = right
    before = len(fired(app))
    drive(app, clock, right + 2 * 3600 + 1)
    assert [each[11:16] for each in fired(app)[:2]] == ["13:00", "14:00"]
    assert len(fired(app)) == before + 2


@pytest.mark.parametrize(("policy", "expected"), [("skip", 0), ("fire_once", 1), ("fire_all", 72)])
def test_missed_ticks_are_fired_as_the_policy_says(
    app: Pynenc, clock: Clock, policy: str, expected: int
) -> None:
    define(app, "0 * * * *", policy)
    Evaluating(app).work()
    clock.now += 3 * 86400 + 60  # away over a change of the clock
    Evaluating(app).work()
    assert len(fired(app)) == expected


@pytest.mark.parametrize(("policy", "expected"), [("skip", 5), ("fire_once", 6)])
def test_a_year_of_missed_seconds_is_passed_over(
    app: Pynenc, clock: Clock, policy: str, expected: int
) -> None:
    define(app, "* * * * * *", policy)
    evaluating = Evaluating(app)
    evaluating.work()
    clock.now += 366 * 86400 + 0.5
    evaluating.work()
    assert len(fired(app)) == expected


def test_a_changed_expression_begins_anew(app: Pynenc, clock: Clock) -> None:
    define(app, "0 * * * *", "fire_all")
    Evaluating(app).work()
    clock.now += 7200.0 * 3
    define(app, "30 * * * *", "fire_all")
    drive(app, clock, clock.now + 3600)
    assert [each[11:16] for each in fired(app)] == ["18:30"]
