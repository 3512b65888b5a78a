"""Making the pictures of the web monitor in the manual: `make pictures`, which needs Chromium."""

from __future__ import annotations

import shutil
import socket
import threading
from contextlib import suppress
from pathlib import Path

import uvicorn
from playwright.sync_api import expect, sync_playwright
from shop import app, export, fetch, order, price

from pynenc.lifecycle.count_keeping import flush_counts
from pynenc.lifecycle.failures import failure_groups, flush_failures
from pynenc.lifecycle.rollups import roll_up
from pynenc.monitor.application import monitor_app
from pynenc.testing import working

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
STILL = ("/timeline",)
SIZE = {"width": 1180, "height": 760}


def populate() -> str:
    """Do some work; return the id of a workflow that waits."""
    for number in range(40):
        price(f"item {number}")
    fetched = [fetch(f"http://stock/{number}") for number in range(12)]
    failed = [export(number * 1000, "sesame") for number in range(1, 4)]
    orders = [order(f"order {number}") for number in range(3)]
    for call in (*fetched, *failed):
        with suppress(ConnectionError, ValueError):
            call.wait(30)
    price.options(delay=600)("later")
    price.options(queue="mail")("nobody consumes this queue")
    flush_counts(app.components)
    flush_failures(app.components, "picture")
    roll_up(app.components, [])
    invocation_id: str = orders[-1].invocation_id
    return invocation_id


def main() -> None:
    """Entry point."""
    PICTURES.mkdir(exist_ok=True)
    with socket.socket() as listener, working(app):
        listener.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        server = uvicorn.Server(uvicorn.Config(monitor_app(app, auth="open"), log_level="warning"))
        threading.Thread(target=server.run, args=([listener],), daemon=True).start()
        begin = app.components.now()
        waiting = populate()
        (group, *_) = failure_groups(app.components, 0.0, 1)
        seconds = app.components.now() - begin
        shown = {
            "overview": "/",
            "invocation": f"/invocations/{waiting}",
            "failure": f"/failures/{group.group_id}",
            "timeline": f"/timeline?since={begin}&seconds={seconds}",
        }
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
            )
            page = browser.new_page(viewport=SIZE, color_scheme="light")
            for name, path in shown.items():
                page.goto(url + path)
                if path.partition("?")[0] not in STILL:
                    expect(page.locator("#live")).to_have_text("live")
                page.screenshot(path=PICTURES / f"monitor-{name}.png")
            browser.close()
        server.should_exit = True


if __name__ == "__main__":
    main()
