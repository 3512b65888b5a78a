"""`pynenc demo`: a few hundred invocations, worker processes, and one of them killed."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from pynenc.app import Pynenc
from pynenc.calls.interfaces import InvocationGroup
from pynenc.cli.demo_live import live
from pynenc.cli.monitor_command import require_packages
from pynenc.cli.options import as_json
from pynenc.cli.state import console as state_console
from pynenc.cli.state import print_json
from pynenc.invocation.status import InvocationStatus
from pynenc.plugins.registry import import_object

if TYPE_CHECKING:
    from pynenc.runner.persistent_process_runner import PersistentProcessRunner
    from pynenc.task import Task

_SHOWN = (
    InvocationStatus.REGISTERED,
    InvocationStatus.RUNNING,
    InvocationStatus.SUCCESS,
    InvocationStatus.FAILED,
)
_LONGEST_S = 60.0


@dataclass(frozen=True, slots=True)
class DemoReport:
    """The findings of the demo."""

    invocations: int
    right_results: int
    workers: int
    killed_pid: int
    recovered: int
    seconds: float
    per_second: float
    round_trip_ms: float

    @property
    def ok(self) -> bool:
        """True if everything was as promised."""
        return self.right_results == self.invocations and self.recovered > 0


@click.command()
@click.option("--invocations", default=300, show_default=True, type=click.IntRange(20, 10_000))
@click.option("--workers", default=2, show_default=True, type=click.IntRange(2, 32))
@click.option("--monitor", "is_live", is_flag=True, help="Go on with calls of all kinds, and show them.")
@click.option(
    "--port", default=8484, show_default=True, type=click.IntRange(0, 65535), help="Of the monitor."
)
@as_json
def demo(invocations: int, workers: int, is_live: bool, port: int, as_json: bool) -> None:
    """Run a few hundred invocations on SQLite, kill a worker half way, and show that all finish.

    The exit code is 1 if a result is missing or wrong. With --monitor, calls of all kinds go on until you
    stop it, and the web monitor shows them.
    """
    if is_live:
        require_packages()
    folder = tempfile.mkdtemp(prefix="pynenc-demo-")
    try:
        if is_live:
            live(_app(folder, workers)[0], port)
            return
        report = _run(folder, invocations, workers, Console(stderr=as_json))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if as_json:
        print_json({**{name: getattr(report, name) for name in DemoReport.__slots__}, "ok": report.ok})
    else:
        _summary(report)
    sys.exit(0 if report.ok else 1)


def _app(folder: str, workers: int) -> tuple[Pynenc, Task[[int, float], tuple[int, int]]]:
    # The settings come from the environment, so that the workers read the same.
    os.environ["PYNENC__BACKEND"] = "sqlite"
    os.environ["PYNENC__SQLITE_DB_PATH"] = os.path.join(folder, "demo.db")
    os.environ["PYNENC__RUNNER_CLS"] = "PersistentProcessRunner"
    os.environ["PYNENC__NUM_PROCESSES"] = str(workers)
    os.environ["PYNENC__LOGGING_LEVEL"] = "error"
    task = cast("Task[[int, float], tuple[int, int]]", import_object("pynenc.cli.demo_tasks:count_primes"))
    return cast(Pynenc, task.app), task


def _run(folder: str, count: int, workers: int, console: Console) -> DemoReport:
    app, task = _app(folder, workers)
    console.print(f"app '{app.app_id}' on SQLite, {workers} worker processes, {count} invocations")
    runner = cast("PersistentProcessRunner", app.runner)
    loop = threading.Thread(target=runner.run, name="demo-runner")
    loop.start()
    try:
        return _watch(app, task, runner, count, workers, console)
    finally:
        runner.stop_runner_loop()
        loop.join()
        Pynenc.discard(app.app_id)


def _watch(
    app: Pynenc,
    task: Task[[int, float], tuple[int, int]],
    runner: PersistentProcessRunner,
    count: int,
    workers: int,
    console: Console,
) -> DemoReport:
    task(10, 0.0).wait(_LONGEST_S)  # the workers are up
    begun = time.monotonic()
    group = task.parallelize([(1000 + at, 0.02) for at in range(count)])
    killed = 0
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[states]}"),
    )
    with Progress(*columns, console=console, transient=False) as progress:
        bar = progress.add_task("running", total=count, states="")
        for done, _ in enumerate(group.as_completed(), 1):
            if not killed and done >= count // 2:
                killed = _kill_one(runner, group, console)
            _show(progress, bar, app, done, begun)
    seconds = time.monotonic() - begun
    right = sum(result[0] == _primes_below(1000 + at) for at, result in enumerate(group.results))
    recovered = sum(
        any(entry.status == InvocationStatus.RUNNING_RECOVERY for entry in invocation.history)
        for invocation in group.invocations
    )
    return DemoReport(count, right, workers, killed, recovered, seconds, count / seconds, _round_trip(task))


def _kill_one(
    runner: PersistentProcessRunner,
    group: InvocationGroup[[int, float], tuple[int, int]],
    console: Console,
) -> int:
    """Kill a worker while it runs something: it is frozen first, so that the look at its work stays true."""
    while runner.app.orchestrator.count_states(InvocationStatus.SUCCESS) <= len(group):
        for worker in runner.workers:
            os.kill(worker.pid, signal.SIGSTOP)
            running = runner.app.orchestrator.find_states(InvocationStatus.RUNNING, limit=len(group))
            if any(state.runner_id == worker.identity.runner_id for state in running):
                os.kill(worker.pid, signal.SIGKILL)
                console.print(f"killed worker process {worker.pid} in the middle of its work")
                return worker.pid
            os.kill(worker.pid, signal.SIGCONT)
    return 0  # everything has ended before a worker was found at work


def _show(progress: Progress, bar: TaskID, app: Pynenc, done: int, begun: float) -> None:
    if done % 10 and progress.tasks[bar].remaining != 0:
        progress.update(bar, completed=done)
        return
    counts = "  ".join(f"{status.value} {app.orchestrator.count_states(status)}" for status in _SHOWN)
    rate = done / max(time.monotonic() - begun, 1e-9)
    progress.update(bar, completed=done, states=f"{counts}  {rate:.0f}/s")


def _primes_below(number: int) -> int:
    return sum(all(each % factor for factor in range(2, int(each**0.5) + 1)) for each in range(2, number))


def _round_trip(task: Task[[int, float], tuple[int, int]]) -> float:
    """Return the median time from a call to its result with idle workers, in milliseconds."""
    times: list[float] = []
    for _ in range(21):
        begun = time.perf_counter()
        task(10, 0.0).wait(_LONGEST_S)
        times.append(time.perf_counter() - begun)
    return sorted(times)[10] * 1000


def _summary(report: DemoReport) -> None:
    console = state_console()
    good = "[green]yes[/green]" if report.ok else "[red]NO[/red]"
    console.print(f"all results right: {good} ({report.right_results} of {report.invocations})")
    console.print(f"killed worker {report.killed_pid}: {report.recovered} of its invocation(s) ran again")
    console.print(
        f"{report.seconds:.1f} s, {report.per_second:.0f} invocations/s of 20 ms on {report.workers} "
        f"workers, round trip with idle workers {report.round_trip_ms:.1f} ms"
    )
