"""Deleting in slices, and histories that stay small."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import plain_tasks
import pytest

from pynenc import Pynenc
from pynenc.invocation.state import WHOLE_HISTORY, Change, InvocationState, is_in_history
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle import retention
from pynenc.lifecycle.components import Components
from pynenc.lifecycle.retention import Retention
from pynenc.testing.faulty_storage import put_faulty

_S = InvocationStatus


@pytest.fixture(params=["mem", "sqlite"])
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pynenc]:
    app = Pynenc(
        {
            "app_id": "retention",
            "backend": request.param,
            "sqlite_db_path": str(tmp_path / "retention.db"),
            "runner_cls": "ThreadRunner",
        }
    )
    yield app
    app.close()


def test_the_history_of_a_long_life_stays_small(app: Pynenc) -> None:
    state = InvocationState("a", "t", _S.REGISTERED, since=1.0)
    app.orchestrator.register([state], None)
    for number in range(1, 20 * WHOLE_HISTORY):
        following = InvocationState("a", "t", _S.PENDING, "r1", claim=number, since=float(number))
        back = InvocationState("a", "t", _S.REROUTED, claim=number, since=float(number))
        app.orchestrator.change([Change(state, following), Change(following, back)], "r1")
        state = back
    ended = InvocationState("a", "t", _S.CANCELLED, claim=state.claim, since=state.since)
    app.orchestrator.change([Change(state, ended)], "r1")
    history = app.orchestrator.history("a")
    assert [entry.claim for entry in history[1:199:2]] == list(range(1, 100))
    assert len(history) < 8 * WHOLE_HISTORY
    assert {each.status for each in history if each.claim == 19 * WHOLE_HISTORY + 4} <= set(_S)
    assert history[-1].status == _S.CANCELLED


def test_a_history_is_whole_up_to_a_bound_and_small_beyond() -> None:
    assert all(map(is_in_history, range(WHOLE_HISTORY)))
    assert sum(map(is_in_history, range(1_000_000))) < 10 * WHOLE_HISTORY
    last_gap = [each for each in range(900_000, 1_000_000) if is_in_history(each)]
    assert len(last_gap) > 5


def test_a_round_deletes_by_pages_between_which_it_can_stop(app: Pynenc) -> None:
    plan = put_faulty(app)
    for call in app.task(plain_tasks.add).parallelize([(each,) for each in range(500)]):
        call.cancel()
    work = Retention(app.components)
    plan.clock_offset_s += 100 * 86400
    work.begin()
    left = [500]
    while work.work(budget_s=0):
        left.append(app.orchestrator.count_states(_S.CANCELLED))
    assert sorted(set(left), reverse=True) == [500, 300, 100, 0]
    assert not work.is_busy


def test_one_kind_that_fails_does_not_stop_the_others(
    app: Pynenc, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    plan = put_faulty(app)
    app.task(plain_tasks.add)(1).cancel()

    def fail(components: Components, before: float) -> Iterator[int]:
        raise RuntimeError("as planned")
        yield 0

    monkeypatch.setattr(retention, "silent_runners", fail)
    work = Retention(app.components)
    plan.clock_offset_s += 100 * 86400
    work.begin()
    app.logger.propagate = True
    with caplog.at_level(logging.ERROR):
        while work.work(1.0):
            pass
    assert app.orchestrator.count_states(_S.CANCELLED) == 0
    assert "deleting silent runners failed" in caplog.text


def test_what_is_kept_for_ever_is_left_alone(app: Pynenc) -> None:
    plan = put_faulty(app)
    app.task(plain_tasks.add)(1).cancel()
    app.trigger.emit_event("code")
    app.orchestrator.conf.auto_final_invocation_purge_hours = 0
    app.trigger.conf.event_retention_days = 0
    app.state_backend.conf.runner_retention_hours = 0
    work = Retention(app.components)
    plan.clock_offset_s += 1000 * 86400
    work.begin()
    while work.work(1.0):
        pass
    assert app.orchestrator.count_states(_S.CANCELLED) == 1
    assert len(app.state_backend.find_runners(1e12, 9)) == 1
    assert len(app.trigger.find_events("code")) == 1
