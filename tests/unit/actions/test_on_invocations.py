"""Acting on single invocations reads what is stored and deserializes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from pynenc import Pynenc
from pynenc.actions.audit import Actor, Deed, audited, entries
from pynenc.actions.on_invocations import act_on, act_on_one
from pynenc.exceptions import InvocationError, InvocationNotFoundError
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle.claiming import claim
from pynenc.state_backend.action_records import JobKind
from pynenc.testing import in_memory, working

app = Pynenc({"app_id": "acted_on_one"})
ANNA = Actor("anna", "operator", "127.0.0.1")


@app.task
def work(number: int = 0) -> int:
    return number


@app.task(registration_concurrency="task")
def once(number: int = 0) -> None:
    raise ValueError(number)


@app.workflow
def flow() -> int:
    flow.wf.step("one", lambda: 1)
    raise ValueError("no")


@app.workflow
def outer() -> object:
    return outer.wf.execute_task(flow).result


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    with in_memory(app):
        yield


@pytest.fixture
def sealed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every door to code of the user stay shut."""

    def shut(*_: Any, **__: Any) -> Any:
        raise AssertionError("this would run what is stored")

    for name in ("unpack_arguments", "unpack_results", "unpack_error"):
        monkeypatch.setattr(app.components.values, name, shut)
    monkeypatch.setattr(type(app), "find_task", shut)


def _ended(task: Any, **options: Any) -> str:
    with working(app):
        call = task.options(**options)() if options else task()
        with suppress(ValueError):
            call.wait(30)
    return str(call.invocation_id)


@pytest.mark.usefixtures("sealed")
def test_cancel() -> None:
    waiting = work().invocation_id
    assert act_on_one(app.components, JobKind.CANCEL, waiting, "c") == "it is cancelled"
    assert act_on_one(app.components, JobKind.CANCEL, waiting, "c") == "it is cancelled"
    (state,) = app.orchestrator.read_states([waiting])
    assert state is not None
    assert state.status == InvocationStatus.CANCELLED


@pytest.mark.usefixtures("sealed")
def test_cancel_of_one_that_runs_asks_it_to_end() -> None:
    call = work()
    (mine,) = claim(app.components, "r", ["default"], 1, 0.0)
    assert act_on_one(app.components, JobKind.CANCEL, call.invocation_id, "c") == "it was asked to end"
    (state,) = app.orchestrator.read_states([mine.state.invocation_id])
    assert state is not None
    assert state.cancel_requested


def test_what_there_is_nothing_to_do_about_is_told() -> None:
    ended, waiting = _ended(work), work.options(delay=1000)().invocation_id
    with pytest.raises(InvocationError, match="had ended as"):
        act_on_one(app.components, JobKind.CANCEL, ended, "c")
    for kind in (JobKind.AGAIN, JobKind.PURGE):
        with pytest.raises(InvocationError, match="has not ended"):
            act_on_one(app.components, kind, waiting, "c")
    for kind in (JobKind.CANCEL, JobKind.AGAIN, JobKind.PURGE):
        with pytest.raises(InvocationNotFoundError):
            act_on_one(app.components, kind, "nothing", "c")


def test_again_keeps_what_it_was_called_with_and_begins_a_new_trace() -> None:
    headers = {"traceparent": "00-a-b-01", "tenant": "t"}
    old = _ended(work, headers=headers, tags={"customer": "42"}, queue="default", priority=3)
    text = act_on_one(app.components, JobKind.AGAIN, old, "c")
    assert act_on_one(app.components, JobKind.AGAIN, old, "c") == text
    new_id = text.rpartition(" ")[2]
    new = app.get_invocation(new_id)
    assert new.headers == {"tenant": "t"}
    (state,) = app.orchestrator.read_states([new_id])
    assert state is not None
    assert state.priority == 3
    with working(app):
        assert new.wait(30) == 0
    assert [each.data.invocation_id for each in app.search("tag:customer=42").rows] == [new_id, old]


def test_again_of_a_failed_workflow_runs_all_of_it() -> None:
    old = _ended(flow)
    new_id = act_on_one(app.components, JobKind.AGAIN, old, "c").rpartition(" ")[2]
    new = app.get_invocation(new_id)
    with working(app), suppress(ValueError):
        new.wait(30)
    (data,) = app.state_backend.read_invocations([new_id])
    assert data is not None
    assert data.workflow_id == new_id
    (state,) = app.orchestrator.read_states([new_id])
    assert state is not None
    assert (state.status, state.has_steps) == (InvocationStatus.FAILED, 1)


def test_again_of_a_child_is_a_workflow_of_its_own() -> None:
    root = _ended(outer)
    (child,) = [each.data for each in app.search(f"workflow:{root}") if each.data.invocation_id != root]
    new_id = act_on_one(app.components, JobKind.AGAIN, child.invocation_id, "c").rpartition(" ")[2]
    (data,) = app.state_backend.read_invocations([new_id])
    assert data is not None
    assert (data.workflow_id, data.workflow_type) == (new_id, child.task_id)
    assert (data.family, data.parent_workflow_id, data.parent_invocation_id) == (None, None, None)
    assert len(app.search(f"workflow:{root}").rows) == 2


def test_again_where_an_equal_call_waits_is_skipped() -> None:
    old = _ended(once)
    waits = once().invocation_id
    (outcome,) = act_on(app.components, JobKind.AGAIN, [old], "c")
    assert not outcome.is_done
    assert waits in outcome.text


def test_purge_leaves_nothing() -> None:
    old = _ended(flow, tags={"customer": "42"})
    assert act_on_one(app.components, JobKind.PURGE, old, "c") == "it is deleted"
    assert app.state_backend.read_invocations([old]) == [None]
    assert app.search("tag:customer=42").rows == []
    assert act_on(app.components, JobKind.PURGE, [old], "c")[0].is_done


def test_whatever_is_refused_is_in_the_trail_and_raised() -> None:
    def refuses(_: str) -> str:
        raise InvocationError("because \ud800")

    def breaks(_: str) -> str:
        raise KeyboardInterrupt

    with pytest.raises(InvocationError):
        audited(app.components, ANNA, Deed("cancel", "i\ud800"), refuses)
    with pytest.raises(KeyboardInterrupt):
        audited(app.components, ANNA, Deed("again", "j"), breaks)
    again, cancel = entries(app.components, 10)
    assert (cancel.target, cancel.result, cancel.is_error) == (
        "i\\ud800",
        "InvocationError: because \\ud800",
        1,
    )
    assert (again.result, again.is_error) == ("it broke off: KeyboardInterrupt", 1)
    assert entries(app.components, 10, target="j") == [again]
