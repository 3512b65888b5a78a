"""A client of an ASGI application, without a server between."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from typing import Any

import httpx


class Client:
    """Sends requests to an application and keeps its cookies."""

    def __init__(
        self, application: Any, base_url: str = "http://localhost", address: str = "127.0.0.1"
    ) -> None:
        self._application, self._base_url, self._address = application, base_url, address
        self.cookies = httpx.Cookies()

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)

    def form_mark(self, path: str = "/jobs/new?kind=cancel&q=status:registered") -> str:
        """Return the mark that the forms of a page carry; empty if the page has no form."""
        found = re.search(r'name="form" value="([0-9a-f]+)"', self.get(path).text)
        return found[1] if found else ""

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(
                self._application, raise_app_exceptions=False, client=(self._address, 1)
            )
            async with httpx.AsyncClient(
                transport=transport, base_url=self._base_url, cookies=self.cookies
            ) as client:
                answer = await client.request(method, path, **options)
                self.cookies = client.cookies
                return answer

        return asyncio.run(send())


def run_to_end(call: Any) -> str:
    """Return the id of an invocation once it has ended, however it did."""
    with suppress(Exception):
        call.wait(60)
    return str(call.invocation_id)
