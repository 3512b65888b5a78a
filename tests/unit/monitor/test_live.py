"""Live pages: sent when they change, rendered once for all who look, and nothing when nobody does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any
from unittest.mock import ANY

import pytest
from asgi_client import Client

from pynenc import Pynenc
from pynenc.actions.audit import Actor
from pynenc.actions.jobs import ask
from pynenc.conf.config_monitor import ConfigMonitor
from pynenc.exceptions import StorageUnavailableError
from pynenc.monitor import live
from pynenc.monitor.application import Monitor, monitor_app
from pynenc.monitor.live import PageKey
from pynenc.monitor.moved import newest
from pynenc.state_backend.action_records import JobKind
from pynenc.testing import in_memory

app = Pynenc({"app_id": "live"})


@app.task
def work() -> None:
    """Do nothing."""


@pytest.fixture(autouse=True)
def memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(live, "LIVE_S", 0.001)
    monkeypatch.setattr(live, "CALM_S", 0.05)
    with in_memory(app):
        yield


@pytest.fixture
def monitor() -> Monitor:
    return Monitor(app, ConfigMonitor(), "open")


async def _next_page(events: AsyncIterator[str]) -> str:
    async with asyncio.timeout(30):
        while True:
            event = await anext(events)
            if event.startswith("event: main"):
                return event


def test_a_page_is_sent_when_it_changes(monitor: Monitor) -> None:
    async def look() -> None:
        events = monitor.streams.events(PageKey("", "queues", "", True))
        assert await anext(events) == "retry: 3000\n\n"
        first = await _next_page(events)
        assert "Nothing waits" in first
        assert all(line.startswith(("event:", "data:")) for line in first.strip().split("\n"))
        assert (await anext(events)).startswith(": alive")
        work.options(queue="mail")()
        assert "mail" in await _next_page(events)

    asyncio.run(look())


def test_what_only_gets_older_is_not_sent_each_time(monitor: Monitor) -> None:
    work()

    async def look() -> None:
        events = monitor.streams.events(PageKey("", "invocations", "", True))
        await anext(events)
        await _next_page(events)
        assert [(await anext(events))[:7] for _ in range(3)] == [": alive"] * 3

    asyncio.run(look())


def test_a_store_that_is_away_is_told_and_comes_back(
    monitor: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> Any:
        raise StorageUnavailableError("away")

    async def look() -> None:
        events = monitor.streams.events(PageKey("", "queues", "", True))
        await anext(events)
        await _next_page(events)
        with monkeypatch.context() as patched:
            patched.setattr(app.broker, "depth", away)
            assert "The store does not answer" in await _next_page(events)
        assert "Nothing waits" in await _next_page(events)

    asyncio.run(look())


def _looks_at(monitor: Monitor, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list to which each page is added that is rendered from now on."""
    looks: list[str] = []
    original = monitor._look

    def counted(key: PageKey, given: dict[str, str]) -> Any:
        looks.append(key.place)
        return original(key, given)

    monkeypatch.setattr(monitor, "_look", counted)
    return looks


def test_many_who_look_at_one_page_cost_one(monitor: Monitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "LIVE_S", 5.0)
    looks = _looks_at(monitor, monkeypatch)

    async def first(events: AsyncIterator[str]) -> str:
        await anext(events)
        return await anext(events)

    async def look() -> None:
        streams = [monitor.streams.events(PageKey("", "queues", "", True)) for _ in range(50)]
        found = await asyncio.gather(*(first(each) for each in streams))
        assert len(set(found)) == 1

    asyncio.run(look())
    assert looks == ["queues"]


def test_too_many_streams_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MOST_STREAMS", 0)
    answer = Client(monitor_app(app, ConfigMonitor(), auth="open")).get("/stream?page=queues")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "15")


def test_a_page_is_rendered_when_something_has_moved_or_after_a_while(
    monitor: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "CALM_S", 1e9)
    monkeypatch.setattr(live, "_KEPT_S", 1e9)
    looks = _looks_at(monitor, monkeypatch)
    key = PageKey("", "queues", "", True)

    async def look() -> None:
        for _ in range(5):
            await monitor.streams._shared(key)
            await asyncio.sleep(0.002)
        assert looks == ["queues"]
        work()
        while len(looks) < 2:
            await monitor.streams._shared(key)
            await asyncio.sleep(0.002)
        monkeypatch.setattr(live, "CALM_S", 0.0)
        await asyncio.sleep(0.002)
        await monitor.streams._shared(key)
        assert len(looks) == 3
        monkeypatch.setattr(live, "CALM_S", 1e9)
        for number in range(3):  # of one thing more may change than is seen from outside
            await monitor.streams._shared(PageKey("", "tasks/x", str(number), True))
        assert len(looks) == 6

    asyncio.run(look())


def test_everything_that_is_made_or_ends_moves() -> None:
    seen = [newest(app.components)]
    call = work()
    seen.append(newest(app.components))
    call.cancel()
    seen.append(newest(app.components))
    app.trigger.emit_event("code")
    seen.append(newest(app.components))
    ask(app.components, Actor("a", "operator", "x"), JobKind.CANCEL, "status:registered")
    seen.append(newest(app.components))
    app.orchestrator.heartbeat(["r"], app.components.now())
    seen.append(newest(app.components))
    assert len(set(map(str, seen))) == len(seen)
    assert newest(app.components) == seen[-1]


def test_programs_follow_what_can_be_read(monitor: Monitor, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> Any:
        raise StorageUnavailableError("the store at somewhere is away")

    async def following(events: AsyncIterator[str], name: str) -> Any:
        async with asyncio.timeout(30):
            while True:
                event = await anext(events)
                if event.startswith(f"event: {name}"):
                    return json.loads(event.partition("data: ")[2])

    async def look() -> None:
        key = PageKey("", "api/v1/queues", "", False)
        events = monitor.streams.events(key, part=lambda text: text)
        assert (await following(events, "data"))["items"] == []
        work()
        (queue,) = (await following(events, "data"))["items"]
        assert (queue["name"], queue["ready"]) == ("default", 1)
        with monkeypatch.context() as broken:
            broken.setattr(app.broker, "depth", away)
            broken.setattr(app.broker, "queues", away)
            assert (await following(events, "problem"))["status"] == 503
        assert (await following(events, "data"))["items"] == [queue | {"age": ANY}]

    asyncio.run(look())
