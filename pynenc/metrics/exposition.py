"""Writing the figures of an app as text.

The format is version 0.0.4 of the text format of Prometheus:
https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle.components import Components
from pynenc.lifecycle.count_keeping import all_counts
from pynenc.lifecycle.rollups import read_rolled_up, submitted_counts
from pynenc.metrics import families
from pynenc.metrics.families import Family
from pynenc.metrics.readings import Readings
from pynenc.orchestrator.base_orchestrator import StateLookup
from pynenc.recording.counts import BOUNDS, Counts, Histogram, parts_of
from pynenc.recording.recorder import OTHER, STARTED
from pynenc.state_backend.count_records import RolledUp

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_MOST_COUNTED = 100_000
_MOST_TASKS = 100


def metrics_text(components: Components, version: str) -> str:
    """Return the figures of an app in the text format of Prometheus.

    Args:
        components: The components.
        version: The version of pynenc.
    """
    lines: list[str] = []
    rolled = read_rolled_up(components)
    for family, samples in _gauges(components, version, rolled):
        lines += family_lines(
            family, [sample_line(family.name, family.labels, labels, value) for labels, value in samples]
        )
    counts = all_counts(components)
    counts.add(submitted_counts(rolled))
    lines += _counted(counts)
    return "\n".join(lines) + "\n"


def _gauges(
    components: Components, version: str, rolled: RolledUp | None
) -> Iterator[tuple[Family, list[tuple[tuple[str, ...], float]]]]:
    yield families.INFO, [((components.app_id, version), 1)]
    lookups = [StateLookup("status", status.value) for status in InvocationStatus]
    counts = components.orchestrator.count_many_states(lookups, _MOST_COUNTED)
    by_status = list(zip((each.value for each in lookups), counts, strict=True))
    yield families.INVOCATIONS, [((status,), count) for status, count in by_status]
    yield families.CAPPED, [((status,), count >= _MOST_COUNTED) for status, count in by_status]
    look = Readings(components)
    yield families.READY, [((queue,), depth.ready) for queue, depth in look.depths.items()]
    yield families.HELD, [((queue,), depth.waiting) for queue, depth in look.depths.items()]
    yield families.CONSUMERS, [((queue,), look.consumers.get(queue, 0)) for queue in look.depths]
    ages = {**{queue: 0.0 for queue, depth in look.depths.items() if not depth.ready}, **look.ages}
    yield families.AGE, [((queue,), age) for queue, age in ages.items()]
    yield families.RUNNERS, [((), len(look.alive) - len(look.workers))]
    yield families.WORKERS, [((), len(look.workers))]
    yield families.SLOTS, [((), sum(each.slots for each in look.loads))]
    yield families.BUSY, [((), sum(each.running for each in look.loads))]
    yield families.LEADER, [((), look.leader is not None)]
    yield families.ROLLED_UP, [] if rolled is None else [((), max(0.0, look.now - rolled.at))]
    yield families.CLOCK, [((), max((abs(each.clock_s) for each in look.loads), default=0.0))]
    names = {each.runner_id: f"{each.hostname}:{each.pid}" for each in look.runners}
    loads = [(names.get(each.runner_id, each.runner_id), each) for each in look.loads]
    by_process = dict(sorted(loads, key=lambda pair: pair[0])) if components.conf.metrics_per_worker else {}
    yield families.MEMORY, [((name,), each.memory) for name, each in by_process.items()]
    yield families.CPU, [((name,), each.cpu) for name, each in by_process.items()]


def _counted(counts: Counts) -> list[str]:
    """Return the lines of the counters and histograms; tasks beyond the busiest are summed up."""
    lines: list[str] = []
    for name, family in families.COUNTERS.items():
        values: Counter[tuple[str, ...]] = Counter()
        for key, number in counts.counters.items():
            kind, labels = parts_of(key)
            if kind == name:
                values[_fitting(family, labels)] += number
        lines += family_lines(
            family,
            [
                sample_line(family.name, family.labels, labels, number)
                for labels, number in sorted(values.items())
            ],
        )
    busiest = _busiest(counts)
    for name, family in families.HISTOGRAMS.items():
        sums: dict[tuple[str, ...], Histogram] = {}
        for key, histogram in counts.histograms.items():
            kind, labels = parts_of(key)
            if kind != name:
                continue
            place = _fitting(family, labels)
            if family.labels[:1] == ("task",) and place[0] not in busiest:
                place = (OTHER, *place[1:])
            sums.setdefault(place, Histogram()).add(histogram)
        samples: list[str] = []
        for place, times in sorted(sums.items()):
            samples += histogram_lines(family, place, times)
        lines += family_lines(family, samples)
    return lines


def _busiest(counts: Counts) -> set[str]:
    return {task for task, _ in Counter(counts.numbers_by(STARTED, 0)).most_common(_MOST_TASKS)}


def _fitting(family: Family, labels: list[str]) -> tuple[str, ...]:
    """Return as many labels as a family has: what newer or hostile code has written may have others."""
    return tuple((*labels, *("" for _ in family.labels))[: len(family.labels)])


def histogram_lines(family: Family, labels: tuple[str, ...], histogram: Histogram) -> Iterator[str]:
    """Yield the samples of a histogram with some labels."""
    below, names = 0, (*family.labels, "le")
    for bound, number in zip((*BOUNDS, None), histogram.buckets, strict=True):
        below += number
        edge = "+Inf" if bound is None else f"{bound:g}"
        yield sample_line(f"{family.name}_bucket", names, (*labels, edge), below)
    yield sample_line(f"{family.name}_sum", family.labels, labels, histogram.total)
    yield sample_line(f"{family.name}_count", family.labels, labels, below)


def family_lines(family: Family, samples: list[str]) -> list[str]:
    """Return a metric: what it means, and its samples."""
    return [f"# HELP {family.name} {_escaped(family.help)}", f"# TYPE {family.name} {family.kind}", *samples]


def sample_line(name: str, names: tuple[str, ...], labels: tuple[str, ...], value: float) -> str:
    """Return a sample: the name, the labels with their names, and the value."""
    pairs = ",".join(f'{key}="{_quoted(text)}"' for key, text in zip(names, labels, strict=True))
    number = f"{float(value):.17g}" if isinstance(value, float) else f"{int(value)}"
    return f"{name}{{{pairs}}} {number}" if pairs else f"{name} {number}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _quoted(text: str) -> str:
    return _escaped(text).replace('"', '\\"')
