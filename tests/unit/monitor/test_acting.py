"""Operators act, with a trail; viewers, strangers, other sites and forms that are not ours do not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest
from asgi_client import Client

from pynenc import Pynenc
from pynenc.actions.audit import entries
from pynenc.actions.job_work import work_on_jobs
from pynenc.actions.jobs import job_of, jobs
from pynenc.conf.config_monitor import ConfigMonitor
from pynenc.exceptions import StorageUnavailableError
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle.failures import failure_groups
from pynenc.monitor.acting import ACTS
from pynenc.monitor.application import monitor_app
from pynenc.state_backend.action_records import JobState
from pynenc.state_backend.alert_records import AlertData
from pynenc.storage.record_store import Lookup
from pynenc.testing import in_memory, working
from pynenc.trigger import TriggerBuilder

OPERATOR, VIEWER = "an operator's token", "a viewer's token of ours"
app = Pynenc({"app_id": "acted_in"})


@app.task
def work(number: int = 0) -> int:
    return number


@app.task
def fails() -> None:
    raise ValueError("no")


@app.workflow
def waits() -> Any:
    return waits.wf.wait_event("paid")


@app.task(triggers=TriggerBuilder().on_event("paid"))
def charges() -> None:
    """Do nothing."""


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    with in_memory(app):
        app.register_deferred_triggers()
        yield


def _application(**values: Any) -> Any:
    settings = {"monitor_token": OPERATOR, "monitor_viewer_token": VIEWER, **values}
    return monitor_app(app, ConfigMonitor(**settings))


def _client(token: str = OPERATOR, **values: Any) -> Client:
    client = Client(_application(**values))
    assert client.post("/login", data={"token": token}).status_code == 303
    return client


def _post(client: Client, path: str, **fields: str) -> httpx.Response:
    work.options(delay=9999)()  # so that there is a form somewhere
    return client.post(path, data={"form": client.form_mark(), **fields})


def _followed(client: Client, answer: httpx.Response) -> str:
    assert answer.status_code == 303, answer.text
    return client.get(answer.headers["location"]).text


def _ended() -> str:
    with working(app):
        call = fails()
        with suppress(ValueError):
            call.wait(30)
    return str(call.invocation_id)


def test_cancel_run_again_and_delete_one() -> None:
    client, ended, waiting = _client(), _ended(), work().invocation_id
    page = _followed(client, _post(client, f"/invocations/{waiting}/cancel", reason="a mistake"))
    assert "it is cancelled" in page
    assert "token: cancel" in page
    (entry,) = entries(app.components, 10, target=waiting)
    assert (entry.user, entry.role, entry.address, entry.reason) == (
        "token",
        "operator",
        "127.0.0.1",
        "a mistake",
    )
    assert "it runs again as" in _followed(client, _post(client, f"/invocations/{ended}/again"))
    assert "it is deleted" in _followed(client, _post(client, f"/invocations/{ended}/purge"))
    assert client.get(f"/invocations/{ended}").status_code == 404


def test_what_cannot_be_done_is_told_and_in_the_trail() -> None:
    client, ended = _client(), _ended()
    answer = _post(client, f"/invocations/{ended}/cancel")
    assert (answer.status_code, "had ended as" in answer.text) == (409, True)
    assert entries(app.components, 1)[0].is_error
    unknown = _post(client, "/invocations/nothing/cancel")
    assert (unknown.status_code, unknown.text.count("is stored for this app")) == (404, 1)
    assert _post(client, "/jobs", kind="nothing", q="status:failed").status_code == 409
    assert "is one of cancel, again, purge" in entries(app.components, 1)[0].result
    assert _post(client, "/failures/nothing/state", state="muted").status_code == 404
    assert _post(client, "/jobs/nothing/stop").status_code == 404
    assert _post(client, "/triggers/nothing/pause").status_code == 404


def test_events_reach_workflows_and_everybody() -> None:
    client = _client()
    with working(app):
        call = waits()
        assert "was sent" in _followed(
            client, _post(client, f"/invocations/{call.invocation_id}/event", code="paid", payload='{"n": 1}')
        )
        call.wait(30)
    assert _post(client, "/events", code="paid", payload='{"n": 2}').status_code == 303
    assert len(app.trigger.find_events("paid")) == 1


@pytest.mark.parametrize("payload", ["[1]", "{", '{"x": NaN}', '"x"', "[" * 50_000, '{"a": "' + "x" * 65_536])
def test_payloads_that_do_not_do_are_refused(payload: str) -> None:
    answer = _post(_client(), "/events", code="paid", payload=payload)
    assert answer.status_code in (409, 413)
    assert app.trigger.find_events("paid") == []


def test_failures_are_decided_about() -> None:
    client, _ = _client(), _ended()
    (group,) = failure_groups(app.components, 0.0, 10)
    page = _followed(
        client, _post(client, f"/failures/{group.group_id}/state", state="resolved", note="in 1.2")
    )
    assert "in 1.2" in page
    assert _post(client, f"/failures/{group.group_id}/state", state="gone").status_code == 409


def test_triggers_are_paused_resumed_and_fired() -> None:
    client = _client()
    (trigger,) = app.trigger.find_definitions()
    path = f"/triggers/{trigger.trigger_id}"
    assert "it is paused" in _followed(client, _post(client, f"{path}/pause"))
    assert "it was paused already" in _followed(client, _post(client, f"{path}/pause"))
    assert "it is resumed" in _followed(client, _post(client, f"{path}/resume"))
    assert "waits for a runner" in _followed(client, _post(client, f"{path}/fire", payload='{"a": 1}'))
    assert [each.kind.value for each in jobs(app.components)] == ["fire"]


def test_alerts_are_silenced_whatever_their_subject_is() -> None:
    client = _client()
    subject = "queue_age:a/b <i>?#%"
    answer = _post(client, f"/alerts/{'queue_age%3Aa%2Fb%20%3Ci%3E%3F%23%25'}/silence", hours="2")
    assert answer.status_code == 303, answer.text
    (alert,) = app.state_backend.find_all(AlertData, Lookup(AlertData, {"state": "over"}))
    assert alert.alert_id == subject
    for hours in ("0", "169", "nan", "x", ""):
        assert _post(client, "/alerts/clock:x/silence", hours=hours).status_code == 409


def test_messages_are_deleted_by_those_who_type_the_name() -> None:
    client = _client()
    assert _post(client, "/queues/purge", app="other").status_code == 409
    assert app.broker.depth(["default"])["default"].waiting
    assert _post(client, "/queues/purge", app="acted_in").status_code == 303
    assert app.broker.queues() == []


def test_a_job_is_looked_at_asked_for_paused_and_stopped() -> None:
    client = _client()
    ids = [work().invocation_id for _ in range(3)]
    page = client.get("/jobs/new?kind=cancel&q=status:registered").text
    assert "Cancel 3 invocations" in page
    answer = client.post(
        "/jobs", data={"form": client.form_mark(), "kind": "cancel", "q": "status:registered", "reason": "x"}
    )
    assert "waits for a runner" in _followed(client, answer)
    (job,) = jobs(app.components)
    assert "is paused" in _followed(client, _post(client, f"/jobs/{job.job_id}/pause"))
    assert "Resume" in client.get("/actions").text
    assert "is waiting" in _followed(client, _post(client, f"/jobs/{job.job_id}/resume"))
    work_on_jobs(app.components, 1.0)
    states = app.orchestrator.read_states(ids)
    assert {each.status for each in states if each} == {InvocationStatus.CANCELLED}
    assert job_of(app.components, job.job_id).state == JobState.DONE
    assert "done: 3 cancelled" in client.get("/actions").text
    assert _post(client, f"/jobs/{job.job_id}/stop").status_code == 409


@pytest.mark.parametrize("line", ["", "arg:sesame", "-arg:sesame status:failed", "status:x"])
def test_jobs_that_could_tell_of_masked_values_or_name_nothing_are_refused(line: str) -> None:
    client = _client()
    assert client.get("/jobs/new", params={"kind": "purge", "q": line}).status_code == 400
    assert _post(client, "/jobs", kind="purge", q=line).status_code == 400
    assert jobs(app.components) == []


PATHS = ["/" + each.path.replace("{id:path}", "x").replace("{id}", "x") for each in ACTS]


def _nothing_happened() -> bool:
    trail = [each for each in entries(app.components, 100) if each.action != "log in"]
    return not jobs(app.components) and all(each.result in ("not let", "a foreign form") for each in trail)


@pytest.mark.parametrize("path", PATHS)
def test_who_may_act(path: str) -> None:
    fields = {"code": "c", "kind": "purge", "q": "status:failed", "state": "muted", "hours": "1"}
    stranger = Client(_application())
    assert stranger.post(path, data=fields).status_code == 401
    viewer = _client(VIEWER)
    assert viewer.post(path, data={**fields, "form": _client().form_mark()}).status_code == 403
    assert entries(app.components, 1)[0].result == "not let"
    program = Client(_application())
    answer = program.post(path, data=fields, headers={"authorization": f"Bearer {VIEWER}"})
    assert answer.status_code == 403
    locked = _client(monitor_read_only=True)
    assert locked.post(path, data={**fields, "form": _client().form_mark()}).status_code == 403
    assert _nothing_happened()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("forgery", ["none", "other session", "cross-site", "origin", "made up"])
def test_forged_forms_do_nothing(path: str, forgery: str) -> None:
    work.options(delay=9999)()
    application = _application()
    client, other = Client(application), Client(application)
    for each in (client, other):
        each.post("/login", data={"token": OPERATOR})
    own, headers = client.form_mark(), {}
    assert own
    mark = {"none": "", "other session": other.form_mark(), "made up": "0" * 64}.get(forgery, own)
    if forgery == "cross-site":
        headers = {"sec-fetch-site": "cross-site"}
    if forgery == "origin":
        headers = {"origin": "https://evil.example"}
    fields = {"code": "c", "kind": "purge", "q": "status:failed", "state": "muted", "hours": "1"}
    answer = client.post(path, data={**fields, "form": mark}, headers=headers)
    assert answer.status_code == 403
    assert "not ours" in answer.text
    assert entries(app.components, 1)[0].result == "a foreign form"
    assert _nothing_happened()


def test_what_was_decided_on_a_preview_is_done_to_what_was_there_then() -> None:
    client = _client()
    first = work().invocation_id
    page = client.get("/jobs/new?kind=cancel&q=status:registered").text
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))
    later = work().invocation_id
    assert client.post("/jobs", data=fields).status_code == 303
    work_on_jobs(app.components, 1.0)
    states = app.orchestrator.read_states([first, later])
    assert [each.status.value for each in states if each] == ["cancelled", "registered"]


def test_a_program_acts_without_a_form() -> None:
    waiting = work().invocation_id
    client = Client(_application())
    answer = client.post(f"/invocations/{waiting}/cancel", headers={"authorization": f"Bearer {OPERATOR}"})
    assert answer.status_code == 303
    assert entries(app.components, 1)[0].result == "it is cancelled"


def test_viewers_see_no_buttons() -> None:
    waiting = work().invocation_id
    for path in (f"/invocations/{waiting}", "/invocations?q=status:registered", "/actions", "/alerts"):
        assert 'name="form"' not in _client(VIEWER).get(path).text, path
    assert 'name="form"' in _client().get(f"/invocations/{waiting}").text
    assert "Cancel" in _client().get(f"/invocations/{waiting}").text
    assert "Cancel" not in _client(monitor_read_only=True).get(f"/invocations/{waiting}").text


def test_live_pages_of_two_visitors_have_forms_of_their_own() -> None:
    work.options(delay=9999)()
    application = _application()
    one, two = Client(application), Client(application)
    for each in (one, two):
        each.post("/login", data={"token": OPERATOR})
    assert one.form_mark() == one.form_mark() != two.form_mark()


def test_a_store_that_is_away_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    client, waiting = _client(), work().invocation_id
    mark = client.form_mark()

    def away(*_: Any) -> Any:
        raise StorageUnavailableError("away")

    monkeypatch.setattr(app.state_backend, "write", away)
    answer = client.post(f"/invocations/{waiting}/cancel", data={"form": mark})
    assert (answer.status_code, "does not answer" in answer.text) == (503, True)


def test_forms_that_are_too_large_are_refused() -> None:
    assert _client().post("/events", data={"code": "x" * 70_000}).status_code == 413
