"""pynenc beside its peers on one Redis server: `python -m benchmarks.redis_run`.

Each contender runs in a process of its own against an empty server, one after the other, several
times in turn; the best of its runs counts. Two worker processes, the same no-op task, results
stored.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.measuring import FORMS, better, measure_two_workers
from benchmarks.peers import is_installed

_TESTS = Path(__file__).parents[1] / "plugins" / "pynenc-redis" / "tests"


def measure(name: str, count: int) -> dict[str, object]:
    """All measures of one contender, in this process, on a server of its own."""
    sys.path.insert(0, str(_TESTS))
    from redis_server import RedisServer  # noqa: PLC0415 - of the plugin's tests

    from benchmarks.redis_peers.contenders import CONTENDERS  # noqa: PLC0415 - imports every client

    with tempfile.TemporaryDirectory() as folder, RedisServer(Path(folder)) as server:
        contender = CONTENDERS[name](server.url.removesuffix("/0"))
        figures = measure_two_workers(contender, count)
        return {"name": contender.name, "figures": figures}


def main() -> None:
    """Entry point."""
    names = ("pynenc", "celery", "dramatiq", "huey", "rq", "taskiq")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2000, help="invocations per measure")
    parser.add_argument("--rounds", type=int, default=2, help="runs of each contender")
    parser.add_argument("--only", choices=names, help="measure one, here, and print JSON")
    options = parser.parse_args()
    if options.only:
        print(json.dumps(measure(options.only, options.count)))
        return
    best: dict[str, dict[str, float]] = {}
    for _ in range(options.rounds):
        for name in names:
            if not is_installed("pynenc_redis" if name == "pynenc" else name):
                continue
            command = [sys.executable, "-m", "benchmarks.redis_run", "--only", name]
            command += ["--count", str(options.count)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            report = json.loads(done.stdout.splitlines()[-1])
            kept = best.setdefault(report["name"], {})
            for key, value in report["figures"].items():
                kept[key] = better(key, kept.get(key), value)
    table = Table("", *best)
    for key, (title, form) in FORMS.items():
        if all(key in figures for figures in best.values()):
            table.add_row(title, *(form.format(figures[key]) for figures in best.values()))
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
