"""The monitor inside other applications, under a path, and behind a proxy with a prefix of its own."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import pytest
from asgi_client import Client
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount

from pynenc import Pynenc
from pynenc.conf.config_monitor import ConfigMonitor
from pynenc.invocation.status import InvocationStatus
from pynenc.monitor.application import monitor_app
from pynenc.testing import in_memory

app = Pynenc({"app_id": "mounted"})


@app.task
def work(number: int = 0) -> int:
    return number


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    with in_memory(app):
        yield


def _role(scope: Any) -> str:
    return "operator"


def _starlette(inner: Any) -> Any:
    return Starlette(routes=[Mount("/ops/pynenc", inner)])


def _fastapi(inner: Any) -> Any:
    outer = FastAPI()
    outer.mount("/ops/pynenc", inner)

    @outer.get("/")
    async def own() -> dict[str, str]:
        return {"own": "page"}

    return outer


class _Proxied:
    """A server behind a proxy that takes a prefix off, and says so in `root_path`."""

    def __init__(self, application: Any, root: str) -> None:
        self._application, self._root = application, root

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self._application({**scope, "root_path": self._root}, receive, send)


@pytest.mark.parametrize("root", ["", "/prefix"])
@pytest.mark.parametrize("host", [_starlette, _fastapi])
def test_links_forms_and_streams_work(host: Any, root: str) -> None:
    waiting = work().invocation_id
    inner = monitor_app(app, ConfigMonitor(), auth="host", role=_role)
    served = _Proxied(host(inner), root)
    client = Client(served, base_url="http://any.example")
    base = f"{root}/ops/pynenc"
    for path in ("/", "/invocations", f"/invocations/{waiting}", "/failures", "/timeline", "/system"):
        page = client.get(f"{base}{path}")
        assert page.status_code == 200, path
        addresses = re.findall(r'(?:href|action|src)="(/[^"]*)"', page.text)
        assert addresses
        assert all(each.startswith(f"{base}/") for each in addresses), (path, addresses)
    mark = client.form_mark(f"{base}/invocations/{waiting}")
    assert mark
    answer = client.post(f"{base}/invocations/{waiting}/cancel", data={"form": mark})
    assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (
        303,
        f"{base}/invocations/{waiting}",
    )
    (state,) = app.orchestrator.read_states([waiting])
    assert state is not None
    assert state.status == InvocationStatus.CANCELLED
    assert client.get(f"{base}/api/v1/queues").status_code == 200
    assert b"event: main" in asyncio.run(_first_events(served, f"{base}/stream"))


async def _first_events(application: Any, path: str) -> bytes:
    """Return what a stream sends until the first page, and leave."""
    sent, is_enough = b"", asyncio.Event()

    async def receive() -> dict[str, Any]:
        await is_enough.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        nonlocal sent
        sent += message.get("body", b"")
        if b"event: main" in sent:
            is_enough.set()

    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"page=queues&query=",
        "headers": [(b"host", b"any.example")],
        "scheme": "http",
        "server": ("any.example", 80),
        "client": ("127.0.0.1", 1),
        "root_path": "",
        "http_version": "1.1",
    }
    async with asyncio.timeout(30):
        await application(scope, receive, send)
    return sent
