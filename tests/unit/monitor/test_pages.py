"""Every page of the monitor, over real records, hostile ones included; nothing that is stored is ever run."""

from __future__ import annotations

import asyncio
import html
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from asgi_client import Client
from starlette.applications import Starlette
from starlette.routing import Mount

from pynenc import Pynenc
from pynenc.conf.config_monitor import ConfigMonitor
from pynenc.exceptions import StorageUnavailableError
from pynenc.lifecycle.claiming import claim
from pynenc.lifecycle.count_keeping import flush_counts
from pynenc.lifecycle.failures import failure_groups
from pynenc.lifecycle.rollups import roll_up
from pynenc.monitor import looks
from pynenc.monitor.application import Monitor, monitor_app
from pynenc.monitor.live import PageKey
from pynenc.monitor.places import PAGES
from pynenc.state_backend.alert_records import AlertData, AlertState
from pynenc.state_backend.log_records import LogLine
from pynenc.storage.record_store import Save
from pynenc.testing import in_memory, working
from pynenc.trigger import TriggerBuilder

app = Pynenc({"app_id": "monitored"})
HOSTILE = "<script>alert('x')</script>\x1b[31m\u202e\ud800"


@app.task
def work(value: object = None, password: str = "sesame-1") -> object:
    work.invocation.progress(1, 4, f"{HOSTILE} at https://user:sesame-8@host/")
    return {"value": value, "token": "sesame-2", "deep": [{"api_key": "sesame-3"}]}


@app.task
def fails(text: str) -> None:
    raise ValueError(text)


@app.workflow
def flow() -> int:
    total = flow.wf.step("first <b>", lambda: 1)
    return total + int(work(1).result["value"])


@app.task(
    triggers=TriggerBuilder()
    .on_cron("*/5 * * * *")
    .on_event("paid <b>", {"password": "sesame-8", "x": {"$gt": 3}})
    .on_status("monitored.other", "success")
)
def starts_by_itself() -> None:
    """Do nothing."""


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    with in_memory(app):
        yield


@pytest.fixture
def client() -> Client:
    return Client(monitor_app(app, ConfigMonitor(), auth="open"))


def _populated() -> dict[str, str]:
    with working(app):
        calls = {
            "work": work(HOSTILE),
            "fails": fails(f"{HOSTILE} at https://user:sesame-4@host/, Bearer sesame-55555555"),
            "flow": flow.options(headers={"authorization": "sesame-6"}, tags={"customer": "42"})(),
        }
        for call in calls.values():
            with suppress(ValueError):
                call.wait(30)
    work.options(queue="<i>mail</i>")()
    work.options(delay=1000)()
    roll_up(app.components, [])
    now = app.components.now()
    line = LogLine("l", now, "warning", "x", f"{HOSTILE} mongodb://a:sesame-7@h/", "r", None, None)
    alert = AlertData("clock:<b>", "clock", "<b>", AlertState.FIRING, 1, now, now, text=HOSTILE)
    app.state_backend.write([Save(line), Save(alert)])
    return {name: call.invocation_id for name, call in calls.items()}


def _all_pages(ids: dict[str, str]) -> list[str]:
    return [
        *(f"/{path}" for path, _ in PAGES),
        *(f"/invocations/{each}" for each in ids.values()),
        *(f"/invocations/{each}/family" for each in ids.values()),
        *(f"/failures/{each.group_id}" for each in failure_groups(app.components, 0.0, 10)),
        *(f"/triggers/{each.trigger_id}" for each in app.trigger.find_definitions()),
        *(f"/jobs/new?kind={kind}&q=status:failed" for kind in ("cancel", "again", "purge")),
        *(f"/tasks/{task.task_id.key}" for task in (work, fails, flow)),
        *(f"/runners/{each.runner_id}" for each in app.state_backend.find_runners(1e12, 10)),
        "/tasks/<b>unknown",
        "/failures?hours=336&all=1",
        "/timeline?minutes=60",
        "/?hours=24",
        "/invocations?q=status:failed",
        "/workflows?q=is:workflow",
    ]


def test_an_app_with_nothing_in_it_has_all_pages(client: Client) -> None:
    for path, title in PAGES:
        answer = client.get(f"/{path}")
        assert answer.status_code == 200
        assert f"<h1>{title}</h1>" in answer.text
    assert "Nothing has been submitted yet" in client.get("/").text


def test_every_page_shows_and_hides_what_it_should(client: Client) -> None:
    ids = _populated()
    for path in _all_pages(ids):
        answer = client.get(path)
        assert answer.status_code == 200, path
        for bad in ("<script>alert", "<b>", "<i>mail", "\x1b", "\u202e", "sesame"):
            assert bad not in re.sub(r"<b>[0-9\u202f]+\+?</b>", "", answer.text), (path, bad)
    detail = client.get(f"/invocations/{ids['fails']}").text
    assert "ValueError" in detail
    assert "Traceback" in detail
    assert "It failed with ValueError" in detail
    assert "customer=42" in client.get(f"/invocations/{ids['flow']}").text
    assert "first &lt;b&gt;" in client.get(f"/invocations/{ids['flow']}").text
    assert "••••" in client.get(f"/invocations/{ids['work']}").text


def test_no_page_takes_a_name_of_the_frame_for_its_own(client: Client) -> None:
    ids = _populated()
    for path in _all_pages(ids):
        page = client.get(path).text
        place = re.search(r'data-place="([^"]*)" data-query="([^"]*)"', page)
        assert place is not None
        wanted = path.lstrip("/").partition("?")
        assert (html.unescape(place[1]), place[2].replace("&amp;", "&")) == (wanted[0], wanted[2]), path


def test_tasks_tell_how_they_did(client: Client) -> None:
    with working(app):
        for call in [*(work(number) for number in range(4)), *(fails("x") for _ in range(2))]:
            with suppress(ValueError):
                call.wait(30)
    flush_counts(app.components)
    roll_up(app.components, [])
    rows = client.get("/tasks").text.split("<tr>")
    (good,) = [row for row in rows if "test_pages.work" in row]
    (bad,) = [row for row in rows if "test_pages.fails" in row]
    assert ('data-name="Started" class="right">4<' in good, "2 (100.0%)" in bad) == (True, True)


def test_progress_is_shown(client: Client) -> None:
    page = client.get(f"/invocations/{_populated()['work']}").text
    assert '<progress max="1" value="0.25" aria-label="Progress">1 of 4 (25 %)<' in page


def test_triggers_are_shown_as_they_are_stored(client: Client) -> None:
    app.register_deferred_triggers()
    app.trigger.emit_event("paid <b>", {"password": "sesame-8", "x": 4})
    page = client.get("/triggers").text
    assert "cron */5 * * * * (timezone &#34;UTC&#34;)" in page
    assert "event paid &lt;b&gt;" in page
    assert "sesame" not in page
    assert "never" in page
    (stored,) = app.trigger.find_definitions()
    assert stored.trigger_id[-8:] in page


def test_the_list_is_searched_and_paged(client: Client) -> None:
    for number in range(60):
        work(number)
    first = client.get("/invocations", params={"q": "status:registered"})
    assert first.text.count('<td data-name="Id">') == 50
    following = re.search(r'rel="next" href="([^"]+)"', first.text)
    assert following is not None
    second = client.get(following[1].replace("&amp;", "&"))
    assert second.text.count('<td data-name="Id">') == 10
    assert 'rel="next"' not in second.text
    assert "Nothing matches" in client.get("/invocations", params={"q": "status:failed"}).text


@pytest.mark.parametrize("line", ["status:odd", "nonsense:1", '"', "since:never"])
def test_a_search_that_cannot_be_understood_says_why(client: Client, line: str) -> None:
    answer = client.get("/invocations", params={"q": line})
    assert answer.status_code in (200, 400)
    if answer.status_code == 400:
        assert "This search cannot be understood" in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/?hours=nan",
        "/?hours=-5",
        "/?hours=1e99",
        "/?hours=" + "9" * 400,
        "/invocations?cursor=nonsense",
        "/invocations?q=%00%ff%F0",
        "/invocations/%00",
        "/invocations/" + "x" * 3000,
        "/invocations/..%2f..%2fetc",
        "/invocations?q=" + "status:failed%20" * 200,
        "/static/../application.py",
        "/nothing",
        "/failures?hours=x&all",
        "/failures/%00",
        "/triggers/" + "x" * 3000,
        "/jobs/new",
        "/jobs/new?kind=fire&q=x",
        "/timeline?minutes=nan&since=inf&seconds=-1",
        "/timeline?since=1e300",
        "/timeline?since=-1&task=%ff",
        "/live?task=%00",
        "/events?code=%F0%9F",
        "/actions?target=%00%ff",
        "/?done=" + "x" * 3000,
        "/invocations/x/family",
        "/stream?page=nothing",
    ],
)
def test_odd_requests_are_answered(client: Client, path: str) -> None:
    assert client.get(path).status_code < 500


def test_an_unknown_id_explains_retention(client: Client) -> None:
    answer = client.get("/invocations/0123")
    assert answer.status_code == 404
    assert "Ended invocations are kept for" in answer.text


def test_a_store_that_is_away_is_told(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any, **__: Any) -> Any:
        raise StorageUnavailableError("the store at somewhere is away")

    for component in (app.orchestrator, app.state_backend, app.broker, app.trigger):
        for name in (
            "find_states",
            "find",
            "read",
            "depth",
            "live_runners",
            "count_many_states",
            "queues",
            "look_up",
            "look_up_lives",
            "ping",
            "hazards",
        ):
            if hasattr(component, name):
                monkeypatch.setattr(component, name, away)
    system = client.get("/system")
    assert (system.status_code, system.text.count("the store at somewhere is away") >= 4) == (200, True)
    for path in {path for path, _ in PAGES} - {"system", "help"}:
        answer = client.get(f"/{path}")
        assert answer.status_code == 503, path
        assert "The store does not answer" in answer.text
    assert client.get("/metrics").status_code == 503
    assert client.get("/healthz").text == "ok\n"


def test_what_goes_wrong_is_in_the_log_and_not_on_the_page(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("sesame")

    monkeypatch.setattr(app.broker, "depth", broken)
    answer = client.get("/queues")
    assert answer.status_code == 500
    assert "sesame" not in answer.text
    (mark,) = re.findall(r"at ([0-9a-f]{8})\.", answer.text)
    assert mark in caplog.text
    assert "sesame" in caplog.text


def test_a_search_tells_nothing_of_what_is_masked(client: Client) -> None:
    work("open")
    assert '<td data-name="Id">' in client.get("/invocations", params={"q": "arg:open"}).text
    assert '<td data-name="Id">' not in client.get("/invocations", params={"q": "arg:sesame"}).text
    assert client.get("/invocations", params={"q": "-arg:sesame"}).status_code == 400


def test_the_overview_does_not_call_failures_well(client: Client) -> None:
    with working(app):
        for call in [fails("x") for _ in range(5)]:
            with suppress(ValueError):
                call.wait(30)
        flush_counts(app.components)
        roll_up(app.components, [])
        assert "Much fails." in client.get("/").text


def test_what_lost_runners_hold_is_told(client: Client) -> None:
    work()
    claim(app.components, "gone", ["default"], 1, 0.0)
    assert "1 invocation has begun, and no runner is alive" in client.get("/").text


def test_looks_that_hang_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    release, entered = threading.Event(), threading.Semaphore(0)

    def hangs(*_: Any) -> Any:
        entered.release()
        release.wait(30)

    monkeypatch.setattr(looks, "DEADLINE_S", 0.05)
    monkeypatch.setattr(looks, "_MOST_PENDING", 20)
    monkeypatch.setattr(app.broker, "depth", hangs)
    monitor = Monitor(app, ConfigMonitor(), "open")
    before = threading.active_count()

    async def look() -> list[tuple[int, str]]:
        return await asyncio.gather(*(monitor._content(PageKey("", "queues", "", True)) for _ in range(50)))

    async def run() -> list[tuple[int, str]]:
        try:
            return await look()
        finally:
            release.set()

    found = asyncio.run(run())
    assert {code for code, _ in found} == {503}
    assert sum("too many pages wait" in text for _, text in found) == 30
    assert threading.active_count() - before <= 8


def test_it_looks_and_never_runs(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = _populated()

    def forbidden(*_: Any, **__: Any) -> Any:
        raise AssertionError("code of the user's would run")

    monkeypatch.setattr(type(app.serializer), "deserialize", forbidden)
    for name in ("unpack_arguments", "unpack_results"):
        monkeypatch.setattr(type(app.components.values), name, forbidden)
    for name in ("find_task", "get_invocation", "find_invocations"):
        monkeypatch.setattr(type(app), name, forbidden)
    for path in _all_pages(ids):
        assert client.get(path).status_code == 200


def test_pages_are_bounded_in_round_trips(client: Client) -> None:
    ids = _populated()
    counted: list[str] = []
    storage = app.orchestrator.storage  # type: ignore[attr-defined]
    for name in ("execute", "find", "queue_depth", "count_many", "queue_names", "find_items"):
        original: Callable[..., Any] = getattr(storage, name)
        setattr(
            storage, name, lambda *given, _do=original, _name=name: (counted.append(_name), _do(*given))[1]
        )
    for path in _all_pages(ids):
        counted.clear()
        client.get(path)
        assert len(counted) <= 22, (path, counted)


def test_figures_for_prometheus(client: Client) -> None:
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "pynenc_info{" in answer.text


def test_it_can_be_mounted_under_a_path() -> None:
    ids = _populated()
    outer = Starlette(routes=[Mount("/ops/pynenc", monitor_app(app, ConfigMonitor(), auth="host"))])
    client = Client(outer, base_url="http://any.example")
    page = client.get("/ops/pynenc/invocations")
    assert page.status_code == 200
    for address in re.findall(r'(?:href|action|src)="(/[^"]*)"', page.text):
        assert address.startswith("/ops/pynenc/"), address
        if "logout" not in address and "preferences" not in address:
            assert client.get(address.replace("&amp;", "&")).status_code == 200, address
    assert client.get(f"/ops/pynenc/invocations/{ids['work']}").status_code == 200


def test_a_million_looks_the_same_as_few(client: Client) -> None:
    """Each list is cut: no page is longer than its rows."""
    for number in range(120):
        work.options(queue=f"q{number}")(number)
    assert len(client.get("/invocations").text) < 100_000
    assert client.get("/").text.count("<tr") < 80


def test_templates_escape_everything() -> None:
    folder = Path(__file__).parents[3] / "pynenc/monitor/templates"
    for template in folder.glob("*.html"):
        text = template.read_text(encoding="utf-8")
        assert not re.search(r"\|\s*safe|autoescape|style=|\son[a-z]+=|<script>", text), template.name
