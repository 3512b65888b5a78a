"""From the first page to the cause in three clicks at most."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import unquote

import pytest
from asgi_client import Client

from pynenc import Pynenc
from pynenc.conf.config_monitor import ConfigMonitor
from pynenc.context import RunnerContext
from pynenc.lifecycle.claiming import claim
from pynenc.lifecycle.execution import finish_and_start
from pynenc.lifecycle.failures import flush_failures
from pynenc.lifecycle.runner_registry import Service
from pynenc.monitor.application import monitor_app
from pynenc.testing import in_memory, working
from pynenc.testing.inline_runner import InlineRunner

app = Pynenc({"app_id": "incidents"})


@app.task
def work(number: int = 0) -> int:
    return number


@app.task
def poison() -> None:
    raise ValueError("it is poisoned")


@app.task(running_concurrency="task", reroute_on_concurrency_control=True)
def one_at_a_time() -> None:
    """Do nothing."""


@app.workflow
def waits() -> object:
    return waits.wf.wait_event("paid")


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    with in_memory(app):
        yield


class Walk:
    """An operator with a browser, who counts the clicks."""

    def __init__(self) -> None:
        self._client = Client(monitor_app(app, ConfigMonitor(), auth="open"))
        self.clicks = 0
        self.page = self._client.get("/").text

    def click(self, text: str) -> Walk:
        """Follow the first link of the main part whose text or address has these words."""
        main = self.page[self.page.index("<main") :]
        for address, words in re.findall(r'<a[^>]*href="([^"]+)"[^>]*>(.*?)</a>', main, re.DOTALL):
            if text in re.sub("<[^>]*>", "", words) or text in unquote(address):
                self.clicks += 1
                assert self.clicks <= 3
                self.page = self._client.get(html.unescape(address)).text
                return self
        raise AssertionError(f"there is no link '{text}'")

    def sees(self, text: str) -> None:
        assert text in html.unescape(self.page), re.sub("<[^>]*>", " ", self.page)


def _alive(queues: tuple[str, ...], name: str = "alive") -> str:
    identity = RunnerContext("ThreadRunner", name)
    app.components.runners.ensure_runner_registered(identity, Service(queues))
    app.orchestrator.heartbeat([name], app.components.now())
    return name


def test_nobody_consumes_a_queue() -> None:
    work.options(queue="mail")()
    _alive(("default",))
    walk = Walk()
    walk.sees("Nobody consumes queue mail")
    walk.click("status:registered").click("/invocations/").sees("none consumes queue 'mail'")


def test_a_task_fails_again_and_again() -> None:
    with working(app):
        for _ in range(3):
            with suppress(ValueError):
                poison().wait(30)
    flush_failures(app.components, "r")
    walk = Walk()
    walk.click("/invocations/").sees("ValueError in test_incidents.py")
    walk.sees("it is poisoned")


def test_no_runner_does_the_housekeeping() -> None:
    work()
    _alive(("default",))
    walk = Walk()
    walk.click("status:registered").click("/invocations/").sees("No runner does the housekeeping")


def test_a_slot_is_held_by_a_runner_that_is_gone() -> None:
    first, second = one_at_a_time(), one_at_a_time()
    (mine,) = claim(app.components, "gone", ["default"], 1, 0.0)
    finish_and_start(app.components, "gone", [], [mine])
    InlineRunner(app, _alive(("default",))).run_due()
    walk = Walk()
    walk.click("concurrency_controlled").click(second.invocation_id).sees(first.invocation_id[-8:])
    walk.sees("slot")
    walk.click(first.invocation_id).sees("gone")


def test_it_is_parked_for_an_event_that_never_comes() -> None:
    call = waits()
    InlineRunner(app).run_due()
    walk = Walk()
    walk.click("status:retry").sees("waits for event 'paid'")
    walk.click(call.invocation_id).sees("waits for event 'paid'")
