"""The JSON interface: it is what its description says, masks what pages mask, and acts for operators only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from asgi_client import Client

from pynenc import Pynenc
from pynenc.actions.audit import entries
from pynenc.actions.jobs import jobs
from pynenc.conf.config_monitor import ConfigMonitor
from pynenc.exceptions import StorageUnavailableError
from pynenc.lifecycle.failures import failure_groups
from pynenc.lifecycle.rollups import roll_up
from pynenc.monitor.acting import ACTS
from pynenc.monitor.application import monitor_app
from pynenc.monitor.endpoints import ENDPOINTS
from pynenc.state_backend.alert_records import AlertData, AlertState
from pynenc.state_backend.log_records import LogLine
from pynenc.storage.record_store import Save
from pynenc.testing import in_memory, working
from pynenc.trigger import TriggerBuilder

OPERATOR, VIEWER = "an operator's token", "a viewer's token of ours"
app = Pynenc({"app_id": "told_as_json"})


@app.task
def work(value: object = None, password: str = "sesame-1") -> object:
    work.invocation.progress(1, 4, "at https://user:sesame-6@host/")
    return {"token": "sesame-2"}


@app.task
def fails(text: str) -> None:
    raise ValueError(text)


@app.workflow
def flow() -> int:
    return int(flow.wf.step("one", lambda: 1))


@app.task(triggers=TriggerBuilder().on_cron("*/5 * * * *").on_event("paid", {"password": "sesame-3"}))
def by_itself() -> None:
    """Do nothing."""


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    with in_memory(app):
        yield


@pytest.fixture
def application() -> Any:
    return monitor_app(app, ConfigMonitor(monitor_token=OPERATOR, monitor_viewer_token=VIEWER))


def _get(application: Any, path: str, token: str = OPERATOR, **parameters: str) -> Any:
    return Client(application).get(
        f"/api/v1/{path}", params=parameters, headers={"authorization": f"Bearer {token}"}
    )


def _post(application: Any, path: str, token: str = OPERATOR, **fields: Any) -> Any:
    return Client(application).post(
        f"/api/v1/{path}", json=fields, headers={"authorization": f"Bearer {token}"}
    )


def _populated() -> dict[str, str]:
    app.register_deferred_triggers()
    with working(app):
        calls = [
            work("x"),
            fails("at https://user:sesame-4@host/"),
            flow.options(headers={"cookie": "sesame-5"})(),
        ]
        for call in calls:
            with suppress(ValueError):
                call.wait(30)
    app.trigger.emit_event("paid", {"password": "sesame-6"})
    roll_up(app.components, [])
    now = app.components.now()
    line = LogLine("l", now, "warning", "x", "mongodb://a:sesame-7@h/", "r", None, None)
    alert = AlertData("clock:a", "clock", "a", AlertState.FIRING, 1, now, now, text="password=sesame-8")
    app.state_backend.write([Save(line), Save(alert)])
    _ = _post(
        monitor_app(app, ConfigMonitor(monitor_token=OPERATOR)), "jobs", kind="again", q="status:failed"
    )
    (group,) = failure_groups(app.components, 0.0, 10)
    return {
        "invocations": calls[1].invocation_id,
        "failures": group.group_id,
        "triggers": app.trigger.find_definitions()[0].trigger_id,
        "jobs": jobs(app.components)[0].job_id,
        "tasks": fails.task_id.key,
        "runners": app.state_backend.find_runners(1e12, 1)[0].runner_id,
    }


def test_every_endpoint_answers_as_it_is_described_and_nothing_is_told_that_is_masked(
    application: Any,
) -> None:
    ids = _populated()
    described = _get(application, "openapi.json").json()["paths"]
    assert set(described) == {"/stream"} | {f"/{each.path}" for each in ENDPOINTS} | {
        "/" + act.path.replace(":path", "") for act in ACTS
    }
    for endpoint in ENDPOINTS:
        kind = endpoint.path.partition("/")[0]
        answer = _get(application, endpoint.path.replace("{id}", ids.get(kind, "")), VIEWER)
        assert answer.status_code == 200, (endpoint.path, answer.text)
        operation = described[f"/{endpoint.path}"]["get"]
        schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
        assert set(answer.json()) == set(schema["properties"]) == set(schema["required"]), endpoint.path
        assert "sesame" not in answer.text, endpoint.path
        parameters = {each["name"] for each in operation["parameters"]}
        assert parameters == {*endpoint.parameters, *(["id"] if "{id}" in endpoint.path else [])}
    assert _get(application, "failures").json()["items"][0]["group_id"] == ids["failures"]
    assert _get(application, f"invocations/{ids['invocations']}").json()["state"]["status"] == "failed"
    assert "ValueError" in _get(application, f"invocations/{ids['invocations']}/why").json()["verdict"]


def test_lists_are_paged(application: Any) -> None:
    for number in range(60):
        work(number)
    first = _get(application, "invocations", q="status:registered").json()
    second = _get(application, "invocations", q="status:registered", cursor=first["cursor"]).json()
    assert (len(first["items"]), len(second["items"]), second["is_complete"]) == (50, 10, True)


@pytest.mark.parametrize(
    ("path", "parameters", "code", "told"),
    [
        ("invocations", {"q": "status:x"}, 400, "cannot be understood"),
        ("invocations", {"cursor": "x"}, 400, "cursor"),
        ("invocations", {"colour": "red"}, 400, "'colour' is not a parameter"),
        ("invocations/nothing", {}, 404, "nothing is stored"),
        ("invocations/nothing/why", {}, 404, "nothing is stored"),
        ("invocations/nothing/family", {}, 404, "nothing is stored"),
        ("invocations/nothing/history", {}, 404, "nothing is stored"),
        ("tasks/nothing", {}, 404, "nothing is stored"),
        ("nothing", {}, 404, "nothing"),
        ("failures/nothing", {}, 404, "nothing is stored"),
        ("triggers/nothing", {}, 404, "nothing is stored"),
        ("jobs/nothing", {}, 404, "nothing is stored"),
    ],
)
def test_problems_are_told_as_such(
    application: Any, path: str, parameters: dict[str, str], code: int, told: str
) -> None:
    answer = _get(application, path, **parameters)
    assert (answer.status_code, answer.headers["content-type"]) == (code, "application/problem+json")
    assert told in answer.json()["detail"]
    assert answer.json()["status"] == code


def test_strangers_see_nothing(application: Any) -> None:
    client = Client(application)
    for path in ["openapi.json", "stream", *(each.path for each in ENDPOINTS)]:
        answer = client.get(f"/api/v1/{path}")
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer"), path


def test_programs_act(application: Any) -> None:
    waiting = work().invocation_id
    answer = _post(application, f"invocations/{waiting}/cancel", reason="why not")
    assert answer.status_code == 200
    assert answer.json()["result"] == "it is cancelled"
    assert entries(app.components, 1)[0].audit_id == answer.json()["audit_id"]
    assert _post(application, f"invocations/{waiting}/again").json()["result"].startswith("it runs again as")
    assert _post(application, "events", code="paid", payload={"n": 1}).status_code == 200
    assert json.loads(app.trigger.find_events("paid")[0].payload) == {"n": 1}
    assert _post(application, "alerts/clock%3Aa%2Fb/silence", hours=2).status_code == 200


def test_a_job_is_looked_at_before(application: Any) -> None:
    work()
    seen = _post(application, "jobs", kind="cancel", q="status:registered", dry_run=True)
    assert seen.json()["count"] == 1
    assert jobs(app.components) == []
    for wish in ("True", "yes", 1, 1.0, 0, "", None):
        answer = _post(application, "jobs", kind="cancel", q="status:registered", dry_run=wish)
        assert answer.status_code == 400, wish
    assert _post(application, "jobs", kind="explode", q="status:failed", dry_run=True).status_code == 409
    for at in ("nan", 1e300, -5, 1795869572000):
        assert _post(application, "jobs", kind="cancel", q="status:registered", at=at).status_code == 409
    assert jobs(app.components) == []
    assert _post(application, "jobs", kind="cancel", q="", dry_run=True).status_code == 400
    assert _post(application, "jobs", kind="cancel", q="arg:x", dry_run=True).status_code == 400
    assert _post(application, "jobs", kind="cancel", q="status:registered").status_code == 200
    (job,) = jobs(app.components)
    client, token = Client(application), {"authorization": f"Bearer {OPERATOR}"}
    told = set()
    for _ in range(3):
        answer = client.post(
            "/api/v1/jobs",
            json={"kind": "purge", "q": "status:failed"},
            headers={**token, "idempotency-key": "mine"},
        )
        told.add(answer.json()["audit_id"])
    assert (len(told), len(jobs(app.components))) == (1, 2)
    assert _post(application, "jobs", kind="again", q="status:failed", key="mine").status_code == 409
    assert _get(application, f"jobs/{job.job_id}").json()["state"] == "waiting"
    assert _post(application, f"jobs/{job.job_id}/stop").status_code == 200
    assert _post(application, f"jobs/{job.job_id}/stop").status_code == 409
    assert _post(application, "jobs/nothing/stop").status_code == 404
    answer = _post(application, "queues")
    assert (answer.status_code, answer.headers["content-type"]) == (405, "application/problem+json")
    assert _post(application, f"jobs/{job.job_id}/stop", reason={"a": 1}).status_code == 400


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.path)
def test_viewers_and_other_sites_do_not_act(application: Any, act: Any) -> None:
    path = act.path.replace("{id:path}", "x").replace("{id}", "x")
    assert _post(application, path, VIEWER).status_code == 403
    client = Client(application)
    assert client.post(f"/api/v1/{path}", json={}).status_code == 401
    client.post("/login", data={"token": OPERATOR})
    assert client.post(f"/api/v1/{path}", json={}).status_code == 403
    assert client.post(f"/api/v1/{path}", json={"form": "0" * 64}).status_code == 403
    assert jobs(app.components) == []


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b"null", b'{"code": ["x"]}', b"\xff", b"[" * 60_000])
def test_bodies_that_are_no_objects_are_refused(application: Any, body: bytes) -> None:
    answer = Client(application).post(
        "/api/v1/events", content=body, headers={"authorization": f"Bearer {OPERATOR}"}
    )
    assert answer.status_code == 400
    assert _post(application, "events", code="c", colour="red").status_code == 400
    assert _post(application, "events", code="c", payload="x" * 70_000).status_code == 413


def test_a_store_that_is_away_is_a_problem(application: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> Any:
        raise StorageUnavailableError("away")

    monkeypatch.setattr(app.broker, "queues", away)
    assert _get(application, "queues").status_code == 503


def test_progress_is_told(application: Any) -> None:
    with working(app):
        call = work("x")
        call.wait(30)
    found = _get(application, f"invocations/{call.invocation_id}").json()["progress"]
    assert (found["done"], found["total"], found["fraction"]) == (1, 4, 0.25)
    assert "host" in found["message"]


def test_a_foreign_form_is_refused_and_in_the_trail(application: Any) -> None:
    waiting, client = work().invocation_id, Client(application)
    client.post("/login", data={"token": OPERATOR})
    answer = client.post(f"/api/v1/invocations/{waiting}/cancel", json={"form": "made up"})
    assert (answer.status_code, answer.json()["title"]) == (403, "Not ours")
    (entry, *_) = entries(app.components, 5)
    assert (entry.action, entry.target, entry.result) == ("cancel", waiting, "a foreign form")


@pytest.mark.parametrize(
    ("given", "code", "told"),
    [
        ({}, 404, "there is no ''"),
        ({"of": "nothing"}, 404, "there is no 'nothing'"),
        ({"of": "../../queues"}, 404, "there is no"),
        ({"of": "invocations/nothing"}, 404, "nothing is stored"),
        ({"of": "queues", "colour": "red"}, 400, "'colour' is not a parameter"),
        ({"of": "invocations", "q": "status:x"}, 400, "cannot be understood"),
    ],
)
def test_what_cannot_be_followed_is_told_at_once(
    application: Any, given: dict[str, str], code: int, told: str
) -> None:
    answer = _get(application, "stream", **given)
    assert (answer.status_code, answer.headers["content-type"]) == (code, "application/problem+json")
    assert told in answer.json()["detail"]
