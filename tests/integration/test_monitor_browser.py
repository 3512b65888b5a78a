"""The monitor in Chromium, served by `pynenc monitor`: pages, live refresh, keys, widths and log-in."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

BROWSER = shutil.which("chromium")
if BROWSER is None and os.environ.get("PYNENC_TEST_BROWSER") != "required":
    pytest.skip("chromium is not installed", allow_module_level=True)

from axe_playwright_python.sync_playwright import Axe  # noqa: E402 - only with a browser
from mongo_server import MongoServer  # noqa: E402
from playwright.sync_api import Browser, Page, expect, sync_playwright  # noqa: E402
from redis_server import RedisServer  # noqa: E402

from pynenc.monitor.places import PAGES, is_still  # noqa: E402

TOKEN = "a token of enough length"
TASKS = """
from pynenc import Pynenc

app = Pynenc({"app_id": "browsed", "runner_cls": "ThreadRunner"})

@app.task
def price(item: str) -> int:
    return len(item)

@app.task
def fails(text: str) -> None:
    raise ValueError(text)

@app.workflow
def order(item: str) -> str:
    order.wf.execute_task(price, item)
    return order.wf.wait_event("paid")["by"]
"""
HOSTILE = "<img src=x onerror=alert(1)> \\u202e <script>alert(2)</script>"
PATHS = [path for path, _ in PAGES]
FLAGS = (
    "--no-sandbox",
    "--host-resolver-rules=MAP monitor.test 127.0.0.1",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
)


class Site:
    """An app with a runner and a monitor, each in a process of its own."""

    def __init__(self, folder: Path, **settings: str) -> None:
        (folder / "browsed.py").write_text(TASKS, encoding="utf-8")
        settings = {"backend": "sqlite", **settings}
        given = {f"PYNENC__{name.upper()}": value for name, value in settings.items()}
        self._environment = {**os.environ, "PYTHONPATH": str(folder), **given}
        self._folder = folder
        self._processes: list[subprocess.Popen[str]] = []
        monitor = self._start("--app", "browsed", "monitor", "--port", "0")
        assert monitor.stderr is not None
        found = re.search(r"http://\S+", monitor.stderr.readline())
        assert found is not None
        self.url = found[0]

    def _start(self, *words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "pynenc", *words]
        process = subprocess.Popen(
            command, cwd=self._folder, env=self._environment, stderr=subprocess.PIPE, text=True
        )
        self._processes.append(process)
        return process

    def start_runner(self) -> None:
        self._start("--app", "browsed", "runner", "start")

    def run(self, code: str) -> None:
        command = [sys.executable, "-c", f"from browsed import *\n{code}"]
        subprocess.run(command, cwd=self._folder, env=self._environment, check=True, timeout=50)

    def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
            assert process.stderr is not None
            process.stderr.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=BROWSER, args=list(FLAGS))
        yield started
        started.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.close()


class Visitor:
    """A page that notes what the browser complains of, and whom it asks."""

    def __init__(self, browser: Browser, site: Site, **options: Any) -> None:
        self.complaints: list[str] = []
        self.site = site
        self.page: Page = browser.new_context(**options).new_page()
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(f"dialog {dialog.message}"))
        self.page.on("request", self._note)

    def _note(self, request: Any) -> None:
        if not request.url.startswith((self.site.url, "data:")):
            self.complaints.append(f"asked {request.url}")

    def open(self, path: str = "") -> Page:
        self.page.goto(self.site.url + path)
        return self.page


def _populate(site: Site) -> None:
    site.start_runner()
    site.run(
        f"import contextlib\nprice('x').wait(30)\ncall = fails('{HOSTILE}')\n"
        "with contextlib.suppress(ValueError):\n    call.wait(30)\n"
        "order('book')\nprice.options(delay=3600)('late')\n"
        "app.trigger.emit_event('seen', {'by': 'anna'})\n"
    )


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("width", "scheme"), [(1280, "light"), (1280, "dark"), (360, "light"), (360, "dark")]
)
def test_every_page_fits_and_raises_no_complaint(
    site: Site, browser: Browser, width: int, scheme: Any
) -> None:
    _populate(site)
    visitor = Visitor(browser, site, viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = visitor.open("failures")
    expect(page.locator("tbody a").first).to_contain_text("ValueError", timeout=20_000)
    page.locator("tbody a").first.click()
    group = page.url.removeprefix(site.url)
    page = visitor.open("invocations?q=is:workflow")
    page.locator("table a.id").first.click()
    workflow = page.url.removeprefix(site.url)
    details = [group, workflow, f"{workflow}/family", "jobs/new?kind=cancel&q=status:registered"]
    for path in [*PATHS, *details]:
        page = visitor.open(path)
        if not is_still(path.partition("?")[0]):
            expect(page.locator("#live")).to_have_text("live")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa"]})
        assert found.violations_count == 0, f"{path}\n{found.generate_report()}"
    page = visitor.open("invocations?q=status:failed")
    page.locator("table a.id").first.click()
    expect(page.locator("pre.error").first).to_contain_text("<img src=x onerror=alert(1)>")
    expect(page.locator("main img")).to_have_count(0)
    page.go_back()
    expect(page.locator("h1")).to_have_text("Invocations")
    assert visitor.complaints == []


def _cancels_and_sends(site: Site, browser: Browser) -> None:
    """Act as an operator: cancel one, send an event to a workflow, cancel all that wait, and see it done."""
    _populate(site)
    visitor = Visitor(browser, site)
    page = visitor.open("invocations?q=is:workflow")
    expect(page.locator("main")).to_contain_text("retry", timeout=20_000)
    page.locator("table a.id").first.click()
    page.get_by_label("Code of the event").fill("paid")
    page.get_by_label("Payload, as JSON").fill('{"by": "[1')
    page.get_by_role("button", name="Send event").click()
    expect(page.locator(".verdict.bad")).to_contain_text("not JSON")
    page.go_back()
    page.get_by_label("Code of the event").fill("paid")
    page.get_by_label("Payload, as JSON").fill('{"by": "anna"}')
    page.get_by_role("button", name="Send event").click()
    expect(page.locator("main .verdict").first).to_contain_text("was sent")
    expect(page.locator("main")).to_contain_text("anna", timeout=30_000)
    page = visitor.open("invocations?q=status:registered")
    page.get_by_role("link", name="Cancel…").click()
    expect(page.locator("h1")).to_have_text("Cancel 1 invocation")
    page.get_by_label("Why").fill("a mistake")
    page.get_by_role("button", name="Cancel 1 invocation").click()
    expect(page.locator("h1")).to_have_text("Actions")
    expect(page.locator("main")).to_contain_text("done: 1 cancelled", timeout=30_000)
    expect(page.locator("main")).to_contain_text("a mistake")
    page = visitor.open("invocations?q=status:cancelled")
    page.locator("table a.id").first.click()
    page.get_by_role("button", name="Run again").click()
    expect(page.locator("main .verdict").first).to_contain_text("it runs again as")
    page.get_by_role("button", name="Delete").click()
    expect(page.locator("main .verdict").first).to_contain_text("it is deleted")
    assert [each for each in visitor.complaints if "409" not in each] == []


@pytest.mark.timeout(180)
def test_an_operator_acts(site: Site, browser: Browser) -> None:
    _cancels_and_sends(site, browser)


@pytest.mark.timeout(240)
@pytest.mark.parametrize(("backend", "server_of"), [("redis", RedisServer), ("mongo", MongoServer)])
def test_an_operator_acts_on_a_server(backend: str, server_of: Any, tmp_path: Path, browser: Browser) -> None:
    with server_of(tmp_path) as server:
        site = Site(tmp_path, backend=backend, **{f"{backend}_url": server.url})
        try:
            _cancels_and_sends(site, browser)
        finally:
            site.close()


@pytest.mark.timeout(180)
def test_what_is_typed_is_not_lost_when_the_page_changes(site: Site, browser: Browser) -> None:
    page, other = (Visitor(browser, site).open("events") for _ in range(2))
    for each in (page, other):
        expect(each.locator("#live")).to_have_text("live")
    page.get_by_label("Code").fill("half a wo")
    page.locator("h1").click()
    site.run("app.trigger.emit_event('seen', {})")
    expect(other.locator("main table").first).to_contain_text("seen", timeout=20_000)
    expect(page.get_by_label("Code")).to_have_value("half a wo")
    expect(page.locator("#live")).to_have_text("waits for you", timeout=20_000)
    page.get_by_label("Code").fill("")
    page.locator("h1").click()
    expect(page.locator("main table").first).to_contain_text("seen")
    expect(page.locator("#live")).to_have_text("live")


@pytest.mark.timeout(180)
def test_the_timeline_is_moved_by_keys_and_leads_to_a_run(site: Site, browser: Browser) -> None:
    _populate(site)
    visitor = Visitor(browser, site)
    page = visitor.open("timeline?minutes=60")
    page.get_by_label("Colours").select_option("task")
    page.locator("#timeline").focus()
    page.keyboard.press("+")
    for _ in range(4):
        page.keyboard.press("Shift+ArrowRight")
    page.wait_for_url("**/timeline?since=*&seconds=1800.000&colours=task")
    page.reload()
    expect(page.get_by_label("Colours")).to_have_value("task")
    page.locator("#timeline").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#chosen")).to_contain_text("browsed.")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text("browsed.")
    assert visitor.complaints == []


@pytest.mark.timeout(120)
def test_the_page_follows_what_happens(site: Site, browser: Browser) -> None:
    visitor = Visitor(browser, site)
    page = visitor.open()
    expect(page.locator(".verdict")).to_contain_text("Nothing has been submitted yet")
    site.run("[price('x' * number) for number in range(3)]")
    expect(page.locator(".verdict")).to_contain_text("no runner is alive", timeout=20_000)
    site.start_runner()
    expect(page.locator(".verdict.good")).to_contain_text("All is well", timeout=30_000)
    expect(page.locator(".counts")).to_contain_text("success 3", timeout=20_000)
    assert visitor.complaints == []


@pytest.mark.timeout(120)
def test_keys_lead_everywhere(site: Site, browser: Browser) -> None:
    site.run("[price('x' * number) for number in range(3)]")
    visitor = Visitor(browser, site)
    page = visitor.open()
    page.keyboard.press("g")
    page.keyboard.press("i")
    expect(page.locator("h1")).to_have_text("Invocations")
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.locator("tr.selected")).to_have_count(1)
    page.keyboard.press("/")
    page.keyboard.type("status:success")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_contain_text("Nothing matches")
    page.keyboard.press("g")
    page.keyboard.press("i")
    page.wait_for_url("**/invocations")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text("browsed.price")
    page.keyboard.press(".")
    expect(page.locator("#live")).to_have_text("paused")
    assert visitor.complaints == []


@pytest.mark.timeout(120)
def test_it_looks_as_the_visitor_likes(site: Site, browser: Browser) -> None:
    site.run("[price('x' * number) for number in range(2)]")
    visitor = Visitor(browser, site, color_scheme="light")
    page = visitor.open("invocations?q=task:*.price")
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    page.get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.locator(".chips")).to_contain_text("task:*.price")
    dark = page.evaluate(paper)
    page.keyboard.press("t")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    assert (page.evaluate(paper), dark != light) == (light, True)
    page.get_by_text("Columns").click()
    page.get_by_label("Argument").check()
    page.get_by_label("Tags").uncheck()
    page.get_by_role("button", name="Show these").click()
    expect(page.locator("th", has_text="Tags")).to_have_count(0)
    expect(page.locator("tbody")).to_contain_text("item=")
    page.get_by_label("Without task:*.price").click()
    expect(page.locator(".chips")).to_have_count(0)
    page.keyboard.press("?")
    page.get_by_role("button", name="Turn the keys off").click()
    expect(page.locator("html")).to_have_attribute("data-keys", "off")
    page.keyboard.press("t")
    page.get_by_role("button", name="Turn the keys on").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    assert visitor.complaints == []


@pytest.mark.timeout(120)
def test_a_choice_and_the_focus_stay_when_the_page_changes(site: Site, browser: Browser) -> None:
    site.run("[price('x' * number) for number in range(3)]")
    visitor = Visitor(browser, site)
    page = visitor.open("invocations")
    expect(page.locator("#live")).to_have_text("live")
    page.keyboard.press("j")
    chosen = page.locator("tr.selected a.id").get_attribute("href")
    page.locator("tbody a.id").last.focus()
    focused = page.evaluate("document.activeElement.href")
    site.run("[price('y' * number) for number in range(2)]")
    expect(page.locator("tbody tr")).to_have_count(5, timeout=20_000)
    assert page.locator("tr.selected a.id").get_attribute("href") == chosen
    assert page.evaluate("document.activeElement.href") == focused
    assert visitor.complaints == []


@pytest.mark.timeout(120)
def test_without_scripts_everything_can_be_read(site: Site, browser: Browser) -> None:
    site.run("[price('x' * number) for number in range(60)]")
    page = Visitor(browser, site, java_script_enabled=False).open("invocations")
    expect(page.locator("tbody tr")).to_have_count(50)
    page.get_by_role("link", name="Next page").click()
    expect(page.locator("tbody tr")).to_have_count(10)
    page.locator("table a.id").first.click()
    expect(page.locator("h1")).to_contain_text("browsed.price")


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", ["127.0.0.1", "monitor.test"])
def test_a_token_opens_the_door(tmp_path: Path, browser: Browser, name: str) -> None:
    site = Site(tmp_path, monitor_token=TOKEN, monitor_allowed_hosts="monitor.test")
    site.url = site.url.replace("127.0.0.1", name)
    try:
        visitor = Visitor(browser, site)
        page = visitor.open("queues")
        expect(page.locator("h1")).to_have_text("Log in")
        page.get_by_label("Token").fill(TOKEN)
        page.get_by_role("button", name="Log in").click()
        expect(page.locator("h1")).to_have_text("Queues")
        expect(page.locator("#live")).to_have_text("live")
        page.get_by_role("button", name="Log out").click()
        expect(page.locator("h1")).to_have_text("Log in")
        assert visitor.complaints == []
    finally:
        site.close()


@pytest.mark.timeout(120)
def test_the_demo_is_a_living_example(tmp_path: Path, browser: Browser) -> None:
    command = [sys.executable, "-m", "pynenc", "demo", "--monitor", "--port", "0"]
    demo = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    try:
        assert demo.stderr is not None
        found = re.search(r"http://\S+", demo.stderr.readline())
        assert found is not None
        page = browser.new_context().new_page()
        page.goto(found[0])
        expect(page.locator(".counts")).to_contain_text("success", timeout=30_000)
        expect(page.locator(".verdict.bad")).to_contain_text("nobody consumes this", timeout=30_000)
        demo.terminate()
        assert demo.wait(40) == 0
    finally:
        demo.kill()
        demo.wait()
        assert demo.stderr is not None
        demo.stderr.close()
