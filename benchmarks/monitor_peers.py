"""The monitor beside Flower and RQ Dashboard: `python -m benchmarks.monitor_peers [--count N]`.

Each system runs so many no-op tasks on a Redis server of its own; then its list of 50 tasks is asked for over
HTTP, one request after the other, and its memory is read. After that the process is started anew, to see what
is still known of them. What a page shows differs; the figures are those of the data behind the list.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.engines import engine

_TIMES = 40
_PATIENCE_S = 120.0


def _port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _memory(process: subprocess.Popen[Any]) -> float:
    """Return the resident memory of a process and its children in MB."""
    found = 0.0
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            text = status.read_text(encoding="utf-8")
        except OSError:
            continue
        parent = re.search(r"PPid:\s+(\d+)", text)
        own = int(status.parent.name)
        rss = re.search(r"VmRSS:\s+(\d+)", text)
        if rss and (own == process.pid or (parent and int(parent[1]) == process.pid)):
            found += int(rss[1]) / 1024
    return found


@contextmanager
def _process(*words: str, folder: str = ".", **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    quiet = subprocess.DEVNULL
    command = [sys.executable, "-m", *words]
    given = {**os.environ, **environment}
    process = subprocess.Popen(command, cwd=folder, env=given, stdout=quiet, stderr=quiet)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def _ask(url: str, fields: dict[str, str] | None = None) -> Any:
    body = None if fields is None else urllib.parse.urlencode(fields).encode()
    with urllib.request.urlopen(url, body, timeout=60) as answer:
        return json.loads(answer.read())


def _until(look: Callable[[], bool]) -> bool:
    end = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end:
        try:
            if look():
                return True
        except OSError:
            pass
        time.sleep(0.2)
    return False


def _timed(look: Callable[[], Any]) -> str:
    look()
    took = []
    for _ in range(_TIMES):
        begun = time.perf_counter()
        look()
        took.append((time.perf_counter() - begun) * 1000)
    return f"{statistics.median(took):.1f} / {statistics.quantiles(took, n=20)[-1]:.1f} ms"


def _tell(name: str, url_of: Callable[[], Any], process: subprocess.Popen[Any]) -> None:
    print(f"{name}: list of 50 in {_timed(url_of)}, {_memory(process):.0f} MB", flush=True)


def ours(count: int, redis: str) -> None:
    """Measure our monitor."""
    environment = {"PYNENC__BACKEND": "redis", "PYNENC__REDIS_URL": redis, "PYNENC__APP_ID": "bench"}
    code = (
        f"from benchmarks.noop_tasks import add\nfrom pynenc.testing import working\n"
        f"with working(add.app):\n    list(add.parallelize([(1, 2)] * {count}).results)\n"
    )
    subprocess.run([sys.executable, "-c", code], env={**os.environ, **environment}, check=True)
    folder = tempfile.mkdtemp()
    for again in (False, True):
        port = _port()
        url = f"http://127.0.0.1:{port}/api/v1/invocations"
        with _process("pynenc", "monitor", "--port", str(port), folder=folder, **environment) as process:
            _until(lambda url=url: bool(_ask(url)))  # type: ignore[misc]
            if again:
                known = _ask(f"http://127.0.0.1:{port}/api/v1/overview")["statuses"]
                print(f"pynenc: after a restart it knows {known}", flush=True)
            else:
                _tell("pynenc", lambda url=url: _ask(url), process)  # type: ignore[misc]


def flower(count: int, redis: str) -> None:
    """Measure Flower, which has to be there while the tasks run."""
    environment = {"BENCH_REDIS": redis, "FLOWER_UNAUTHENTICATED_API": "true"}
    app = "benchmarks.redis_peers.celery_tasks"
    port = _port()
    data = f"http://127.0.0.1:{port}/tasks/datatable"
    wanted = {
        "draw": "1",
        "start": "0",
        "length": "50",
        "search[value]": "",
        "order[0][column]": "0",
        "order[0][dir]": "desc",
        "columns[0][data]": "received",
    }
    words = ("celery", "-A", app, "flower", f"--port={port}", "--address=127.0.0.1")
    worker = ("celery", "-A", app, "worker", "-E", "-c", "2", "-l", "critical")
    code = (
        f"from {app} import add\nfrom celery import group\n"
        f"done = group(add.s(1, 2) for _ in range({count})).apply_async()\ndone.get()\n"
    )
    with _process(*words, **environment) as process, _process(*worker, **environment):
        _until(lambda: isinstance(_ask(data, wanted), dict))
        subprocess.run([sys.executable, "-c", code], env={**os.environ, **environment}, check=True)
        _until(lambda: int(_ask(data, wanted)["recordsTotal"]) >= count)
        _tell("Flower", lambda: _ask(data, wanted), process)
        print(f"Flower: it knows {_ask(data, wanted)['recordsTotal']} tasks", flush=True)
    with _process(*words, **environment):
        _until(lambda: isinstance(_ask(data, wanted), dict))
        print(f"Flower: after a restart it knows {_ask(data, wanted)['recordsTotal']} tasks", flush=True)


def rq_dashboard(count: int, redis: str) -> None:
    """Measure RQ Dashboard."""
    code = (
        "from redis import Redis\nfrom rq import Queue\nfrom benchmarks.redis_peers.rq_tasks import add\n"
        f"queue = Queue(connection=Redis.from_url('{redis}/0'))\n"
        f"jobs = [Queue.prepare_data(add, (1, 2), result_ttl=86400) for _ in range({count})]\n"
        "queue.enqueue_many(jobs)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    worker = [sys.executable, "-m", "rq.cli", "worker", "--url", f"{redis}/0", "--quiet", "--burst"]
    workers = [subprocess.Popen([*worker, "-w", "rq.SimpleWorker"]) for _ in range(2)]
    for each in workers:
        each.wait()
    port = _port()
    data = f"http://127.0.0.1:{port}/0/data/jobs/default/finished/50/asc/1.json"
    words = ("rq_dashboard", "-b", "127.0.0.1", "-p", str(port), "-u", f"{redis}/0")
    with _process(*words) as process:
        if not _until(lambda: isinstance(_ask(data), dict)):
            print("RQ Dashboard: it does not answer", flush=True)
            return
        _tell("RQ Dashboard", lambda: _ask(data), process)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    options = parser.parse_args()
    for measure in (ours, flower, rq_dashboard):
        with tempfile.TemporaryDirectory() as folder, engine("redis", Path(folder)):
            url = os.environ["PYNENC__REDIS_URL"]
            parts = urllib.parse.urlsplit(url)
            measure(options.count, f"redis://{parts.hostname}:{parts.port}")


if __name__ == "__main__":
    main()
