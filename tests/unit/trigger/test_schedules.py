"""Schedules: their bounds and ends, jitter, intervals, and those that are made at run time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import Any
from zoneinfo import ZoneInfo

import plain_tasks
import pytest
from clocks import Clock

from pynenc import Pynenc
from pynenc.exceptions import ScheduleError, TaskDefinitionError, TaskNotFoundError
from pynenc.scheduler.ticker import delay_of
from pynenc.testing.evaluating import Evaluating, fired
from pynenc.trigger import TriggerDefinition, on_cron, on_event, on_interval
from pynenc.trigger.cron import CronSchedule
from pynenc.trigger.schedule import IntervalSchedule

BEGIN = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture
def app() -> Iterator[Pynenc]:
    app = Pynenc({"app_id": "schedules", "logging_level": "critical", "trigger_retry_seconds": 0})
    yield app
    Pynenc.discard("schedules")


@pytest.fixture
def clock(app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(app, monkeypatch, BEGIN.timestamp())


def drive(app: Pynenc, clock: Clock, seconds: float) -> Evaluating:
    """Let a runner look whenever it wants to, for so many seconds."""
    evaluating = Evaluating(app)
    until = clock.now + seconds
    while clock.now < until:
        pause = evaluating.work()
        clock.now = until if pause is None else min(clock.now + max(pause, 0.001), until)
    evaluating.work()
    return evaluating


def times(app: Pynenc) -> list[str]:
    return [run.cause.removeprefix("tick of ") for run in reversed(app.trigger.find_runs(limit=1000))]


def define(app: Pynenc, builder: Any) -> Any:
    task = app.task(triggers=builder)(plain_tasks.nothing)
    app.register_deferred_triggers()
    return task


# --- what is refused when it is defined --------------------------------------------------


@pytest.mark.parametrize(
    "expression",
    [
        "0 0 30 2 *",
        "0 0 31 2,4,6 *",
        "0 0 30 2 * 0 2027",
        "R R * * *",
        "@reboot",
        "@evry",
        "",
        None,
        5,
        "* * *",
    ],
)
def test_an_expression_that_never_comes_or_means_nothing_is_refused(expression: Any) -> None:
    with pytest.raises(TaskDefinitionError):
        on_cron(expression)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: on_cron("@daily", "Europe/Nowhere"), "not a time zone"),
        (lambda: on_cron("@daily", "../../etc/passwd"), "not a time zone"),
        (lambda: on_cron("@daily", 3), "not a time zone"),  # type: ignore[arg-type]
        (lambda: on_cron("@daily", jitter=-1), "less than nothing"),
        (lambda: on_cron("@daily", jitter="a"), "neither a number"),  # type: ignore[arg-type]
        (lambda: on_cron("@daily", start="now"), "not a datetime"),  # type: ignore[arg-type]
        (lambda: on_cron("@daily", start=BEGIN, end=BEGIN), "not after its start"),
        (lambda: on_cron("@yearly", start=BEGIN + timedelta(1), end=BEGIN + timedelta(9)), "no tick"),
        (lambda: on_interval(0), "more than nothing"),
        (lambda: on_interval(0.01), "shorter than"),
        (lambda: on_interval(float("inf")), "neither a number"),
        (lambda: on_interval(60, "often"), "is none of"),
    ],
)
def test_wrong_options_are_refused(make: Any, told: str) -> None:
    with pytest.raises(TaskDefinitionError, match=told):
        make()


# --- when schedules tick -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "same"),
    [("@daily", "0 0 * * *"), ("@Hourly", "0 * * * *"), ("@weekly", "0 0 * * 0"), ("@yearly", "0 0 1 1 *")],
)
def test_names_stand_for_expressions(name: str, same: str) -> None:
    found = [CronSchedule(each, "Europe/Berlin") for each in (name, same)]
    begin = BEGIN.timestamp()
    first, second = (list(islice(each.between(begin, begin + 1e9), 20)) for each in found)
    assert first == second


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 0 L * *", ["2030-01-31", "2030-02-28", "2030-03-31"]),
        ("0 0 * * 5#3", ["2030-01-18", "2030-02-15", "2030-03-15"]),
        ("0 0 * * L5", ["2030-01-25", "2030-02-22", "2030-03-29"]),
        ("0 0 1 1 * 0 2031-2032", ["2031-01-01", "2032-01-01"]),
    ],
)
def test_last_and_nth_days_and_years(expression: str, expected: list[str]) -> None:
    schedule = CronSchedule(expression)
    found = islice(schedule.between(BEGIN.timestamp(), float("inf")), 3)
    assert [schedule.local(tick).date().isoformat() for tick in found] == expected


def test_a_schedule_is_over_after_its_last_year_and_its_end() -> None:
    assert CronSchedule("0 0 1 1 * 0 2029").next_after(BEGIN.timestamp()) is None
    ending = CronSchedule("@daily", ends_at=BEGIN.timestamp() + 2 * 86400)
    assert len(list(ending.between(BEGIN.timestamp(), float("inf")))) == 2
    starting = CronSchedule("@daily", starts_at=BEGIN.timestamp())
    assert starting.next_after(0.0) == BEGIN.timestamp()
    assert ending.last_between(BEGIN.timestamp(), BEGIN.timestamp() + 1e8) == BEGIN.timestamp() + 2 * 86400


def test_intervals_come_at_equal_distances_from_the_epoch_or_their_start() -> None:
    begin = BEGIN.timestamp()
    assert list(IntervalSchedule(90).between(begin, begin + 300)) == [begin + n * 90 for n in (1, 2, 3)]
    assert IntervalSchedule(7, starts_at=begin + 3).next_after(begin) == begin + 3
    assert IntervalSchedule(7, starts_at=begin + 3).next_after(begin + 3) == begin + 10
    assert IntervalSchedule(0.1).next_after(begin) == pytest.approx(begin + 0.1, abs=1e-6)


# Offsets are those of the tz database; the offsets of a whole year tell when the clock changes.
_ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]


@pytest.mark.parametrize("zone", _ZONES)
@pytest.mark.parametrize("expression", ["30 2 * * *", "15 1 * * *", "0 12 * * *"])
def test_a_daily_tick_comes_once_a_day_for_ten_years(zone: str, expression: str) -> None:
    local = ZoneInfo(zone)
    schedule = CronSchedule(expression, zone)
    begin = datetime(2025, 1, 1, tzinfo=local)
    end = datetime(2035, 1, 1, tzinfo=local)
    ticks = [schedule.local(tick) for tick in schedule.between(begin.timestamp(), end.timestamp())]
    assert [tick.date() for tick in ticks] == [
        (begin + timedelta(days=number)).date() for number in range((end - begin).days)
    ]
    minute, hour = (int(each) for each in expression.split()[:2])
    wanted = hour * 60 + minute
    for tick in ticks:
        shown = tick.hour * 60 + tick.minute
        naive = tick.replace(hour=hour, minute=minute, fold=0)
        exists = naive.astimezone(UTC).astimezone(local).replace(tzinfo=None) == naive.replace(tzinfo=None)
        if exists:
            assert (shown, tick.fold) == (wanted, 0)  # the first of two
        else:
            assert shown > wanted  # what the clock leaves out comes as much later as it is set forward


@pytest.mark.parametrize("zone", _ZONES)
def test_an_hourly_tick_comes_every_hour_for_ten_years(zone: str) -> None:
    schedule = CronSchedule("0 * * * *", zone)
    begin = datetime(2025, 1, 1, tzinfo=ZoneInfo(zone)).timestamp()
    ticks = list(schedule.between(begin, begin + 3652 * 86400))
    assert {later - earlier for earlier, later in pairwise(ticks)} <= {1800, 3600, 5400}
    if zone != "Australia/Lord_Howe":  # whose clock is set by half an hour
        assert len(ticks) == 3652 * 24


# --- what runners fire --------------------------------------------------------------------


def test_jitter_delays_each_tick_by_its_own_time_the_same_for_all(app: Pynenc, clock: Clock) -> None:
    define(app, on_cron("0 * * * *", jitter=600))
    evaluating = Evaluating(app)
    evaluating.catalog.refresh()
    (entry,) = evaluating.catalog.timed()
    ticks = [BEGIN.timestamp() + 3600 * number for number in range(1, 40)]
    delays = [delay_of(entry, tick) for tick in ticks]
    assert delays == [delay_of(entry, tick) for tick in ticks]
    assert min(delays) >= 0
    assert max(delays) < 600
    assert max(delays) - min(delays) > 300
    drive(app, clock, 20 * 3600 + 601)
    runs = list(reversed(app.trigger.find_runs(limit=1000)))
    assert [run.at - tick for run, tick in zip(runs, ticks, strict=False)] == [
        pytest.approx(delay, abs=1.0) for delay in delays[:20]
    ]


@pytest.mark.parametrize(("policy", "expected"), [("skip", 0), ("fire_once", 1), ("fire_all", 48)])
def test_jitter_and_missed_ticks(app: Pynenc, clock: Clock, policy: str, expected: int) -> None:
    define(app, on_cron("0 * * * *", misfire=policy, jitter=60))
    Evaluating(app).work()
    clock.now += 2 * 86400 + 1800
    Evaluating(app).work()
    assert len(times(app)) == expected


def test_an_interval_fires_at_its_distances(app: Pynenc, clock: Clock) -> None:
    define(app, on_interval(timedelta(seconds=20)))
    drive(app, clock, 61)
    assert [each[11:19] for each in times(app)] == ["00:00:20", "00:00:40", "00:01:00"]


def test_a_schedule_that_is_over_stops_nothing(app: Pynenc, clock: Clock) -> None:
    ended = app.task(triggers=on_cron("0 0 2 1 * 0 2030").with_arguments({"x": 1}))(plain_tasks.add)
    app.task(triggers=on_cron("@daily", end=BEGIN + timedelta(days=2)))(plain_tasks.nothing)
    echo = app.task(triggers=on_event("code"))(plain_tasks.echo)
    app.register_deferred_triggers()
    evaluating = drive(app, clock, 9 * 86400)
    assert times(app) == ["2030-01-02T00:00:00+00:00"] * 2 + ["2030-01-03T00:00:00+00:00"]
    assert len(fired(app, ended)) == 1
    app.trigger.emit_event("code", {"value": 1})
    assert evaluating.work() is None
    assert len(fired(app, echo)) == 1
    assert app.trigger.find_problems() == []


def test_a_definition_with_bounds_comes_back_as_it_was() -> None:
    builder = on_cron(
        "@daily", "Asia/Kolkata", jitter=5, start=datetime(2030, 1, 1), end=BEGIN + timedelta(9)
    )
    definition = builder.build("m.f")
    (condition,) = definition.conditions
    assert condition.starts_at == BEGIN.timestamp() - 5.5 * 3600  # type: ignore[attr-defined]
    assert TriggerDefinition.restored(definition.stored()).conditions == definition.conditions


# --- schedules of run time ----------------------------------------------------------------


def test_a_schedule_is_made_changed_paused_and_deleted(app: Pynenc, clock: Clock) -> None:
    echo = app.task(plain_tasks.echo)
    made = app.schedules.create("report", echo, {"value": BEGIN}, every=60)
    assert (made.name, made.task_id, made.arguments["value"]) == ("report", echo.task_id.key, BEGIN)
    assert made.next_times(2, BEGIN) == [BEGIN + timedelta(minutes=n) for n in (1, 2)]
    drive(app, clock, 121)
    runs = fired(app, echo)
    assert len(runs) == 2
    assert app.get_invocation(runs[0].invocation_id).arguments == {"value": BEGIN}
    changed = app.schedules.change("report", {"value": 5}, cron="*/5 * * * *", timezone="Asia/Kolkata")
    assert [each.minute for each in changed.next_times(2, BEGIN)] == [35, 40]
    drive(app, clock, 300)
    assert app.get_invocation(fired(app, echo)[-1].invocation_id).arguments == {"value": 5}
    assert len(fired(app, echo)) == 3
    assert app.schedules.pause("report")
    assert not app.schedules.pause("report")
    assert app.schedules.get("report").is_paused
    drive(app, clock, 900)
    assert len(fired(app, echo)) == 3
    assert app.schedules.resume("report")
    drive(app, clock, 301)
    assert len(fired(app, echo)) == 4
    app.schedules.delete("report")
    drive(app, clock, 900)
    assert (len(fired(app, echo)), app.schedules.all()) == (4, [])


def test_a_schedule_survives_the_deployment_of_other_triggers(app: Pynenc, clock: Clock) -> None:
    task = app.task(triggers=on_event("code"))(plain_tasks.echo)
    app.schedules.create("b", task, {"value": 1}, every=60)
    app.schedules.create("a", str(task.task_id), {"value": 2}, cron="@daily")
    app.register_deferred_triggers()
    app.trigger.register(task.task_id, [])
    assert [each.name for each in app.schedules.all()] == ["a", "b"]


@pytest.mark.parametrize(
    ("make", "error", "told"),
    [
        (lambda s: s.create("", "plain_tasks.echo", every=1), ScheduleError, "not a name"),
        (lambda s: s.create("x" * 201, "plain_tasks.echo", every=1), ScheduleError, "not a name"),
        (lambda s: s.create("\ud800", "plain_tasks.echo", every=1), ScheduleError, "not a name"),
        (lambda s: s.create(3, "plain_tasks.echo", every=1), ScheduleError, "not a name"),
        (lambda s: s.create("n", "no_such_module.task", every=1), TaskNotFoundError, "no_such_module"),
        (lambda s: s.create("n", "plain_tasks.echo", {"value": 1}), ScheduleError, "'cron' or 'every'"),
        (
            lambda s: s.create("n", "plain_tasks.echo", {"value": 1}, cron="@daily", every=3),
            ScheduleError,
            "'cron' or 'every'",
        ),
        (lambda s: s.create("n", "plain_tasks.echo", {"z": 1}, every=3), TypeError, "echo()"),
        (lambda s: s.create("n", "plain_tasks.echo", every=3), TypeError, "missing"),
        (
            lambda s: s.create("n", "plain_tasks.echo", {"value": object()}, every=3),
            TaskDefinitionError,
            "cannot be stored",
        ),
        (
            lambda s: s.create("n", "plain_tasks.echo", {"value": print}, every=3),
            TaskDefinitionError,
            "function",
        ),
        (
            lambda s: s.create("n", "plain_tasks.echo", {"value": 1}, every=3, timezone="UTC"),
            ScheduleError,
            "'timezone' goes with 'cron'",
        ),
        (
            lambda s: s.create("n", "plain_tasks.echo", {"value": 1}, crom="@daily"),
            ScheduleError,
            "no option 'crom'",
        ),
        (lambda s: s.create("there", "plain_tasks.echo", {"value": 1}, every=3), ScheduleError, "already"),
        (lambda s: s.change("n", every=3), ScheduleError, "no schedule 'n'"),
        (lambda s: s.delete("n"), ScheduleError, "no schedule 'n'"),
        (lambda s: s.pause("n"), ScheduleError, "no schedule 'n'"),
        (lambda s: s.resume("n"), ScheduleError, "no schedule 'n'"),
    ],
)
def test_what_does_not_make_a_schedule_is_refused(app: Pynenc, make: Any, error: Any, told: str) -> None:
    app.task(plain_tasks.echo)
    app.schedules.create("there", "plain_tasks.echo", {"value": 1}, every=3600)
    with pytest.raises(error) as caught:
        make(app.schedules)
    assert told in str(caught.value)
    assert [each.name for each in app.schedules.all()] == ["there"]
