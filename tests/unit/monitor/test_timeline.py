"""The timeline: each run where it was, by worker and time, and never more of them than fit."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from asgi_client import Client, run_to_end

from pynenc import Pynenc
from pynenc.conf.config_monitor import ConfigMonitor
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle.claiming import claim
from pynenc.lifecycle.count_keeping import flush_counts
from pynenc.lifecycle.execution import finish_and_start
from pynenc.lifecycle.rollups import roll_up
from pynenc.monitor import flow_views
from pynenc.monitor.application import monitor_app
from pynenc.monitor.flow_views import timeline
from pynenc.monitor.masking import Masking
from pynenc.state_backend.base_state_backend import RunnerData
from pynenc.testing import in_memory, working

app = Pynenc({"app_id": "timed"})


@app.task
def leaf(number: int) -> int:
    if number == 13:
        raise ValueError("unlucky")
    return number


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    with in_memory(app):
        yield


@pytest.fixture
def client() -> Client:
    return Client(monitor_app(app, ConfigMonitor(), auth="open"))


def _masking() -> Masking:
    return Masking(app.conf, ())


def test_a_timeline_has_each_run_where_it_was(client: Client) -> None:
    begin = app.components.now()
    with working(app):
        ids = [run_to_end(leaf(number)) for number in (1, 13)]
    end = app.components.now()
    found = timeline(app.components, _masking(), begin - 1, end + 1, "")
    bars = found["content"]["bars"]
    assert {bar[6] for bar in bars} == set(ids)
    for lane, begun, ended, waited, task, status, _ in bars:
        assert 1 <= waited + 1 <= begun + 1 <= ended + 1 <= end - begin + 3
        assert found["content"]["tasks"][task] == "test_timeline.leaf"
        assert found["content"]["lanes"][lane]
        assert status in ("success", "failed")
    assert timeline(app.components, _masking(), begin - 10, begin - 5, "")["bars"] == 0
    assert timeline(app.components, _masking(), begin - 1, end + 1, "other")["bars"] == 0
    page = client.get("/timeline")
    assert json.loads(re.findall(r'id="timeline-data">(.*?)</script>', page.text)[0])["bars"]
    assert page.text.count('<td data-name="Id">') == 2


def test_what_runs_and_what_was_taken_back_is_on_it() -> None:
    begin = app.components.now()
    call = leaf(1)
    app.state_backend.save_runners([RunnerData("r", "ThreadRunner", 1, "</script><b>", None, begin)])
    (mine,) = claim(app.components, "r", ["default"], 1, 0.0)
    finish_and_start(app.components, "r", [], [mine])
    found = timeline(app.components, _masking(), begin - 1, begin + 100, "")
    (bar,) = found["content"]["bars"]
    assert (bar[5], bar[6]) == (InvocationStatus.RUNNING.value, call.invocation_id)
    page = Client(monitor_app(app, ConfigMonitor(), auth="open")).get("/timeline").text
    assert "</script><b>" not in page
    assert "\\u003c/script>" in page


def test_a_timeline_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow_views, "MOST_BARS", 3)
    begin = app.components.now()
    with working(app):
        for number in range(5):
            run_to_end(leaf(number))
    found = timeline(app.components, _masking(), begin - 1, begin + 100, "")
    assert (found["bars"], found["has_more"], found["density"]) == (3, True, [])
    flush_counts(app.components)
    roll_up(app.components, [])
    whole = timeline(app.components, _masking(), begin - 3600, begin + 3600, "")
    assert (whole["bars"], sum(whole["density"]), len(whole["density"])) == (3, 5, 120)
