"""The web monitor over a million invocations: `python -m benchmarks.monitor_run [--count N]`.

The population is that of `benchmarks.search_run`, with 10,000 short runs behind it. The monitor is a process
of its own, asked over HTTP one request after the other; the figures are milliseconds for the whole answer.
After that a crawler has been on all pages; then 100 clients keep pages open in which nothing happens.
"""

from __future__ import annotations

import argparse
import http.client
import os
import re
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.engines import engine, select
from benchmarks.noop_tasks import add
from benchmarks.search_run import populate
from pynenc import Pynenc
from pynenc.monitor.places import PAGES
from pynenc.testing import working

_RUNS = 10_000
_CLIENTS = 100
_IDLE_S = 20.0
_TICKS = os.sysconf("SC_CLK_TCK")


class Monitor:
    """The monitor in a process of its own."""

    def __init__(self, app_id: str) -> None:
        command = [sys.executable, "-m", "pynenc", "monitor", "--port", "0"]
        environment = {**os.environ, "PYNENC__APP_ID": app_id}
        self._folder = tempfile.TemporaryDirectory()
        self.process = subprocess.Popen(
            command, env=environment, cwd=self._folder.name, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stderr is not None
        found = None
        while found is None:
            found = re.search(r"http://127.0.0.1:(\d+)", self.process.stderr.readline())
        self.port = int(found[1])

    def ask(self, path: str) -> tuple[float, int]:
        """Return how long an answer takes in milliseconds, and its size in bytes."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        begun = time.perf_counter()
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        took = (time.perf_counter() - begun) * 1000
        connection.close()
        if answer.status != 200:
            raise SystemExit(f"{path}: {answer.status} {body[:300]!r}")
        return took, len(body)

    @property
    def memory(self) -> float:
        """The resident memory in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        found = re.search(r"VmRSS:\s+(\d+)", status)
        assert found is not None
        return int(found[1]) / 1024

    @property
    def seconds(self) -> float:
        """The time of a processor that it has used, in seconds."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8")
        fields = stat.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def close(self) -> None:
        """End it."""
        self.process.terminate()
        assert self.process.stderr is not None
        rest = self.process.stderr.read()
        self.process.wait()
        if rest:
            raise SystemExit(f"the monitor complains: {rest[:2000]}")
        self._folder.cleanup()


@contextmanager
def _streams(monitor: Monitor, number: int) -> Iterator[None]:
    """Keep so many live pages open, and read what they get."""
    selector = selectors.DefaultSelector()
    places = ["", "invocations", "queues", "runners", "failures"]
    for at in range(number):
        stream = socket.create_connection(("127.0.0.1", monitor.port))
        place = places[at % len(places)]
        stream.sendall(f"GET /stream?page={place}&query= HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        stream.setblocking(False)
        selector.register(stream, selectors.EVENT_READ)
    try:
        yield
        until = time.monotonic() + _IDLE_S
        while time.monotonic() < until:
            for key, _ in selector.select(0.2):
                key.fileobj.recv(1 << 20)  # type: ignore[union-attr]
    finally:
        for key in list(selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]


def measure(app: Pynenc, times: int, since: float, seconds: float) -> None:
    """Print the figures of an app."""
    row = app.search("is:workflow", 1).rows[0].data.invocation_id
    pages = {
        "list of 50": "/invocations",
        "list of 50, by status": "/invocations?q=status:failed",
        "list of 50, by task": "/invocations?q=task:shop.module3.task4",
        "list of 50, by tag": "/invocations?q=tag:customer%3D42",
        "one invocation": f"/invocations/{row}",
        "its family": f"/invocations/{row}/family",
        "overview": "/",
        "live": "/live",
        "failures": "/failures",
        "timeline of 10,000 runs": f"/timeline?since={since}&seconds={seconds}",
        "JSON list of 50": "/api/v1/invocations?q=status:failed",
    }
    monitor = Monitor(app.app_id)
    try:
        for name, path in pages.items():
            monitor.ask(path)
            answers = [monitor.ask(path) for _ in range(times)]
            took = [each for each, _ in answers]
            middle, most = statistics.median(took), statistics.quantiles(took, n=20)[-1]
            print(f"{name}: {middle:.1f} / {most:.1f} ms, {answers[0][1] / 1024:.0f} KB", flush=True)
        for _ in range(10):
            for place, _ in PAGES:
                monitor.ask(f"/{place}")
        print(f"memory after a crawl over all pages: {monitor.memory:.0f} MB", flush=True)
        begun, used = time.monotonic(), monitor.seconds
        with _streams(monitor, _CLIENTS):
            pass
        share = (monitor.seconds - used) / (time.monotonic() - begun)
        print(f"{_CLIENTS} idle clients: {share:.1%} of a core, {monitor.memory:.0f} MB", flush=True)
        begun, used = time.monotonic(), monitor.seconds
        time.sleep(_IDLE_S / 2)
        share = (monitor.seconds - used) / (time.monotonic() - begun)
        print(f"no client: {share:.2%} of a core", flush=True)
    finally:
        monitor.close()


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=40)
    parser.add_argument("--engines", default="sqlite,redis,mongo")
    options = parser.parse_args()
    for name in options.engines.split(","):
        with tempfile.TemporaryDirectory() as folder, engine(name, Path(folder)):
            select(name, Path(folder))
            app = Pynenc({"app_id": f"bench-monitor-{name}", "runner_cls": "ThreadRunner"})
            populate(app, options.count)
            task = app.task(add.func)
            begun = app.orchestrator.now()
            with working(app):
                list(task.parallelize([(1, 2)] * _RUNS).results)
            print(f"--- {name}, {options.count:,} invocations", flush=True)
            measure(app, options.times, begun, app.orchestrator.now() - begun)
            Pynenc.discard(app.app_id)


if __name__ == "__main__":
    main()
