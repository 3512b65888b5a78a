"""Explanations tell the pace, as the rollups have it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pynenc import Pynenc
from pynenc.context import RunnerContext
from pynenc.exceptions import StorageUnavailableError
from pynenc.lifecycle.claiming import claim
from pynenc.lifecycle.execution import finish_and_start
from pynenc.recording.counts import Counts, Histogram, key_of
from pynenc.recording.recorder import STARTED
from pynenc.state_backend.count_records import MINUTE, Rollup
from pynenc.storage.record_store import Save
from pynenc.testing import in_memory

app = Pynenc({"app_id": "paced"})


@app.task
def work() -> None:
    """Do nothing."""


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    with in_memory(app):
        yield


def _counted(counts: Counts) -> None:
    at = app.components.now() - 10
    app.state_backend.write([Save(Rollup("m:1", MINUTE, at, at - 60, 1, counts.encoded()))])


def _finding(invocation_id: str, code: str) -> Any:
    return next(each for each in app.explain(invocation_id).findings if each.code == code)


def test_a_line_tells_how_long_it_takes() -> None:
    calls = [work() for _ in range(31)]
    _counted(Counts({key_of(STARTED, ["t", "default"]): 50, key_of(STARTED, ["t", "mail"]): 1000}))
    found = _finding(calls[-1].invocation_id, "in_line")
    assert found.sentence == (
        "30 messages are before it in queue 'default', which has started 10 a minute: about 3 min."
    )
    assert found.evidence["started_a_minute"] == 10


def test_a_queue_that_has_started_nothing_has_no_pace() -> None:
    calls = [work() for _ in range(2)]
    found = _finding(calls[-1].invocation_id, "in_line")
    assert found.sentence == "1 message is before it in queue 'default'."


def _running() -> str:
    invocation_id = work().invocation_id
    runner = RunnerContext("ThreadRunner")
    app.orchestrator.heartbeat([runner.runner_id], app.components.now())
    (claimed,) = claim(app.components, runner.runner_id, ["default"], 1, 0.0)
    finish_and_start(app.components, runner.runner_id, [], [claimed])
    return invocation_id


@pytest.mark.parametrize(("runs", "is_told"), [(20, True), (19, False)])
def test_a_run_is_compared_with_those_of_late(runs: int, is_told: bool) -> None:
    times = Histogram()
    times.buckets[8] = runs
    _counted(Counts({}, {key_of("run", [work.task_id.key, "success"]): times}))
    found = _finding(_running(), "running")
    assert ("Of late 95 of 100 runs of its task have ended within 2" in found.sentence) is is_told
    assert (found.evidence["usual_s"] is not None) is is_told


def test_counts_that_cannot_be_read_are_no_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = [work() for _ in range(2)]

    def away(*_: Any) -> Any:
        raise StorageUnavailableError("away")

    monkeypatch.setattr(app.state_backend, "find_all", away)
    explanation = app.explain(calls[-1].invocation_id)
    assert {"in_line", "part_away"} <= {each.code for each in explanation.findings}
