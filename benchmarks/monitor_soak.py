"""A monitor left open while its storage keeps failing: `make soak-monitor`.

A runner works on a steady load, clients keep pages open, and in turns the storage answers nothing for some
seconds or drops all its connections. A page answers all the while, well or with the news that the storage is
away; it is well again soon after; and neither threads, open files nor memory of the monitor may grow.
"""

from __future__ import annotations

import contextlib
import http.client
import importlib
import json
import os
import signal
import socket
import sqlite3
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.engines import engine, measure_each, our_runner, select
from benchmarks.monitor_run import Monitor
from benchmarks.peers import scratch
from benchmarks.soak_run import load
from pynenc.monitor.places import PAGES

_CLIENTS = 20
_AWAY_S = 4.0
_PATIENCE_S = 30.0
_TOLERATED = {"threads": 1.1, "open files": 1.2, "memory": 1.3}


def measure(name: str, minutes: int) -> dict[str, float]:
    """Soak one engine, in this process."""
    with scratch() as folder, engine(name, Path(folder)):
        select(name, Path(folder))
        tasks = importlib.import_module("benchmarks.soak_tasks")
        tasks.app.register_deferred_triggers()
        looks: list[dict[str, float]] = []
        answers: Counter[int] = Counter()
        recoveries: list[float] = []
        until = time.monotonic() + 60 * minutes
        monitor = Monitor(tasks.app.app_id)
        with our_runner("benchmarks.soak_tasks"), _open_pages(monitor):
            calls = 0
            while time.monotonic() < until:
                calls += load(tasks, calls)
                for fault in _faults(name, Path(folder)):
                    with fault():
                        answers.update(_ask_all(monitor))
                    recoveries.append(_recover(monitor))
                looks.append(_look(monitor))
                print(f"{name} {calls:>7,} calls: {looks[-1]}", file=sys.stderr)
        tasks.app.close()
        half = len(looks) // 2
        figures = {
            "calls": float(calls),
            "faults": float(len(recoveries)),
            "longest until well again, s": max(recoveries),
            **{f"answers {status}": float(count) for status, count in sorted(answers.items())},
        }
        for what, most in _TOLERATED.items():
            early, late = (max(each[what] for each in some) for some in (looks[1:half], looks[half:]))
            figures[f"growth of {what}"] = late / early
            if late / early > most:
                sys.exit(f"{name}: {what} grew from {early:.0f} to {late:.0f}")
        print(json.dumps(figures), flush=True)
        return figures


def _faults(name: str, folder: Path) -> list[Callable[[], contextlib.AbstractContextManager[None]]]:
    if name == "redis":
        return [lambda: _frozen(_redis_pid()), _cut_off]
    if name.startswith("mongo"):
        return [lambda: _frozen(_mongo_pid())]
    return [lambda: _locked(folder / "pynenc.db")]


@contextmanager
def _frozen(pid: int) -> Iterator[None]:
    """Have the server answer nothing."""
    thaw = threading.Timer(_AWAY_S, os.kill, (pid, signal.SIGCONT))
    os.kill(pid, signal.SIGSTOP)
    thaw.start()
    try:
        yield
    finally:
        thaw.join()


@contextmanager
def _cut_off() -> Iterator[None]:
    """Drop all connections to Redis, again and again."""
    import redis  # noqa: PLC0415 - only where it is installed

    over = threading.Event()

    def cut() -> None:
        with redis.Redis.from_url(os.environ["PYNENC__REDIS_URL"]) as client:
            while not over.wait(0.2):
                for kind in ("normal", "pubsub"):
                    client.client_kill_filter(_type=kind, skipme=True)

    thread = threading.Thread(target=cut)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let nobody else write to the file."""
    with contextlib.closing(sqlite3.connect(path, timeout=60, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        begun = time.monotonic()
        try:
            yield
        finally:
            time.sleep(max(0.0, _AWAY_S - (time.monotonic() - begun)))
            connection.execute("ROLLBACK")


def _redis_pid() -> int:
    import redis  # noqa: PLC0415 - only where it is installed

    with redis.Redis.from_url(os.environ["PYNENC__REDIS_URL"]) as client:
        return int(client.info("server")["process_id"])


def _mongo_pid() -> int:
    import pymongo  # noqa: PLC0415 - likewise

    with pymongo.MongoClient(os.environ["PYNENC__MONGO_URL"]) as mongo:  # type: ignore[var-annotated]
        return int(mongo.admin.command("serverStatus")["pid"])


def _ask_all(monitor: Monitor) -> list[int]:
    """Ask for every page once; the statuses of the answers."""
    return [_status(monitor, f"/{place}") for place, _ in PAGES]


def _status(monitor: Monitor, path: str) -> int:
    """Ask for a page and read all of it."""
    connection = http.client.HTTPConnection("127.0.0.1", monitor.port, timeout=_PATIENCE_S)
    with contextlib.closing(connection):
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        if answer.status not in (200, 503):
            raise SystemExit(f"{path}: {answer.status}")
        return answer.status


def _recover(monitor: Monitor) -> float:
    """Wait until all pages are well; how long that took, in seconds."""
    begun = time.monotonic()
    while set(_ask_all(monitor)) != {200}:
        if time.monotonic() - begun > _PATIENCE_S:
            raise SystemExit(f"a page is not well {_PATIENCE_S:g} s after the storage came back")
        time.sleep(0.1)
    return time.monotonic() - begun


def _look(monitor: Monitor) -> dict[str, float]:
    folder = Path(f"/proc/{monitor.process.pid}")
    threads, files = (len(list((folder / each).iterdir())) for each in ("task", "fd"))
    return {"threads": threads, "open files": files, "memory": round(monitor.memory, 1)}


@contextmanager
def _open_pages(monitor: Monitor) -> Iterator[None]:
    """Keep live pages open like browsers, which connect again when they are cut."""
    over = threading.Event()
    places = ["", "invocations", "queues", "runners", "failures"]

    def one(place: str) -> None:
        while not over.is_set():
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", monitor.port)) as page:
                page.sendall(f"GET /stream?page={place}&query= HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
                page.settimeout(0.5)
                while not over.is_set():
                    with contextlib.suppress(TimeoutError):
                        if not page.recv(1 << 16):
                            break
            over.wait(0.5)

    threads = [
        threading.Thread(target=one, args=(places[at % len(places)],), daemon=True) for at in range(_CLIENTS)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()
        monitor.process.terminate()
        monitor.process.wait()


def main() -> None:
    """Entry point."""
    measure_each("benchmarks.monitor_soak", __doc__, {"minutes": 10}, measure)


if __name__ == "__main__":
    main()
