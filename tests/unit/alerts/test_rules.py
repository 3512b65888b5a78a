"""Each rule finds what is wrong, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from alert_looks import Watch, app, work

from pynenc import Pynenc
from pynenc.alerts.watching import CLEAR_S, alerts
from pynenc.context import RunnerContext
from pynenc.exceptions import ConfigError
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle.claiming import claim
from pynenc.lifecycle.count_keeping import flush_counts
from pynenc.lifecycle.execution import finish_and_start
from pynenc.lifecycle.leadership import lead
from pynenc.lifecycle.runner_registry import Service
from pynenc.metrics import readings
from pynenc.recording.counts import BOUNDS, Counts, Histogram, key_of
from pynenc.recording.recorder import ENDED, LAG, RECOVERED, REQUEST
from pynenc.state_backend.alert_records import AlertState
from pynenc.state_backend.count_records import MINUTE, Rollup, RunnerLoad
from pynenc.storage.record_store import Amend, Save

FROM_OUTSIDE = ("no_runner", "no_leader")


@app.task(timeout=30.0)
def short() -> int:
    return 1


def _runner(queues: tuple[str, ...] = (), beat: float | None = None) -> str:
    identity = RunnerContext("ThreadRunner")
    app.components.runners.ensure_runner_registered(identity, Service(queues))
    app.orchestrator.heartbeat([identity.runner_id], app.components.now() if beat is None else beat)
    return identity.runner_id


def _counted(at: float, counters: dict[str, int], histograms: dict[str, Histogram] | None = None) -> None:
    data = Counts(counters, histograms or {}).encoded()
    app.state_backend.write([Save(Rollup(f"m:{at}", MINUTE, at, at - 60, 1, data))])


def test_a_queue_that_waits_for_long(looks: Watch) -> None:
    work.options(queue="mail")()
    work.options(delay=3000)()
    assert looks.at(290, "queue_age") == []
    assert looks.at(301, "queue_age") == []  # pending
    assert [each.state for each in alerts(app.components)] == [AlertState.PENDING]
    assert looks.at(330, "queue_age") == []
    assert looks.at(361, "queue_age") == [("queue_age:mail", "firing")]
    assert "'mail'" in looks.told[0].text
    assert looks.told[0].value > 360
    assert looks.at(400, "queue_age") == []


def test_a_queue_that_nobody_consumes(looks: Watch) -> None:
    work.options(queue="mail")()
    work()
    _runner(queues=("default",), beat=looks.begin + 1000)
    assert looks.at(0, "no_consumer") == []
    assert looks.at(61, "no_consumer") == [("no_consumer:mail", "firing")]


def test_no_runner_is_alive(looks: Watch) -> None:
    assert looks.at(0, *FROM_OUTSIDE) == []
    work()
    assert looks.at(10, *FROM_OUTSIDE) == []
    assert looks.at(41, *FROM_OUTSIDE) == [("no_runner:app", "firing")]
    _runner(beat=looks.begin + 200)
    looks.at(100, *FROM_OUTSIDE)
    assert looks.at(200, *FROM_OUTSIDE) == [("no_runner:app", "over")]


def test_nobody_does_the_housekeeping(looks: Watch) -> None:
    assert looks.at(0, "no_leader") == []
    runner = _runner(beat=looks.begin + 1000)
    assert looks.at(1, "no_leader") == []
    assert looks.at(301, "no_leader") == [("no_leader:app", "firing")]
    assert lead(app.components, runner)
    looks.at(302, "no_leader")
    assert looks.at(302 + CLEAR_S, "no_leader") == [("no_leader:app", "over")]


def test_many_failures(looks: Watch) -> None:
    for task, failed in (("bad", 6), ("good", 4)):
        counters = {
            key_of(ENDED, [task, "q", "failed"]): failed,
            key_of(ENDED, [task, "q", "success"]): 20 - failed,
        }
        _counted(looks.begin + failed, counters)
    _counted(looks.begin + 1, {key_of(ENDED, ["few", "q", "failed"]): 19})
    assert looks.at(10, "failure_rate") == [("failure_rate:bad", "firing")]
    assert looks.told[0].value == pytest.approx(0.3)
    assert "6 of 20" in looks.told[0].text
    looks.at(400, "failure_rate")
    assert looks.at(400 + CLEAR_S, "failure_rate") == [("failure_rate:bad", "over")]


def _running(task: Any) -> str:
    invocation_id: str = task().invocation_id
    runner = _runner(beat=app.components.now() + 10**6)
    (claimed,) = claim(app.components, runner, ["default"], 1, 0.0)
    finish_and_start(app.components, runner, [], [claimed])
    return invocation_id


def test_runs_beyond_their_timeout_are_stuck(looks: Watch) -> None:
    invocation_id = _running(short)
    assert looks.at(30, "stuck") == []
    assert looks.at(37, "stuck") == [(f"stuck:{invocation_id}", "firing")]


def test_runs_that_take_far_longer_than_usual_are_stuck(looks: Watch) -> None:
    invocation_id = _running(work)
    assert looks.at(3600, "stuck") == []
    for _ in range(100):
        app.components.recorder.note((ENDED, work.task_id.key, "default", "success", 2.0))
    flush_counts(app.components)
    assert looks.at(599, "stuck") == []
    assert looks.at(601, "stuck") == [(f"stuck:{invocation_id}", "firing")]


def test_claims_that_do_not_begin_are_stuck(looks: Watch) -> None:
    invocation_id = work().invocation_id
    claim(app.components, _runner(), ["default"], 1, 0.0)
    assert work.app.get_invocation(invocation_id).status == InvocationStatus.PENDING
    assert looks.at(14, "stuck") == []
    assert looks.at(17, "stuck") == [(f"stuck:{invocation_id}", "firing")]


def test_runners_fall_silent(looks: Watch) -> None:
    host = RunnerContext("x").hostname
    for _ in range(3):
        _runner(beat=looks.begin - 100)
    _runner(beat=looks.begin - 1000)
    assert looks.at(0, "runner_lost") == []
    _runner(beat=looks.begin - 100)
    assert looks.at(0, "runner_lost") == [(f"runner_lost:{host}", "firing")]


def test_counts_of_the_last_minutes(looks: Watch) -> None:
    late, slow = Histogram(), Histogram()
    late.buckets[BOUNDS.index(60.0)] = 5
    slow.buckets[BOUNDS.index(1.0)] = 10
    _counted(looks.begin, {key_of(RECOVERED, ["t"]): 50}, {LAG: late, key_of(REQUEST, ["heartbeat"]): slow})
    watched = ("recovery_storm", "schedule_late", "storage_slow")
    assert looks.at(10, *watched) == []
    late.buckets[BOUNDS.index(60.0) + 1] = 1
    slow.buckets[BOUNDS.index(2.5)] = 10
    _counted(looks.begin + 1, {key_of(RECOVERED, ["t"]): 1}, {LAG: late, key_of(REQUEST, ["x"]): slow})
    assert sorted(looks.at(20, *watched)) == [
        ("recovery_storm:app", "firing"),
        ("schedule_late:app", "firing"),
        ("storage_slow:app", "firing"),
    ]


def test_clocks_that_differ(looks: Watch) -> None:
    runner = _runner(beat=looks.begin + 1000)
    host = RunnerContext("x").hostname
    load = RunnerLoad(runner, looks.begin, 0, 0, 0.0, 0.0, 1, -0.9)
    app.state_backend.write([Save(load)])
    assert looks.at(0, "clock") == []
    app.state_backend.write([Save(msgspec.structs.replace(load, runner_id="x"))])
    app.state_backend.write([Amend(RunnerLoad, runner, {"clock_s": -1.5})])
    assert looks.at(1, "clock") == []
    assert looks.at(40, "clock") == [(f"clock:{host}", "firing")]
    assert "ahead of the shared clock" in looks.told[0].text


def test_settings_move_the_bounds(looks: Watch) -> None:
    looks.rules(
        queue_age={"over": "10m", "for": 0, "subjects": {"mail": {"over": "5s"}}},
        no_consumer={"enabled": False},
    )
    work()
    work.options(queue="mail")()
    assert looks.at(100, "queue_age", "no_consumer") == [("queue_age:mail", "firing")]
    assert looks.at(601, "queue_age", "no_consumer") == [("queue_age:default", "firing")]


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({"queue_ages": {}}, "knows no rule 'queue_ages'"),
        ("{", "is not JSON"),
        ([], "must be an object"),
        ({"queue_age": {"over": "soon"}}, "over"),
        ({"queue_age": {"over": -1}}, "over"),
        ({"queue_age": {"over": float("nan")}}, "over"),
        ({"queue_age": {"over": True}}, "a span such as 30s"),
        ({"queue_age": {"over": "1 fortnight"}}, "a span such as 30s"),
        ({"failure_rate": {"over": 20}}, "must be less than 1"),
        ({"schedule_late": {"subjects": {"app": {"over": "3h"}}}}, "must be less than 7200"),
        ("[" * 100_000, "is not JSON"),
        ({"queue_age": {"until": 1}}, "until"),
    ],
)
def test_settings_that_make_no_sense_are_refused(rules: Any, words: str) -> None:
    with pytest.raises(ConfigError, match="alert_rules") as caught:
        _ = Pynenc({"app_id": "refused", "alert_rules": rules}).conf
    assert words in str(caught.value)


def test_rules_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYNENC__ALERT_RULES", json.dumps({"clock": {"over": "2s", "for": 1}}))
    bounds = Pynenc({"app_id": "environment"}).conf.alert_rules["clock"]
    assert (bounds.over, bounds.wait) == (2.0, 1.0)


def test_what_was_counted_before_a_pause_is_not_recent(looks: Watch) -> None:
    data = Counts({key_of(ENDED, ["bad", "q", "failed"]): 25}).encoded()
    app.state_backend.write([Save(Rollup("m:1", MINUTE, looks.begin, looks.begin - 72_000, 1, data))])
    assert looks.at(10, "failure_rate") == []


def test_a_queue_behind_many_others_is_found(looks: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readings, "_PAGE", 5)
    for _ in range(12):
        work()
    work.options(queue="mail")()
    looks.at(301, "queue_age")
    assert len(looks.at(361, "queue_age")) == 2
