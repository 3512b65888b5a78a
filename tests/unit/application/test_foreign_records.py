"""What a writer without a key can do to the records of others, and what not."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import plain_tasks
import pytest
import store_in_dictionaries
import workflow_bodies
from cryptography.fernet import Fernet
from sealed_apps import OTHER, SIGNING, failure, make, patch

from pynenc.actions.audit import Actor, Deed, entries, refused
from pynenc.actions.job_work import work_on_jobs
from pynenc.actions.jobs import ask, ask_to_fire, jobs
from pynenc.exceptions import InvocationError
from pynenc.invocation.data import InvocationData, OutcomeData
from pynenc.invocation.state import outcome_id
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle import retention
from pynenc.lifecycle.failures import decide, failure_groups
from pynenc.state_backend.action_records import Job, JobKind, JobState
from pynenc.state_backend.failure_records import FailureGroup, FailureState
from pynenc.state_backend.log_records import LogLine
from pynenc.state_backend.workflow_records import Step, step_id
from pynenc.storage.record_store import Save
from pynenc.testing.app_fixtures import running
from pynenc.testing.evaluating import Evaluating, fired
from pynenc.testing.inline_runner import InlineRunner
from pynenc.trigger import on_event
from pynenc.trigger.records import RunState, TriggerRun

NOT_UTF8 = "cast(x'ff' as text)"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sealed.db"


def sql(path: Path, statement: str, *values: Any) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(statement, values)
        connection.commit()


def test_a_text_that_is_no_text_stops_nothing(path: Path) -> None:
    app = make(path, signing_keys=[SIGNING])
    followed = app.task(triggers=on_event("code"))(plain_tasks.echo)
    app.register_deferred_triggers()
    bad, good = followed("bad"), followed("good")
    sql(path, f'update "sealed/invocation" set arguments = {NOT_UTF8} where key = ?', bad.invocation_id)
    sql(
        path,
        f'insert into "sealed/occurrence"(key, kind, code, payload, at, is_open) '
        f"values ('odd', 'event', 'code', {NOT_UTF8}, 1.0, 1)",
    )
    columns = "key, task_id, logic, arguments, options, conditions, saved_at"
    sql(
        path,
        f'insert into "sealed/trigger"({columns}) values ('
        f"'odd', 'plain_tasks.echo', 'and', '[]', '{{}}', {NOT_UTF8}, 1.0)",
    )
    app = make(path, signing_keys=[SIGNING])
    followed = app.task(triggers=on_event("code"))(plain_tasks.echo)
    app.trigger.emit_event("code", {"value": "ours"})
    with running(app):
        assert app.get_invocation(good.invocation_id).result == "good"
    Evaluating(app).work()
    assert len(fired(app, followed)) == 1
    assert "cannot be read" in failure(app, bad.invocation_id)
    assert good.invocation_id in {each.invocation_id for each in app.find_invocations()}
    assert sum(retention.calls_without_record(app.components, app.orchestrator.now() + 1)) == 0


@pytest.mark.parametrize("settings", [{}, {"signing_keys": [SIGNING]}, {"codec": ["zlib"]}])
def test_a_store_of_somebody_else_seals_each_record_once(settings: dict[str, Any], path: Path) -> None:
    app = make(path, backend="mem", state_backend_cls="store_in_dictionaries.PureStateBackend", **settings)
    task = app.task(plain_tasks.echo)
    call = task("abc")
    with running(app):
        assert call.result == "abc"
    stored = store_in_dictionaries.stored(app, InvocationData)
    assert [each.arguments.count("@sealed") for each in stored] == [int(bool(settings))]
    assert [each.arguments.kwargs for each in app.find_invocations()] == [{"value": "abc"}]


def test_a_wrong_key_on_the_leader_deletes_nothing_that_a_workflow_needs(path: Path) -> None:
    def app_with(key: str) -> Any:
        app = make(path, signing_keys=[key], workflow_park_after_seconds=0.0)
        app.task(workflow_bodies.double)
        return app, app.workflow(workflow_bodies.asks_late)

    app, root = app_with(SIGNING)
    call = root()
    InlineRunner(app).run_due()
    leader, _ = app_with(OTHER)
    later = leader.orchestrator.now() + 10
    assert sum(retention.ended_invocations(leader.components, later)) == 0
    app, _ = app_with(SIGNING)
    app.send_event(call.invocation_id, "go")
    InlineRunner(app).run_due()
    assert app.get_invocation(call.invocation_id).result == 42


def test_records_of_a_newer_key_are_left_alone(path: Path) -> None:
    newer = make(path, signing_keys=[OTHER, SIGNING])
    newer.task(triggers=on_event("code"))(plain_tasks.echo)
    newer.register_deferred_triggers()
    (definition,) = newer.trigger.find_definitions()
    older = make(path, signing_keys=[SIGNING])
    older.task(triggers=on_event("code"))(plain_tasks.echo)
    older.register_deferred_triggers()
    newer = make(path, signing_keys=[OTHER])
    assert newer.trigger.find_definitions() == [definition]


def test_a_huge_claim_number_is_deleted_at_once(path: Path) -> None:
    app = make(path, signing_keys=[SIGNING])
    task = app.task(plain_tasks.add)
    call = task(1, 2)
    call.cancel()
    patch(app, "orchestrator", "status", call.invocation_id, claim=2**62, slot_key="slot:x")
    assert retention.purge_ended(app.components, app.orchestrator.now() + 10) == 1


def test_an_entry_of_an_equal_call_that_names_another_is_not_used(path: Path) -> None:
    app = make(path, signing_keys=[SIGNING])
    cached = app.task(call_result_cache=True)(plain_tasks.echo)
    other = app.task(plain_tasks.add)(3, 4)
    with running(app):
        assert cached("mine").result == "mine"
        assert other.result == 7
    sql(
        path,
        "update \"sealed/slot\" set invocation_id = ? where key like 'cache:%'",
        other.invocation_id,
    )
    with running(app):
        assert cached("mine").result == "mine"


def test_an_exception_is_never_taken_for_a_result(path: Path) -> None:
    app = make(path, signing_keys=[SIGNING])
    call = app.task(plain_tasks.fail)("as planned")
    assert "as planned" in failure(app, call.invocation_id)
    patch(app, "orchestrator", "status", call.invocation_id, status="success")
    app = make(path, signing_keys=[SIGNING])
    app.task(plain_tasks.fail)
    with pytest.raises(InvocationError, match="outcome is gone"):
        _ = app.get_invocation(call.invocation_id).result


def test_an_unsigned_outcome_in_the_place_of_ours_is_replaced(path: Path) -> None:
    call = make(path, signing_keys=[SIGNING]).task(plain_tasks.add)(1, 2)
    forged = OutcomeData(outcome_id(call.invocation_id, 1), 0, "99")
    make(path).state_backend.write([Save(forged)])
    app = make(path, signing_keys=[SIGNING])
    app.task(plain_tasks.add)
    InlineRunner(app).run_due()
    assert app.get_invocation(call.invocation_id).result == 3


def test_a_step_that_only_another_process_can_read_is_not_replaced(path: Path) -> None:
    step = Step(step_id("w", 0, "", 0), "w", 0, "", 0, "step", "pay", '"paid"', 0, 1.0)
    keys = [Fernet.generate_key().decode() for _ in range(2)]
    for signing in ([], [SIGNING]):
        first = make(path, codec=["fernet"], codec_keys=keys[:1], signing_keys=signing)
        first.state_backend.delete_steps([step.step_id])
        assert first.state_backend.save_steps([step]) == [True]
        other = make(path, codec=["fernet"], codec_keys=keys[1:], signing_keys=signing)
        assert other.state_backend.save_steps([step]) == [False]
        assert other.state_backend.read_steps([step.step_id]) == [None]
        first = make(path, codec=["fernet"], codec_keys=keys[:1], signing_keys=signing)
        assert first.state_backend.read_steps([step.step_id]) == [step]


def test_unsigned_runs_use_up_no_rate(path: Path) -> None:
    def app_with_cap() -> Any:
        app = make(path, signing_keys=[SIGNING])
        task = app.task(triggers=on_event("code").with_rate_cap(2, 60))(plain_tasks.echo)
        app.register_deferred_triggers()
        return app, task

    app, _ = app_with_cap()
    trigger_id = app.trigger.find_definitions()[0].trigger_id
    intruder = make(path)
    now = intruder.orchestrator.now()
    intruder.trigger.save_runs(
        [
            TriggerRun(f"f{at}", trigger_id, "plain_tasks.echo", RunState.FIRED, "x", now + at, "", "[]")
            for at in range(2)
        ]
    )
    app, task = app_with_cap()
    app.trigger.emit_event("code", {"value": "ours"})
    Evaluating(app).work()
    assert len(fired(app, task)) == 1


@pytest.mark.parametrize("kind", list(JobKind))
def test_an_unsigned_job_is_not_carried_out(path: Path, kind: JobKind) -> None:
    intruder = make(path)
    now = intruder.orchestrator.now()
    line = '{"created_until":1e12}' if kind != JobKind.FIRE else '{"value": "theirs"}'
    job = Job("f" * 32, kind, JobState.WAITING, 1, now, now, "x", "nope", "status:registered", line)
    intruder.state_backend.write([Save(job)])
    app = make(path, signing_keys=[SIGNING])
    task = app.task(plain_tasks.echo)
    waiting = task("ours").invocation_id
    fired_now: list[Any] = []

    def fire(*given: Any) -> str:
        fired_now.append(given)
        return ""

    assert not work_on_jobs(app.components, 1.0, fire)
    assert (fired_now, jobs(app.components)) == ([], [])
    (state,) = app.orchestrator.read_states([waiting])
    assert state is not None
    assert state.status == InvocationStatus.REGISTERED


def test_what_people_write_is_encoded(path: Path) -> None:
    app = make(path, codec=["fernet"], codec_keys=[Fernet.generate_key().decode()], signing_keys=[SIGNING])
    app.task(triggers=on_event("code"))(plain_tasks.echo)
    app.register_deferred_triggers()
    trigger_id = app.trigger.find_definitions()[0].trigger_id
    actor = Actor("anna", "operator", "here")
    ask_to_fire(app.components, actor, trigger_id, {"value": "sesame-1"}, "sesame-2")
    ask(app.components, actor, JobKind.CANCEL, "tag:customer=sesame-3", "sesame-4")
    refused(app.components, actor, Deed("cancel"), "sesame-5")
    note = FailureGroup("g", "t", "E", "f", "sesame-6", "sesame-7", 1.0, 1.0)
    app.state_backend.write([Save(note), Save(LogLine("l", 1.0, "error", "x", "sesame-8", "r", None, None))])
    decide(app.components, "g", FailureState.MUTED, "sesame-9")
    done: list[Any] = []
    work_on_jobs(app.components, 1.0, lambda *given: done.append(given[1]) or "sesame-10")
    assert done == [{"value": "sesame-1"}]
    for file in path.parent.iterdir():
        assert b"sesame" not in file.read_bytes(), file
    texts = [(each.reason, each.result) for each in entries(app.components, 9)]
    assert texts == [
        ("", "sesame-5"),
        ("sesame-4", "done: 0 cancelled"),
        ("sesame-2", "sesame-10"),
    ]
    assert failure_groups(app.components, 0.0, 9)[0].note == "sesame-9"


def test_a_value_that_was_purged_elsewhere_is_stored_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make(path)
    task = app.task(plain_tasks.echo)
    task("x" * 5000)
    (value,) = app.state_backend.values_to_look_at(1e12, 9)
    app.client_data_store.delete([value.value_id])  # as a purge by another process does
    monkeypatch.setattr("pynenc.client_data_store.base_client_data_store._SURE_S", -1.0)
    app.client_data_store._sure_until.clear()
    call = task("x" * 5000)
    app.client_data_store.forget()
    with running(app):
        assert call.result == "x" * 5000
