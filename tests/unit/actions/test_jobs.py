"""Jobs act on each invocation once, whoever dies in the middle, and leave alone what is made later."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from dying import Dies, failing

from pynenc import Pynenc
from pynenc.actions import job_work as module
from pynenc.actions import on_invocations
from pynenc.actions.audit import Actor, entries
from pynenc.actions.job_work import work_on_jobs
from pynenc.actions.jobs import ask, ask_to_fire, job_of, jobs, preview, switch
from pynenc.cli import actions_command
from pynenc.cli.main import cli
from pynenc.exceptions import SearchError, StorageUnavailableError, TriggerNotFoundError
from pynenc.invocation.status import InvocationStatus
from pynenc.state_backend.action_records import Job, JobKind, JobState
from pynenc.storage.record_store import Amend
from pynenc.testing import in_memory, working
from pynenc.trigger import TriggerBuilder

app = Pynenc({"app_id": "acted_on"})
ANNA = Actor("anna", "operator", "127.0.0.1")
_S = InvocationStatus


@app.task
def work(number: int = 0) -> int:
    return number


@app.task
def fails(number: int = 0) -> None:
    raise ValueError(number)


@app.task(triggers=TriggerBuilder().on_event("paid"))
def charges(amount: int = 0) -> int:
    return amount


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    with in_memory(app):
        yield


def _waiting(number: int) -> list[str]:
    return [each.invocation_id for each in work.parallelize([(at,) for at in range(number)]).invocations]


def _failed(number: int) -> list[str]:
    with working(app):
        calls = fails.parallelize([(at,) for at in range(number)]).invocations
        for each in calls:
            with suppress(ValueError):
                each.wait(30)
    return [each.invocation_id for each in calls]


def _statuses(ids: list[str]) -> set[InvocationStatus]:
    return {state.status for state in app.orchestrator.read_states(ids) if state is not None}


def _finish(job: Job) -> Job:
    while work_on_jobs(app.components, 0.5):
        pass
    return job_of(app.components, job.job_id)


def test_cancel_what_waits_and_nothing_that_comes_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SLICE", 10)
    before = _waiting(35)
    seen = preview(app.components, "status:registered")
    assert (seen.count, seen.is_capped, len(seen.first), seen.statuses) == (35, False, 20, {"registered": 20})
    job = ask(app.components, ANNA, JobKind.CANCEL, "status:registered", "a mistake")
    later = _waiting(3)
    done = _finish(job)
    assert (done.state, done.done, done.skipped, done.failed) == (JobState.DONE, 35, 0, 0)
    assert _statuses(before) == {_S.CANCELLED}
    assert _statuses(later) == {_S.REGISTERED}
    (entry,) = entries(app.components, 10)
    assert (entry.user, entry.action, entry.filter, entry.count, entry.reason) == (
        "anna",
        "cancel all",
        "status:registered",
        35,
        "a mistake",
    )
    assert entry.result == "done: 35 cancelled"


def test_run_again_makes_one_new_call_each() -> None:
    old = _failed(5)
    job = ask(app.components, ANNA, JobKind.AGAIN, "status:failed")
    done = _finish(job)
    assert (done.done, done.failed) == (5, 0)
    new = app.search("status:registered").rows
    assert sorted(each.data.arguments for each in new) == sorted(
        each.arguments for each in app.state_backend.read_invocations(old) if each is not None
    )
    again = ask(app.components, ANNA, JobKind.AGAIN, "status:failed")
    assert _finish(again).done == 5
    assert len(app.search("status:registered").rows) == 10  # another job is another cause


def test_purge_deletes_what_has_ended_only() -> None:
    failed, waiting = _failed(3), _waiting(2)
    job = ask(app.components, ANNA, JobKind.PURGE, "since:1d")
    done = _finish(job)
    assert (done.done, done.skipped) == (3, 2)
    assert "has not ended" in json.loads(done.errors)[0]
    assert _statuses(failed) == set()
    assert _statuses(waiting) == {_S.REGISTERED}


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("kind", [JobKind.CANCEL, JobKind.AGAIN, JobKind.PURGE])
def test_a_leader_that_dies_anywhere_leaves_it_to_the_next(
    kind: JobKind, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SLICE", 3)
    at, has_died = 0, True
    while has_died:
        with in_memory(app):
            ids = _waiting(7) if kind == JobKind.CANCEL else _failed(7)
            line = "status:registered" if kind == JobKind.CANCEL else "status:failed"
            job = ask(app.components, ANNA, kind, line)
            has_died = False
            with monkeypatch.context() as patched:
                failing(app.state_backend, ("write", "read", "find"), at, after, patched)
                try:
                    work_on_jobs(app.components, 60.0)
                except Dies:
                    has_died = True
            done = _finish(job)
            assert (done.state, done.done, done.failed) == (JobState.DONE, 7, 0), at
            if kind == JobKind.AGAIN:
                assert len(app.search("status:registered").rows) == 7, at
            else:
                assert _statuses(ids) <= {_S.CANCELLED}, at
            (entry,) = entries(app.components, 10)
            assert entry.result.startswith("done: 7"), at
        at += 1
    assert at > 10


def test_pause_go_on_and_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SLICE", 2)
    _waiting(6)
    job = ask(app.components, ANNA, JobKind.CANCEL, "status:registered")
    work_on_jobs(app.components, 0.0)  # one slice
    assert switch(app.components, job.job_id, JobState.PAUSED).done == 2
    assert not work_on_jobs(app.components, 1.0)
    switch(app.components, job.job_id, JobState.WAITING)
    work_on_jobs(app.components, 0.0)
    stopped = switch(app.components, job.job_id, JobState.STOPPED)
    assert stopped.done == 4
    assert not work_on_jobs(app.components, 1.0)
    assert len(app.search("status:registered").rows) == 2
    assert entries(app.components, 1)[0].result == "stopped: 4 cancelled"
    with pytest.raises(ValueError, match="is stopped already"):
        switch(app.components, job.job_id, JobState.WAITING)
    with pytest.raises(LookupError, match="no job"):
        switch(app.components, "nothing", JobState.STOPPED)


@pytest.mark.parametrize("state", [JobState.PAUSED, JobState.STOPPED])
def test_a_slice_that_is_under_way_counts_though_the_job_is_stopped(
    state: JobState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SLICE", 2)
    _waiting(6)
    job = ask(app.components, ANNA, JobKind.CANCEL, "status:registered")
    act_on = on_invocations.act_on

    def stops(*given: Any) -> Any:
        answer = act_on(*given)
        switch(app.components, job.job_id, state)
        return answer

    monkeypatch.setattr(module, "act_on", stops)
    assert not work_on_jobs(app.components, 60.0)
    found = job_of(app.components, job.job_id)
    assert (found.state, found.done, found.slice) == (state, 2, "")


def test_two_jobs_take_turns_and_overlap_without_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SLICE", 3)
    ids = _waiting(9)
    one = ask(app.components, ANNA, JobKind.CANCEL, "status:registered")
    two = ask(app.components, Actor("berta", "operator", "x"), JobKind.CANCEL, "task:*.work")
    work_on_jobs(app.components, 0.0)
    work_on_jobs(app.components, 0.0)
    assert job_of(app.components, one.job_id).done
    assert _finish(one).state == _finish(two).state == JobState.DONE
    assert _statuses(ids) == {_S.CANCELLED}
    assert {each.asked_by for each in jobs(app.components)} == {"anna", "berta"}


def test_an_error_with_one_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = _failed(4)
    act_on = on_invocations.act_on

    def breaks(components: Any, kind: JobKind, some: list[str], cause: str) -> Any:
        if ids[1] in some:
            raise RuntimeError("hostile")
        return act_on(components, kind, some, cause)

    monkeypatch.setattr(module, "act_on", breaks)
    done = _finish(ask(app.components, ANNA, JobKind.AGAIN, "status:failed"))
    assert (done.state, done.done, done.failed) == (JobState.DONE, 3, 1)
    assert json.loads(done.errors) == [f"{ids[1]}: RuntimeError: hostile"]


def test_a_store_that_is_away_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    _waiting(2)
    job = ask(app.components, ANNA, JobKind.CANCEL, "status:registered")
    with monkeypatch.context() as patched:

        def away(*_: Any) -> Any:
            raise StorageUnavailableError("away")

        patched.setattr(module, "act_on", away)
        with pytest.raises(StorageUnavailableError):
            work_on_jobs(app.components, 1.0)
    assert _finish(job).done == 2


@pytest.mark.parametrize(
    "values",
    [
        {"filter": "{"},
        {"filter": '{"statuses":["unknown"]}'},
        {"cursor": "x"},
        {"filter": "[1]"},
        {"filter": "{}"},
        {"filter": '{"created_until":1e12,"colour":"red"}'},
    ],
)
def test_a_record_of_other_or_hostile_code_stops_its_job_only(values: dict[str, str]) -> None:
    _waiting(2)
    bad = ask(app.components, ANNA, JobKind.CANCEL, "status:registered")
    app.state_backend.write([Amend(Job, bad.job_id, values)])
    good = ask(app.components, ANNA, JobKind.CANCEL, "status:registered")
    assert _finish(good).done == 2
    stopped = job_of(app.components, bad.job_id)
    assert (stopped.state, stopped.done) == (JobState.STOPPED, 0)
    assert "cannot go on" in json.loads(stopped.errors)[0]


def test_a_record_that_can_neither_go_on_nor_be_stopped_stops_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _waiting(2)
    bad = ask(app.components, ANNA, JobKind.CANCEL, "status:registered")
    good = ask(app.components, ANNA, JobKind.CANCEL, "status:registered")
    change = module.change

    def overflows(components: Any, job: Job, **values: Any) -> Any:
        if job.job_id == bad.job_id:
            raise OverflowError("a version that no engine takes")
        return change(components, job, **values)

    monkeypatch.setattr(module, "change", overflows)
    assert _finish(good).state == JobState.DONE


def test_what_is_made_while_somebody_thinks_is_left_alone() -> None:
    before = _waiting(2)
    seen = preview(app.components, "status:registered since:1h")
    later = _waiting(3)
    job = ask(app.components, ANNA, JobKind.CANCEL, "status:registered since:1h", at=seen.at)
    assert (job.estimate, _finish(job).done) == (2, 2)
    assert (_statuses(before), _statuses(later)) == ({_S.CANCELLED}, {_S.REGISTERED})
    for moment in (seen.at - 7200, seen.at + 1e9, float("nan"), -5.0):
        with pytest.raises(ValueError, match="the last hour"):
            preview(app.components, "status:registered", moment)


@pytest.mark.parametrize("line", ["", "   ", "status:nothing", "what is this"])
def test_lines_that_name_nothing_are_refused(line: str) -> None:
    with pytest.raises(SearchError):
        ask(app.components, ANNA, JobKind.PURGE, line)
    assert jobs(app.components) == []
    assert entries(app.components, 1) == []


def test_a_reason_that_is_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 500"):
        ask(app.components, ANNA, JobKind.PURGE, "status:failed", "x" * 501)
    assert jobs(app.components) == []


def test_a_trigger_is_fired_by_a_runner_once() -> None:
    app.register_deferred_triggers()
    (trigger,) = app.trigger.find_definitions()
    job = ask_to_fire(app.components, ANNA, trigger.trigger_id, {"amount": 5})
    assert not work_on_jobs(app.components, 0.1)  # nobody who has the code
    assert job_of(app.components, job.job_id).state == JobState.WAITING
    fired: list[tuple[str, Any, str]] = []

    def fire(*given: Any) -> str:
        fired.append(given)
        return "it has started invocation i"

    work_on_jobs(app.components, 0.1, fire)
    work_on_jobs(app.components, 0.1, fire)
    assert fired == [(trigger.trigger_id, {"amount": 5}, job.job_id)]
    assert entries(app.components, 1)[0].result == "it has started invocation i"
    with pytest.raises(TriggerNotFoundError):
        ask_to_fire(app.components, ANNA, "nothing")
    with pytest.raises(ValueError, match="JSON"):
        ask_to_fire(app.components, ANNA, trigger.trigger_id, {"x": float("nan")})


def test_a_runner_fires_and_cancels_by_itself() -> None:
    app.register_deferred_triggers()
    (trigger,) = app.trigger.find_definitions()
    job = ask_to_fire(app.components, ANNA, trigger.trigger_id, {})
    with working(app):
        while not (done := job_of(app.components, job.job_id)).state.is_over:
            app.orchestrator.subscribe(["nobody"]).wait(0.05)
    assert done.failed == 0
    assert len(app.search("task:*.charges").rows) == 1
    result = entries(app.components, 1)[0].result
    assert app.search("task:*.charges").rows[0].data.invocation_id in result


def test_a_trigger_that_cannot_be_fired_says_why() -> None:
    app.register_deferred_triggers()
    (trigger,) = app.trigger.find_definitions()
    job = ask_to_fire(app.components, ANNA, trigger.trigger_id)

    def fire(*_: Any) -> str:
        raise ValueError("no such task here")

    work_on_jobs(app.components, 0.1, fire)
    done = job_of(app.components, job.job_id)
    assert (done.state, done.failed) == (JobState.DONE, 1)
    assert entries(app.components, 1)[0].is_error


def test_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def call(*words: str) -> tuple[int, str]:
        answer = CliRunner().invoke(cli, ["--app", "test_jobs.app", *words])
        return answer.exit_code, answer.output

    assert "nobody has asked" in call("actions", "list")[1]
    ids = _waiting(3)
    code, text = call("actions", "start", "cancel", "status:registered", "--dry-run")
    assert (code, "3 invocation(s) fit" in text, jobs(app.components)) == (0, True, [])
    assert call("actions", "start", "cancel", "status:registered", "--yes", "--here")[0] == 0
    assert _statuses(ids) == {_S.CANCELLED}
    (job,) = jobs(app.components)
    assert call("actions", "stop", job.job_id)[0] == 1
    assert [each.action for each in entries(app.components, 9)] == ["stop a job", "cancel all"]
    assert call("actions", "show", "nothing")[0] == 1
    assert "3 of about 3 done" in call("actions", "show", job.job_id)[1]
    assert msgspec.json.decode(call("actions", "list", "--json")[1])[0]["kind"] == "cancel"
    assert "cancel all (shell)" not in call("actions", "audit")[1]
    assert "done: 3 cancelled" in call("actions", "audit")[1]
    assert call("actions", "start", "cancel", "status:unknown", "--yes")[0] == 1
    assert call("actions", "start", "purge", "status:cancelled", "--yes", "--reason", "x" * 600)[0] == 1
    work()
    paused = ask(app.components, ANNA, JobKind.CANCEL, "task:*.nothing")
    assert "is paused" in call("actions", "pause", paused.job_id)[1]
    answer = CliRunner().invoke(
        cli, ["--app", "test_jobs.app", "actions", "start", "purge", "status:cancelled"], input="n\n"
    )
    assert (answer.exit_code, len(jobs(app.components))) == (1, 2)
    monkeypatch.setattr(actions_command, "work_on_jobs", lambda *_: switch_all(JobState.PAUSED))
    code, text = call("actions", "start", "cancel", "status:registered", "--yes", "--here")
    assert (code, "paused: 0 of about 1 done" in text) == (0, True)


def switch_all(state: JobState) -> bool:
    for each in jobs(app.components):
        if not each.state.is_over:
            switch(app.components, each.job_id, state)
    return False
