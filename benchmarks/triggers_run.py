"""From an event to the task that it starts: `python -m benchmarks.triggers_run`.

One runner in a process of its own; events come from this process. Latency is from the call of
`emit_event` to the first line of the body. The storm emits as fast as it can and tells how long
the last task took to start, and by how much the runner's memory grew at its peak. The burst has
two runners more, and the same task called as often without any event beside it.
"""

from __future__ import annotations

import importlib
import statistics
import time
from pathlib import Path

from benchmarks.engines import engine, measure_each, our_runner, select
from benchmarks.peers import scratch, until
from pynenc import Pynenc
from pynenc.invocation.status import InvocationStatus

_MEGABYTE = 1024


def peak_kb(pid: int) -> int:
    """The most memory that a process has had, in KiB."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def _burst(app: Pynenc, count: int, is_bare: bool) -> float:
    """Return the 95th percentile, in ms, from an event, or a bare call, to the body, with many at once."""
    task = next(iter(app.tasks.values()))
    known = int(app.orchestrator.count_states(InvocationStatus.SUCCESS))
    begun: dict[int, float] = {}
    for number in range(known, known + count):
        begun[number] = time.time()
        if is_bare:
            task(number)
        else:
            app.trigger.emit_event("bench", {"number": number})
    until(lambda: int(app.orchestrator.count_states(InvocationStatus.SUCCESS)) >= known + count)
    calls = app.find_invocations(task=task, limit=count)
    return (
        statistics.quantiles([each.result - begun[each.kwargs["number"]] for each in calls], n=20)[-1] * 1000
    )


def measure(name: str, events: int, storm: int, burst: int) -> dict[str, float]:
    """All measures on one engine, in this process."""
    with scratch() as folder, engine(name, Path(folder)):
        select(name, Path(folder))
        app = importlib.import_module("benchmarks.trigger_tasks").app

        def ended() -> int:
            return int(app.orchestrator.count_states(InvocationStatus.SUCCESS))

        with our_runner("benchmarks.trigger_tasks") as pid:
            latencies = []
            for number in range(events + 10):
                begun = time.time()
                app.trigger.emit_event("bench", {"number": number}, event_id=f"e{number}")
                until(lambda number=number: ended() > number)  # type: ignore[misc]
                (run,) = app.trigger.find_runs(limit=1)
                latencies.append(app.get_invocation(run.invocation_id).result - begun)
            before = peak_kb(pid)
            begun = time.time()
            for number in range(storm):
                app.trigger.emit_event("bench", {"number": number})
            emitted = time.time() - begun
            until(lambda: ended() >= events + 10 + storm)
            until_quiet = time.time() - begun
            grew = (peak_kb(pid) - before) / _MEGABYTE
            with our_runner("benchmarks.trigger_tasks"), our_runner("benchmarks.trigger_tasks"):
                bursts = [_burst(app, burst, is_bare) for is_bare in (False, True) * 3]
            return {
                "median ms": statistics.median(latencies[10:]) * 1000,
                "90th percentile ms": statistics.quantiles(latencies[10:], n=10)[-1] * 1000,
                "emitted a second": storm / emitted,
                "storm worked off after s": until_quiet,
                "peak memory grew by MiB": grew,
                "burst, 95th percentile ms": statistics.median(bursts[::2]),
                "the same calls without events": statistics.median(bursts[1::2]),
            }


def main() -> None:
    """Entry point."""
    counts = {"events": 200, "storm": 10_000, "burst": 1000}
    measure_each("benchmarks.triggers_run", __doc__, counts, measure)


if __name__ == "__main__":
    main()
