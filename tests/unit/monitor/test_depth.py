"""The pages that show how work flows: families, stretches of time, events, schedules, the installation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from asgi_client import Client, run_to_end

from pynenc import Pynenc
from pynenc.conf.config_monitor import ConfigMonitor
from pynenc.exceptions import StorageUnavailableError
from pynenc.invocation.data import InvocationData
from pynenc.lifecycle.claiming import claim
from pynenc.lifecycle.execution import finish_and_start
from pynenc.monitor.application import monitor_app
from pynenc.monitor.event_views import schedule
from pynenc.monitor.flow_views import family, live
from pynenc.monitor.masking import Masking
from pynenc.state_backend.base_state_backend import RunnerData
from pynenc.storage.record_store import Save
from pynenc.testing import in_memory, working
from pynenc.trigger import TriggerBuilder
from pynenc.trigger.definition import StoredTrigger
from pynenc.trigger.stored_records import StoredDefinition

app = Pynenc({"app_id": "deep"})


@app.task
def leaf(number: int) -> int:
    if number == 13:
        raise ValueError("unlucky")
    return number


@app.task
def branch(count: int) -> int:
    calls = leaf.parallelize([(number,) for number in range(count)])
    return sum(1 for each in calls.invocations)


@app.workflow
def flow(count: int) -> int:
    return int(flow.wf.execute_task(branch, count).result)


@app.workflow
def waits() -> Any:
    return waits.wf.wait_event("paid", {"order": 7})


@app.task(triggers=TriggerBuilder().on_event("paid"))
def charges() -> None:
    """Do nothing."""


@app.task(triggers=TriggerBuilder().on_cron("30 2 * * *", timezone="Europe/Berlin"))
def nightly() -> None:
    """Do nothing."""


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    with in_memory(app):
        yield


@pytest.fixture
def client() -> Client:
    return Client(monitor_app(app, ConfigMonitor(), auth="open"))


def _masking() -> Masking:
    return Masking(app.conf, ())


def _data(number: int, parent: str | None, root: str) -> InvocationData:
    key = f"{number:032x}"
    return InvocationData(
        key, "t", "{}", float(number), root, "t", None, parent, "s", family=None if key == root else root
    )


# --- family ---------------------------------------------------------------------------


def test_a_family_is_a_tree_in_which_failed_ones_are_always_shown(client: Client) -> None:
    with working(app):
        root = run_to_end(flow(40))
    found = family(app.components, _masking(), root)
    assert found is not None
    rows = found["rows"]
    assert [(row["task"], row["depth"]) for row in rows[:3]] == [
        ("test_depth.flow", 0),
        ("test_depth.branch", 1),
        ("test_depth.leaf", 2),
    ]
    assert found["count"] == 42
    leaves = [row for row in rows if row["task"] == "test_depth.leaf"]
    (rest,) = [row for row in rows if row["rest"]]
    assert rest["rest"] + len(leaves) == 40
    assert len(leaves) <= 12
    page = client.get(f"/invocations/{leaves[-1]['id']}/family")
    assert page.status_code == 200
    assert 'class="selected"' in page.text
    assert "more</a>" in page.text


def test_a_family_without_end_is_bounded_and_shows_the_way_to_the_chosen_one() -> None:
    root, middle = f"{1:032x}", f"{2:032x}"
    records = [_data(1, None, root), _data(2, root, root)]
    records += [_data(number, middle if number > 5000 else root, root) for number in range(3, 6000)]
    app.state_backend.write_many([Save(each) for each in records])
    found = family(app.components, _masking(), f"{5500:032x}")
    assert found is not None
    assert found["has_more"]
    assert len(found["rows"]) < 60
    chosen = [row["id"] for row in found["rows"] if row.get("is_chosen")]
    assert chosen == [f"{5500:032x}"]


def test_a_circle_is_cut() -> None:
    one, two = f"{1:032x}", f"{2:032x}"
    root = f"{9:032x}"
    app.state_backend.write([Save(_data(1, two, root)), Save(_data(2, one, root))])
    found = family(app.components, _masking(), one)
    assert found is not None
    assert len(found["rows"]) <= 2


# --- live, events, schedule -----------------------------------------------------------


def test_live_shows_what_changed_last(client: Client) -> None:
    assert "Nothing has happened yet" in client.get("/live").text
    with working(app):
        ids = [run_to_end(leaf(number)) for number in (1, 13)]
    found = live(app.components, _masking(), "")
    assert [row["id"] for row in found["rows"]] == ids[::-1]
    assert found["rows"][0]["error"] == "ValueError"
    assert live(app.components, _masking(), "other")["rows"] == []
    for number in range(80):
        leaf(number)
    branch.options(delay=1)(1)
    found = live(app.components, _masking(), "test_depth.branch")
    assert [row["task"] for row in found["rows"]] == ["test_depth.branch"]


def test_events_tell_what_they_started_and_who_waits(client: Client) -> None:
    app.register_deferred_triggers()
    with working(app):
        call = waits()
        while not app.trigger.find_waits("paid"):
            app.orchestrator.subscribe(["nobody"]).wait(0.02)
        page = client.get("/events").text
        assert call.invocation_id in page
        app.trigger.emit_event("paid", {"order": 7})
        app.trigger.emit_event("<b>other</b>", {})
        call.wait(30)
        while not app.trigger.find_runs():
            app.orchestrator.subscribe(["nobody"]).wait(0.02)
    (run,) = app.trigger.find_runs()
    page = client.get("/events").text
    assert run.invocation_id in page
    assert "<b>other" not in page
    assert client.get("/events", params={"code": "paid"}).text.count('data-name="Payload"') == 1
    assert client.get("/events", params={"code": "nothing"}).text.count('data-name="Payload"') == 0


@pytest.mark.parametrize(
    ("begin", "wanted"),
    [
        (datetime(2026, 3, 28, 12, tzinfo=UTC), ["2026-03-29T01:30", "2026-03-30T00:30"]),
        (datetime(2026, 10, 24, 12, tzinfo=UTC), ["2026-10-25T00:30", "2026-10-26T01:30"]),
    ],
)
def test_a_schedule_knows_both_changes_of_the_clock(
    begin: datetime, wanted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import dataclasses

    app.register_deferred_triggers()
    components = dataclasses.replace(app.components, now=begin.timestamp)
    ticks = schedule(components, _masking())["ticks"]
    times = [datetime.fromtimestamp(row["at"], UTC).isoformat()[:16] for row in ticks]
    assert times[:2] == wanted


def _stored(trigger_id: str, conditions: str) -> None:
    stored = StoredTrigger(trigger_id, "t", "and", conditions, "null")
    app.trigger.write([Save(StoredDefinition(**msgspec.structs.asdict(stored), saved_at=1.0))])


def test_a_schedule_of_other_or_hostile_code_leaves_the_others(client: Client) -> None:
    app.register_deferred_triggers()
    for number, conditions in enumerate(
        [
            "{",
            "[1]",
            "[" * 5000,
            '[{"kind": "cron"}]',
            '[{"kind": "cron", "expression": "nonsense <b>"}]',
            '[{"kind": "cron", "expression": "* * * * *", "timezone": "../../etc/passwd"}]',
            '[{"kind": "cron", "expression": ["x"]}]',
            '[{"kind": "interval", "seconds": 0}]',
            '[{"kind": "interval", "seconds": 1e308}]',
            '[{"kind": "interval", "seconds": "x"}]',
        ]
    ):
        _stored(f"bad{number}", conditions)
    found = schedule(app.components, _masking())
    assert {row["task"] for row in found["ticks"]} == {"test_depth.nightly"}
    assert len(found["broken"]) == 7
    for path in ("/schedule", "/triggers", "/triggers/bad2", "/triggers/bad4"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert "nonsense <b>" not in answer.text


def _parks_one() -> None:
    """Run a workflow until it waits for its event."""
    with working(app):
        waits()
        while not app.trigger.find_waits("paid"):
            app.orchestrator.subscribe(["nobody"]).wait(0.02)


def test_what_is_due_later_is_on_the_schedule(client: Client) -> None:
    leaf.options(delay=5000)(1)
    _parks_one()
    page = client.get("/schedule").text
    assert ">in " in page
    assert "when it is woken" in page


# --- system and logs ------------------------------------------------------------------


def test_the_system_shows_settings_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYNENC__ALERT_WEBHOOK_SECRET", "sesame-1")
    monkeypatch.setenv("PYNENC__ALERT_WEBHOOKS", "https://example.org/sesame-2")
    other = Pynenc({"app_id": "secretive"})
    page = Client(monitor_app(other, ConfigMonitor(), auth="open")).get("/system").text
    assert "sesame" not in page
    assert "alert_webhooks" in page
    assert "MemOrchestrator" in page


def test_one_part_of_the_system_that_is_away_leaves_the_others(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> Any:
        raise StorageUnavailableError("mongodb://user:sesame@host is away")

    monkeypatch.setattr(app.broker, "ping", away)
    page = client.get("/system")
    assert page.status_code == 200
    assert "is away" in page.text
    assert "sesame" not in page.text


def test_a_text_that_is_pasted_is_read_and_not_kept(client: Client) -> None:
    with working(app):
        known = run_to_end(leaf(1))
    text = f"<script>alert(1)</script>\x1b[31m {known} and {'0' * 32} password=sesame\n" * 2
    answer = client.post("/logs", data={"text": text})
    assert answer.status_code == 200
    assert answer.text.count(f'href="/invocations/{known}"') == 2
    assert "1 ids of invocations that are stored, 1 that are not" in answer.text
    for bad in ("<script>alert", "\x1b", "sesame"):
        assert bad not in answer.text
    assert known not in client.get("/logs").text
    many = " ".join(f"{number:032x}" for number in range(700))
    assert "200 more were not looked up" in client.post("/logs", data={"text": many}).text
    assert client.post("/logs", data={"text": "x" * 800_000}).status_code == 413
    other = {"sec-fetch-site": "cross-site"}
    assert client.post("/logs", data={"text": "x"}, headers=other).status_code == 403


# --- details --------------------------------------------------------------------------


@app.workflow
def many(count: int) -> int:
    for number in range(count):
        many.wf.step(f"step {number}", lambda: 1)
    return count


def test_steps_are_shown_a_page_at_a_time(client: Client) -> None:
    with working(app):
        found = run_to_end(many(450))
    seen, path = list[str](), f"/invocations/{found}"
    for _ in range(3):
        page = client.get(path).text
        seen += re.findall(r'data-name="Name">(step \d+)<', page)
        following = re.search(r'href="([^"]+)">the next 200', page)
        path = following[1].replace("&amp;", "&") if following else ""
    assert (path, seen) == ("", [f"step {number}" for number in range(450)])
    for odd in ("x", "nan:", "1e999:x", ":", "5:%00"):
        assert client.get(f"/invocations/{found}?steps={odd}").status_code == 200


def test_a_task_has_a_page(client: Client) -> None:
    app.register_deferred_triggers()
    with working(app):
        run_to_end(leaf(1))
        run_to_end(leaf(13))
    page = client.get(f"/tasks/{leaf.task_id.key}").text
    assert page.count('<td data-name="Id">') == 2
    assert "ValueError" in page
    assert "unlucky" in page
    assert "Started by" in client.get(f"/tasks/{nightly.task_id.key}").text
    assert "No invocation of it is stored" in client.get("/tasks/unknown").text


def test_a_runner_has_a_page(client: Client) -> None:
    app.state_backend.save_runners(
        [RunnerData("r", "ThreadRunner", 1, "<b>host", None, app.components.now())]
    )
    call = leaf(1)
    (mine,) = claim(app.components, "r", ["default"], 1, 0.0)
    finish_and_start(app.components, "r", [], [mine])
    app.orchestrator.heartbeat(["r"], app.components.now())
    page = client.get("/runners/r").text
    assert "It is alive" in page
    assert "<b>host" not in page
    assert call.invocation_id in page
    assert client.get("/runners/nobody").status_code == 404


def test_parked_ones_say_what_they_wait_for_and_the_list_has_statuses_to_choose(client: Client) -> None:
    _parks_one()
    page = client.get("/invocations").text
    assert "waits for event &#39;paid&#39;" in page
    assert '<ul class="counts">' in page
    assert '<ul class="counts">' not in client.get("/invocations?q=status:retry").text
