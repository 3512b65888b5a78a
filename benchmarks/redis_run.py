"""pynenc beside its peers on one Redis server: `python -m benchmarks.redis_run`.

Each contender runs in a process of its own against an empty server, one after the other, several
times in turn; the best of its runs counts. Two worker processes, the same no-op task, results
stored. The last row: 100 tasks of 50 ms, every worker killed with SIGKILL when 30 are done, workers
started again, and how many have ended 15 s later.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.measuring import as_table, better, measure_two_workers
from benchmarks.peers import is_installed, until

_TASKS, _SECONDS, _KILL_AT, _PATIENCE_S = 100, 0.05, 30, 15.0
_TESTS = Path(__file__).parents[1] / "plugins" / "pynenc-redis" / "tests"


def measure(name: str, count: int) -> dict[str, object]:
    """All measures of one contender, in this process, on a server of its own."""
    sys.path.insert(0, str(_TESTS))
    from redis_server import RedisServer  # noqa: PLC0415 - of the plugin's tests

    from benchmarks.redis_peers.contenders import CONTENDERS  # noqa: PLC0415 - imports every client

    with tempfile.TemporaryDirectory() as folder, RedisServer(Path(folder)) as server:
        contender = CONTENDERS[name](server.url.removesuffix("/0"))
        figures = measure_two_workers(contender, count) if count else killed(contender)
        counts = ours_counted(contender, server.url) if name == "pynenc" else {}
        return {"name": contender.name, "figures": figures, "operations": counts}


def ours_counted(contender: Any, url: str) -> dict[str, float]:
    """Round trips of each step, and what the server did for each of 1,000 gathered invocations."""
    from benchmarks.redis_peers.contenders import commands_per_invocation  # noqa: PLC0415 - likewise

    counts: dict[str, float] = contender.operations()
    with contender.workers(2):
        contender.round_trip()
        counts.update(commands_per_invocation(url, lambda: contender.gather(1000), 1000))
    return counts


def killed(contender: Any) -> dict[str, float]:
    """How many of 100 tasks of 50 ms have ended 15 s after every worker was killed and others started."""
    from benchmarks.redis_peers.contenders import kill_workers  # noqa: PLC0415 - imports every client

    before = contender.done()
    contender.rest(_TASKS, _SECONDS)
    with contender.workers(2):
        until(lambda: contender.done() - before >= _KILL_AT)
        kill_workers()
    begun = time.monotonic()
    with contender.workers(2):
        while contender.done() - before < _TASKS and time.monotonic() - begun < _PATIENCE_S:
            time.sleep(0.02)
        ended, took = contender.done() - before, time.monotonic() - begun
        # A worker that waits for something for long need not be waited for.
        kill_workers()
    return {"after_kill": ended, "after_kill_s": took}


def main() -> None:
    """Entry point."""
    names = ("pynenc", "celery", "dramatiq", "huey", "rq", "taskiq")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2000, help="invocations per measure; 0: the kill")
    parser.add_argument("--rounds", type=int, default=2, help="runs of each contender")
    parser.add_argument("--only", choices=names, help="measure one, here, and print JSON")
    options = parser.parse_args()
    if options.only:
        print(json.dumps(measure(options.only, options.count)))
        return
    best: dict[str, dict[str, float]] = {}
    operations: dict[str, float] = {}
    counts = [options.count] * options.rounds + [0]
    for count in counts:
        for name in names:
            if not is_installed("pynenc_redis" if name == "pynenc" else name):
                continue
            command = [sys.executable, "-m", "benchmarks.redis_run", "--only", name, "--count", str(count)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            report = json.loads(done.stdout.splitlines()[-1])
            kept = best.setdefault(report["name"], {})
            operations.update(report["operations"])
            for key, value in report["figures"].items():
                kept[key] = better(key, kept.get(key), value)
    console = Console(width=140)
    console.print(as_table(best))
    for what, figure in operations.items():
        console.print(f"pynenc: {figure:.2f} per invocation: {what}")


if __name__ == "__main__":
    main()
