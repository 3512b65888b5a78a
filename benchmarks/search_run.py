"""Searching among a million invocations: `python -m benchmarks.search_run [--count N]`.

The population: 60 % ended well, 5 % failed with 40 kinds of errors, 10 % wait, the others are in every
other status; 200 tasks, one in 200 the root of a workflow with members, one in 20 with tags. Each search is
made many times, of different values where it has some; the figures are milliseconds for the first page of 50.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.engines import engine, select
from pynenc import Pynenc
from pynenc.conf.tags import packed_tags
from pynenc.invocation.data import DECLARED, InvocationData
from pynenc.invocation.state import InvocationState
from pynenc.invocation.status import InvocationStatus
from pynenc.search.page import PRESS, SearchPage

_S = InvocationStatus
_BATCH = 1000
_SHARES = [(_S.SUCCESS, 0.6), (_S.FAILED, 0.05), (_S.REGISTERED, 0.1), (_S.RETRY, 0.05), (_S.RUNNING, 0.01)]
_OTHERS = [_S.CANCELLED, _S.CONCURRENCY_CONTROLLED_FINAL, _S.CONCURRENCY_CONTROLLED, _S.PAUSED]
_DAY_S = 86_400.0


def _status(draw: random.Random) -> InvocationStatus:
    left = draw.random()
    for status, share in _SHARES:
        left -= share
        if left < 0:
            return status
    return draw.choice(_OTHERS)


def _one(number: int, count: int, end: float, draw: random.Random) -> tuple[InvocationData, InvocationState]:
    invocation_id, task = f"{number:032x}", f"shop.module{draw.randrange(20)}.task{draw.randrange(10)}"
    created, status = end - _DAY_S * (count - number) / count, _status(draw)
    is_workflow = number % 200 == 0
    root = number - number % 200
    is_child = not is_workflow and number % 5 == 1
    workflow_id = f"{root:032x}" if is_child else invocation_id
    error = f"Error{draw.randrange(40)}" if status in (_S.FAILED, _S.RETRY) else None
    tags = packed_tags({"customer": str(draw.randrange(1000))}) if number % 20 == 0 else None
    data = InvocationData(
        invocation_id,
        task,
        msgspec.json.encode({"order": str(number), "note": f'"for customer {number % 977}"'}).decode(),
        created,
        workflow_id,
        task,
        None,
        workflow_id if is_child else None,
        "client",
        family=workflow_id if is_child else None,
        workflow_kind=DECLARED if is_workflow else None,
        tags=tags,
    )
    changed = created + draw.random() * 60
    state = InvocationState(
        invocation_id,
        task,
        status,
        runner_id="runner" if status.needs_owner else None,
        claim=1,
        changed_at=changed,
        since=changed,
        queue="default" if draw.random() < 0.9 else "bulk",
        is_workflow=int(is_workflow),
        failed_task=task if status == _S.FAILED else None,
        error_type=error,
        workflow_status=status.value if is_workflow else None,
        is_tagged=int(tags is not None),
    )
    return data, state


def populate(app: Pynenc, count: int) -> None:
    """Store so many invocations."""
    draw, end = random.Random(7), app.orchestrator.now()
    for start in range(0, count, _BATCH):
        pairs = [_one(number, count, end, draw) for number in range(start, min(start + _BATCH, count))]
        app.state_backend.save_invocations([data for data, _ in pairs])
        app.orchestrator.register([state for _, state in pairs], "client")


def _searches(count: int) -> dict[str, Callable[[random.Random], str]]:
    def task(draw: random.Random) -> str:
        return f"shop.module{draw.randrange(20)}.task{draw.randrange(10)}"

    return {
        "everything": lambda draw: "",
        "status:success": lambda draw: "status:success",
        "status:failed,retry": lambda draw: "status:failed,retry",
        "status:running": lambda draw: "status:running",
        "task": lambda draw: f"task:{task(draw)}",
        "task, status:failed": lambda draw: f"task:{task(draw)} status:failed",
        "task, status:success": lambda draw: f"task:{task(draw)} status:success",
        "task, status:running": lambda draw: f"task:{task(draw)} status:running",
        "error": lambda draw: f"error:Error{draw.randrange(40)}",
        "tag": lambda draw: f"tag:customer={draw.randrange(1000)}",
        "tag, status:failed": lambda draw: f"tag:customer={draw.randrange(1000)} status:failed",
        "is:workflow": lambda draw: "is:workflow",
        "is:workflow, status:failed": lambda draw: "is:workflow status:failed",
        "workflow": lambda draw: f"workflow:{draw.randrange(count // 200) * 200:032x}",
        "parent": lambda draw: f"parent:{draw.randrange(count // 200) * 200:032x}",
        "id": lambda draw: f"{draw.randrange(count):032x}",
        "until:12h": lambda draw: "until:12h",
        "queue:bulk": lambda draw: "queue:bulk",
        "queue:bulk, status:registered": lambda draw: "queue:bulk status:registered",
        "arg, one press": lambda draw: 'arg:"nowhere to be found"',
    }


def measure(app: Pynenc, count: int, times: int) -> dict[str, tuple[float, float, SearchPage]]:
    """Return the median and the 95th percentile of each search in milliseconds, and its last page."""
    found: dict[str, tuple[float, float, SearchPage]] = {}
    draw = random.Random(11)
    for name, line in _searches(count).items():
        app.search(line(draw))
        took: list[float] = []
        for _ in range(times):
            text = line(draw)
            begun = time.perf_counter()
            page = app.search(text, 50, None, PRESS)
            took.append((time.perf_counter() - begun) * 1000)
        found[name] = (statistics.median(took), statistics.quantiles(took, n=20)[-1], page)
    return found


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=60)
    parser.add_argument("--engines", default="sqlite,redis,mongo")
    options = parser.parse_args()
    console = Console()
    results: dict[str, dict[str, tuple[float, float, SearchPage]]] = {}
    for name in options.engines.split(","):
        with tempfile.TemporaryDirectory() as folder, engine(name, Path(folder)):
            select(name, Path(folder))
            app = Pynenc({"app_id": f"bench-search-{name}"})
            begun = time.perf_counter()
            populate(app, options.count)
            console.print(
                f"{name}: {options.count:,} invocations stored in {time.perf_counter() - begun:.0f} s"
            )
            results[name] = measure(app, options.count, options.times)
            Pynenc.discard(app.app_id)
            for search, (middle, most, page) in results[name].items():
                found = f"{len(page.rows)} of {page.searched:,}"
                print(f"{name}: {search}: {middle:.1f} / {most:.1f} ms, {found}, {page.plan}", flush=True)
    table = Table("search", *(f"{name}, p50 / p95 ms" for name in results), "rows", "looked at")
    for search in _searches(options.count):
        cells = [f"{results[name][search][0]:.1f} / {results[name][search][1]:.1f}" for name in results]
        page = next(iter(results.values()))[search][2]
        table.add_row(search, *cells, str(len(page.rows)), f"{page.searched:,}")
    console.print(table)


if __name__ == "__main__":
    main()
