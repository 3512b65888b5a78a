"""Does anything grow for ever? `make soak`, or `python -m benchmarks.soak_run`.

A runner works on a steady load of mixed calls whose records are kept for some seconds only. At every
tenth of the way the records, the size of the storage and the memory of the runner are looked at. They
must not grow once the first records have been deleted, and after the last call all records must go.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.engines import engine, measure_each, our_runner, select
from benchmarks.peers import scratch, until

_TOLERATED = 1.5
_LEFT = 25
_BATCH = 500


def measure(name: str, calls: int) -> dict[str, float]:
    """Soak one engine, in this process."""
    with scratch() as folder, engine(name, Path(folder)):
        select(name, Path(folder))
        tasks = importlib.import_module("benchmarks.soak_tasks")
        tasks.app.register_deferred_triggers()
        looks: list[tuple[float, float, float]] = []
        with our_runner("benchmarks.soak_tasks") as pid:
            done = 0
            while done < calls:
                done += load(tasks, done)
                if done * 10 // calls > len(looks):
                    looks.append((*stored(name, Path(folder)), memory(pid)))
                    print(f"{name} {done:>7,} calls: {told(looks[-1])}", file=sys.stderr)
            ended = time.perf_counter()
            until(lambda: stored(name, Path(folder))[0] <= _LEFT)
            emptied = time.perf_counter() - ended
        tasks.app.close()
        figures = {
            "calls": float(done),
            "records left": stored(name, Path(folder))[0],
            "emptied after, s": emptied,
        }
        half = len(looks) // 2
        for at, what in enumerate(("records", "storage", "memory")):
            early, late = (max(each[at] for each in some) for some in (looks[1:half], looks[half:]))
            figures[f"growth of {what}"] = late / early
        print(json.dumps(figures), flush=True)
        grown = [what for what, value in figures.items() if what.startswith("growth") and value > _TOLERATED]
        if grown:
            sys.exit(f"{name}: {', '.join(grown)} beyond {_TOLERATED}")
        return figures


def told(look: tuple[float, float, float]) -> str:
    """Return a look in words."""
    return (
        f"{look[0]:>8,.0f} records, {look[1] / 1e6:>7.1f} MB stored, {look[2] / 1e6:>6.1f} MB in the runner"
    )


def load(tasks: Any, begin: int) -> int:
    """Submit a batch of everything and wait for it; how many invocations that makes at least."""
    plain = list(tasks.add.parallelize([(begin + at, 1) for at in range(_BATCH // 2)]))
    shared = f"shared {begin} " * 200
    calls = list(tasks.measured.parallelize([{"at": at} for at in range(_BATCH // 10)], {"data": shared}))
    for at in range(begin, begin + _BATCH // 20):
        calls += [
            tasks.large(at),
            tasks.failing(at),
            tasks.retried(at),
            tasks.cached(at),
            tasks.alone(at % 7),
        ]
        tasks.app.trigger.emit_event("soaked", {"at": at})
    calls += [tasks.workflow(begin + at) for at in range(_BATCH // 50)]
    tasks.add(begin, 2).cancel()
    for call in (*plain, *calls):
        with contextlib.suppress(ValueError):
            _ = call.result
    return len(plain) + len(calls) + _BATCH // 20 + 2 * (_BATCH // 50)


def stored(name: str, folder: Path) -> tuple[float, float]:
    """Return how many records there are, and how many bytes the engine needs for them."""
    if name == "redis":
        import redis  # noqa: PLC0415 - only where it is installed

        with redis.Redis.from_url(os.environ["PYNENC__REDIS_URL"]) as client:
            return float(client.dbsize()), float(client.info("memory")["used_memory"])
    if name.startswith("mongo"):
        import pymongo  # noqa: PLC0415 - likewise

        with pymongo.MongoClient(os.environ["PYNENC__MONGO_URL"]) as mongo:
            stats = mongo.get_default_database("pynenc").command("dbStats")
            kept = (
                stats["objects"]
                - mongo.get_default_database("pynenc")["pynenc_signals"].estimated_document_count()
            )
            return float(kept), float(stats["dataSize"])
    path = folder / "pynenc.db"
    with contextlib.closing(sqlite3.connect(path, timeout=30)) as connection:
        names = [
            each for (each,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        counts = [connection.execute(f'SELECT count(*) FROM "{each}"').fetchone()[0] for each in names]
    return float(sum(counts)), float(path.stat().st_size)


def memory(pid: int) -> float:
    """Return the resident memory of a process, in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return float(line.split()[1]) * 1024
    return 0.0


def main() -> None:
    """Entry point."""
    measure_each("benchmarks.soak_run", __doc__, {"calls": 50_000}, measure)


if __name__ == "__main__":
    main()
