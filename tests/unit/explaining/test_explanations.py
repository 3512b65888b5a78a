"""Explanations: each situation of an invocation has its finding and its sentence."""

# ruff: noqa: E501 - tables are easier to read with one situation a line

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from pynenc import Pynenc
from pynenc.context import RunnerContext, get_current_runner
from pynenc.exceptions import StorageUnavailableError
from pynenc.explaining import Explanation, explain
from pynenc.invocation.data import OutcomeData
from pynenc.invocation.state import Change, InvocationState, outcome_id, recovery_outcome_id
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle.claiming import claim
from pynenc.lifecycle.leadership import lead
from pynenc.lifecycle.parking import NEVER
from pynenc.lifecycle.runner_registry import Service
from pynenc.orchestrator.base_orchestrator import Slot, SlotSwap, waiter
from pynenc.testing import in_memory, working
from pynenc.testing.app_fixtures import running

app = Pynenc({"app_id": "explained", "max_recoveries": 3})
_S = InvocationStatus


@app.task
def work(number: int = 1) -> int:
    return number


@app.task(max_retries=3, retry_for=(KeyError,))
def flaky(kind: str) -> None:
    raise {"key": KeyError, "value": ValueError}[kind](f"the {kind} is wrong\nsecond line")


@app.task(running_concurrency="task", reroute_on_concurrency_control=True)
def single() -> None:
    return None


@app.workflow
def waits_for_event() -> None:
    waits_for_event.wf.wait_event("paid")


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    with in_memory(app):
        yield


def _state(invocation_id: str) -> InvocationState:
    (state,) = app.orchestrator.read_states([invocation_id])
    assert state is not None
    return state


def _forced(invocation_id: str, **fields: Any) -> str:
    """Bring a record to what is to be explained, whatever the rules say."""
    state = _state(invocation_id)
    target = msgspec.structs.replace(state, **fields)
    assert app.orchestrator.change([Change(state, target)], fields.get("runner_id"))[0].applied
    return invocation_id


def _ago(seconds: float) -> float:
    return app.orchestrator.now() - seconds


def _new(**fields: Any) -> str:
    return _forced(work(1).invocation_id, **fields)


def _runner(name: str = "r1", queues: tuple[str, ...] = ("default",), leads: bool = True) -> str:
    """Register a runner that has just sent a heartbeat."""
    identity = RunnerContext("ThreadRunner", name, 4711, "host-2", None)
    app.components.runners.ensure_runner_registered(identity, Service(queues))
    app.orchestrator.heartbeat([name], app.orchestrator.now())
    if leads:
        lead(app.components, name)
    return name


def _told(invocation_id: str) -> Explanation:
    found = explain(app, invocation_id)
    assert found.verdict == found.findings[0].sentence
    return found


def _queued_behind(count: int, priority: float = 0) -> str:
    for _ in range(count):
        work.options(priority=priority)(0)
    return work(1).invocation_id


def _lost_message() -> str:
    waiting = _new(changed_at=_ago(30), since=_ago(30))
    app.broker.purge()
    return waiting


def _held_by(status: InvocationStatus, runner_id: str | None) -> str:
    first, second, third = (single().invocation_id for _ in range(3))
    key = _state(first).slot_key or ""
    _forced(first, status=status, runner_id=runner_id, claim=1, changed_at=_ago(12))
    app.orchestrator.swap_slots([SlotSwap(None, Slot(key, first, 1))])
    for at, each in enumerate((second, third)):
        _forced(each, status=_S.CONCURRENCY_CONTROLLED, claim=1, changed_at=_ago(10))
        app.orchestrator.add_waiters([waiter(_state(each), key, float(at))])
    return third


def _failed(error: Exception, **fields: Any) -> str:
    invocation_id = flaky("key").invocation_id
    try:
        raise error
    except (KeyError, ValueError) as raised:
        payload = app.components.values.pack_error(raised)
    app.state_backend.save_outcomes([OutcomeData(outcome_id(invocation_id, 1), 1, payload)])
    key = outcome_id(invocation_id, 1)
    return _forced(
        invocation_id, status=_S.FAILED, claim=1, outcome_id=key, error_type=type(error).__name__, **fields
    )


def _paused_on(*others: str) -> str:
    awaited = msgspec.json.encode(list(others)).decode()
    return _new(status=_S.PAUSED, runner_id=_runner(), claim=1, waits_for=awaited, changed_at=_ago(5))


def _chain() -> str:
    return _paused_on(_paused_on(work(2).invocation_id))


def _circle() -> str:
    first = _new(status=_S.PAUSED, runner_id=_runner(), claim=1)
    second = _paused_on(first)
    return _forced(first, waits_for=msgspec.json.encode([second]).decode())


def _running(runner_id: str, **fields: Any) -> str:
    return _new(status=_S.RUNNING, runner_id=runner_id, claim=1, changed_at=_ago(31), **fields)


def _over_time() -> str:
    late = work.options(timeout=5)(1).invocation_id
    return _forced(late, status=_S.RUNNING, runner_id=_runner(), claim=1, changed_at=_ago(31))


def _gave_up() -> str:
    invocation_id = work(1).invocation_id
    error = app.components.values.pack_error(
        type("RecoveryLimitError", (Exception,), {})("took down its runner")
    )
    key = recovery_outcome_id(invocation_id, 4)
    app.state_backend.save_outcomes([OutcomeData(key, 1, error)])
    return _forced(invocation_id, status=_S.FAILED, claim=4, recoveries=4, outcome_id=key)


def _two_busy_workers() -> str:
    parent = _runner()
    for name in ("w1", "w2"):
        identity = RunnerContext("PersistentProcessRunner", name, 1, "host-2", parent)
        app.components.runners.ensure_runner_registered(identity, Service(("default",)))
        app.orchestrator.heartbeat([name], app.orchestrator.now())
        _running(name)
    return work(1).invocation_id


_SITUATIONS: list[tuple[str, str, Callable[[], str], str]] = [
    ("registered", "no_runner", lambda: work(1).invocation_id, "No runner is alive, and it has been due for .* m?s"),
    ("rerouted", "no_runner", lambda: _new(status=_S.REROUTED), "No runner is alive"),
    ("no_consumer", "no_consumer", lambda: (_runner("r", ("mail",)), work(1).invocation_id)[1],
     r"1 runner is alive, and none consumes queue 'default' \(they consume: mail\)"),
    ("in_line", "in_line", lambda: (_runner(), _queued_behind(3))[1], "3 messages are before it in queue 'default'"),
    ("priority", "higher_priority", lambda: (_runner(), _queued_behind(2, 5))[1],
     "2 messages of a higher priority than its 0 come first in queue 'default', and 0 of the same"),
    ("next", "next_in_line", lambda: (_runner(), work(1).invocation_id)[1], "It is next in queue 'default'"),
    ("lost", "message_lost", lambda: (_runner(), _lost_message())[1],
     "Its message is not in the queue; the housekeeping of runner r1 queues it again"),
    ("lost_alone", "message_lost", lambda: (_runner(leads=False), _lost_message())[1],
     "no runner does the housekeeping that would queue it again"),
    ("taken", "message_taken", lambda: (_runner(), work(1).invocation_id, app.broker.take(["default"], 1, 0))[1],
     "A runner has taken its message from queue 'default' and is about to claim it"),
    ("delayed", "not_due", lambda: work.options(delay=600.0)(1).invocation_id, "It is due in 10 min, at .*: a delay"),
    ("retry", "not_due",
     lambda: _new(status=_S.RETRY, not_before=_ago(-240.0), retries=2, error_type="KeyError"),
     "It is due in 4 min, at .*: the 2nd retry after KeyError"),
    ("sleeps", "parked", lambda: _new(status=_S.RETRY, not_before=_ago(-7200.0), waits_for="until 09:00"),
     "It is asleep until 09:00; it has done so for .*, and is due in 2 h at the latest"),
    ("event", "parked",
     lambda: _new(status=_S.RETRY, not_before=NEVER, waits_for="event 'paid'", changed_at=_ago(3 * 86400)),
     "It is parked and waits for event 'paid'; it has done so for 3 days.$"),
    ("workflow", "parked", lambda: _new(status=_S.RETRY, not_before=NEVER, waits_for=f"workflow {work(2).invocation_id}"),
     "It is parked and waits for workflow"),
    ("code", "blocked_by_code",
     lambda: (_runner(), _new(status=_S.RETRY, not_before=_ago(-5.0), waits_for="code that can run it", blocked_since=_ago(60)))[1],
     "For 60 s no runner has known its task .*work, or been able to import it"),
    ("slot", "slot_held", lambda: (_runner(), _held_by(_S.RUNNING, "r1"))[1],
     "It has waited for its turn for 10 s: only one invocation of its task may run at a time; .* holds the slot and has been running for 12 s; it is "
     "2nd in line"),
    ("slot_silent", "slot_held", lambda: _held_by(_S.RUNNING, "gone"), "holds the slot"),
    ("slot_free", "slot_free", lambda: _held_by(_S.SUCCESS, None), "It has waited for .* for a slot that nobody holds; .*, but no"),
    ("blocked_final", "slot_was_held", lambda: _new(status=_S.CONCURRENCY_CONTROLLED_FINAL), "It never ran: another"),
    ("superseded", "superseded",
     lambda: _new(status=_S.CONCURRENCY_CONTROLLED_FINAL, waits_for="nothing: invocation x has taken its place"),
     "It never ran: invocation x has taken its place"),
    ("pending", "claimed", lambda: _new(status=_S.PENDING, runner_id=_runner(), claim=1, changed_at=_ago(0.4)),
     "It was claimed 0.[45] s ago by ThreadRunner in process 4711 on host-2, and has not been started yet"),
    ("pending_long", "claimed_too_long",
     lambda: _new(status=_S.PENDING, runner_id=_runner(leads=False), claim=1, changed_at=_ago(700)),
     "It was claimed 12 min ago by .* takes it back, but no runner does that"),
    ("pending_led", "claimed_too_long",
     lambda: _new(status=_S.PENDING, runner_id=_runner(), claim=1, changed_at=_ago(700)), "runner r1 takes it back"),
    ("running", "running", lambda: _running(_runner()),
     "It has been running for 31 s in ThreadRunner in process 4711 on host-2"),
    ("over_time", "over_time", _over_time, "running for 31 s, and its timeout is 5.0 s: its body does not listen"),
    ("asked", "asked_to_end", lambda: _running(_runner(), cancel_requested=1), "It was asked to end"),
    ("owner_gone", "owner_gone", lambda: _running("gone"), "Its runner gone has ended, and no other does"),
    ("owner_led", "owner_gone", lambda: (_runner(), _running("gone"))[1], "has ended; runner r1 takes the invocation"),
    ("paused", "waits_for", lambda: _paused_on(work(2).invocation_id),
     "It has waited for .* of .*work for 5.[0-9] s; that is registered"),
    ("paused_many", "waits_for", lambda: _paused_on(work(2).invocation_id, work(3).invocation_id),
     "It has waited for 2 invocations for .*; 2 have not ended, the first .* which is registered"),
    ("paused_over", "waits_for", lambda: _paused_on("gone"), "those looked at have ended, so it goes on at once"),
    ("paused_circle", "waits_for", _circle, "that is paused"),
    ("paused_damaged", "waits", lambda: _new(status=_S.PAUSED, runner_id=_runner(), claim=1, waits_for="{"), "has waited"),
    ("killed", "left_behind", lambda: _new(status=_S.KILLED), "Its runner stopped or was lost"),
    ("pending_recovery", "being_recovered", lambda: (_runner(), _new(status=_S.PENDING_RECOVERY))[1], "queued again"),
    ("running_recovery", "being_recovered", lambda: (_runner(), _new(status=_S.RUNNING_RECOVERY))[1], "queued again"),
    ("failed", "failed", lambda: _failed(ValueError("wrong\nmore")),
     "It failed with ValueError in test_explanations.py:[0-9]+ in `_failed`: wrong[.][.][.]$"),
    ("failed_gone", "failed", lambda: _new(status=_S.FAILED, error_type="KeyError"),
     "It failed with KeyError, and what was stored of that is gone"),
    ("failed_recovery", "failed", _gave_up, "It failed with RecoveryLimitError"),
    ("cancelled", "cancelled", lambda: (call := work(1), call.cancel())[0].invocation_id,
     "It was cancelled before it ran, .* ago, by a program in process [0-9]+ on "),
    ("success", "succeeded", lambda: _new(status=_S.SUCCESS), "It ended well: it waited .* and ran .* in all"),
    ("unknown", "unknown", lambda: "0" * 32, "Nothing is stored under this id. Ended invocations are kept"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "make", "sentence"), [each[1:] for each in _SITUATIONS], ids=[s[0] for s in _SITUATIONS]
)
def test_a_situation_is_explained(code: str, make: Callable[[], str], sentence: str) -> None:
    told = _told(make())
    assert (told.findings[0].code, bool(re.search(sentence, told.verdict))) == (code, True), told.verdict
    assert "part_away" not in {each.code for each in told.findings}


def test_every_status_has_an_explanation() -> None:
    for status in _S:
        owner = _runner() if status.needs_owner else None
        told = _told(_new(status=status, runner_id=owner, claim=1))
        assert told.status == status.value
        assert told.findings[0].code != "nothing", status


@pytest.mark.parametrize(
    ("make", "code", "sentence"),
    [
        (lambda: _failed(KeyError("a"), retries=3), "tried_out", "It was tried 4 of 4 times"),
        (lambda: _failed(ValueError("a")), "not_retried", r"ValueError is not among .* 'retry_for' \(KeyError\)"),
        (_gave_up, "recovery_limit", "Its runner was lost 4 times, and 'max_recoveries' is 3"),
        (_circle, "circle", "they are in a circle"),
        (_chain, "waits_in_turn", "That waits for .* of .*work, which is registered"),
        (lambda: _held_by(_S.RUNNING, "gone"), "holder_silent", "gives no sign of life"),
        (lambda: _new(status=_S.FAILED, task_id="gone.task"), "failed", "It failed"),
        (lambda: (_runner(leads=False), work(1).invocation_id)[1], "no_leader", "No runner does the housekeeping"),
        (lambda: _new(status=_S.RETRY, not_before=_ago(-60.0), cancel_requested=1), "asked_to_end", "was asked to end"),
        (lambda: (_runner(), _running("r1"), work(1).invocation_id)[2], "busy", "runs 1 invocation, the longest for 31 s"),
        (lambda: work.options(delay=60.0)(1).invocation_id, "no_runner", "No runner is alive that would go on with it then"),
        (_two_busy_workers, "busy", "1 runner consumes queue 'default' and runs 2 invocations"),
        (lambda: (_runner(), work(1).invocation_id)[1], "consumers", "1 runner consumes queue 'default', and nothing"),
    ],
)  # fmt: skip
def test_further_evidence_is_told(make: Callable[[], str], code: str, sentence: str) -> None:
    found = {each.code: each.sentence for each in _told(make()).findings}
    assert code in found
    assert re.search(sentence, found[code]), found[code]


def test_real_lives_are_explained() -> None:
    with running(app):
        call = flaky("key")
        with pytest.raises(KeyError):
            _ = call.result
        told = _told(call.invocation_id)
        codes = [each.code for each in told.findings]
        assert codes[:3] == ["failed", "tried_out", "attempt_failed"]
        assert told.findings[2].sentence.startswith(
            "3 attempts failed, the last with KeyError in test_explanations.py:"
        )
        good = work(5)
        assert good.result == 5
        assert _told(good.invocation_id).findings[0].code == "succeeded"
        flow = waits_for_event()
        while not _state(flow.invocation_id).is_parked:
            app.orchestrator.subscribe([flow.invocation_id]).wait(0.01)
        assert "waits for event 'paid'" in _told(flow.invocation_id).verdict


@pytest.mark.parametrize("away", ["broker", "orchestrator", "state_backend", "trigger"])
def test_a_part_that_does_not_answer_is_a_finding(away: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with working(app):
        pass
    ids = [make() for name, _, make, _ in _SITUATIONS if name not in ("unknown",)]
    component = getattr(app, away)

    def refuse(*given: Any, **named: Any) -> Any:
        raise StorageUnavailableError("it is away \ud800")

    for name in (
        "look",
        "take",
        "depth",
        "read",
        "find",
        "find_states",
        "read_states",
        "histories",
        "read_runs",
    ):
        if hasattr(component, name):
            monkeypatch.setattr(component, name, refuse)
    for name in (
        "stage_read",
        "stage_read_states",
        "read_outcomes",
        "read_invocations",
        "read_runners",
        "now",
    ):
        if hasattr(component, name):
            monkeypatch.setattr(component, name, refuse)
    for each in ids:
        told = explain(app, each)
        assert told.verdict
        msgspec.json.encode(told)


def test_an_explanation_deserializes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = _failed(ValueError("x"))

    def refuse(*given: Any) -> Any:
        raise AssertionError("deserialized")

    monkeypatch.setattr(type(app.serializer), "deserialize", refuse)
    monkeypatch.setattr(type(app.task_registry), "find_task", refuse)
    assert _told(failed).findings[0].code == "failed"


def test_an_explanation_costs_few_round_trips() -> None:
    counted: list[str] = []
    ids = [make() for _, _, make, _ in _SITUATIONS]
    storage = app.orchestrator.storage  # type: ignore[attr-defined]
    for name in ("execute", "find", "find_items", "queue_depth", "count", "count_many", "queue_names"):
        original = getattr(storage, name)
        setattr(
            storage, name, lambda *given, _do=original, _name=name: (counted.append(_name), _do(*given))[1]
        )
    for (name, *_), each in zip(_SITUATIONS, ids, strict=True):
        counted.clear()
        explain(app, each)
        assert len(counted) <= 8, (name, counted)


def test_a_claimed_invocation_is_explained_by_its_runner() -> None:
    call = work(1)
    runner_id = get_current_runner().runner_id
    app.orchestrator.heartbeat([runner_id], app.orchestrator.now())
    assert claim(app.components, runner_id, ["default"], 1, 0)
    assert _told(call.invocation_id).findings[0].code == "claimed"


def test_an_id_that_is_none_is_refused() -> None:
    for wrong in (None, 5, b"x"):
        with pytest.raises(TypeError, match="is not a string"):
            explain(app, wrong)  # type: ignore[arg-type]
    assert _told("\ud800").findings[0].code == "unknown"
    assert _told("").findings[0].code == "unknown"


def test_inline_calls_are_explained() -> None:
    inline = Pynenc({"app_id": "explained-inline", "dev_mode_force_sync_tasks": True})
    bad = inline.task(flaky.func)("value")
    assert (
        "It ran inline, in this process, and failed with ValueError in test_explanations.py:"
        in explain(inline, bad.invocation_id).verdict
    )
    good = inline.task(work.func)(1)
    assert explain(inline, good.invocation_id).verdict == "It ran inline, in this process, and ended well."
    assert explain(inline, "gone").status is None
    Pynenc.discard("explained-inline")
