"""Writing the figures of an app as text.

The format is version 0.0.4 of the text format of Prometheus:
https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle.components import Components
from pynenc.lifecycle.count_keeping import all_counts
from pynenc.lifecycle.leadership import leader
from pynenc.metrics import families
from pynenc.metrics.families import Family
from pynenc.orchestrator.base_orchestrator import StateLookup
from pynenc.recording.counts import BOUNDS, Counts, Histogram, parts_of
from pynenc.state_backend.base_state_backend import RunnerData

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_MOST_COUNTED = 100_000
_MOST_QUEUES = 200
_MOST_TASKS = 100
_OTHER = "other"


def metrics_text(components: Components, version: str) -> str:
    """Return the figures of an app in the text format of Prometheus.

    Args:
        components: The components.
        version: The version of pynenc.
    """
    lines: list[str] = []
    for family, samples in _gauges(components, version):
        lines += _family(
            family, [_sample(family.name, family.labels, labels, value) for labels, value in samples]
        )
    lines += _counted(all_counts(components))
    return "\n".join(lines) + "\n"


def _gauges(
    components: Components, version: str
) -> Iterator[tuple[Family, list[tuple[tuple[str, ...], float]]]]:
    yield families.INFO, [((components.app_id, version), 1)]
    lookups = [StateLookup("status", status.value) for status in InvocationStatus]
    counts = components.orchestrator.count_many_states(lookups, _MOST_COUNTED)
    by_status = list(zip((each.value for each in lookups), counts, strict=True))
    yield families.INVOCATIONS, [((status,), count) for status, count in by_status]
    yield families.CAPPED, [((status,), count >= _MOST_COUNTED) for status, count in by_status]
    alive = components.orchestrator.live_runners(components.now() - components.conf.dead_after_seconds)
    runners = components.state_backend.read_runners(alive)
    consumers = _consumers(runners)
    depths = components.broker.depth(sorted({*components.broker.queues()[:_MOST_QUEUES], *consumers}))
    yield families.READY, [((queue,), depth.ready) for queue, depth in depths.items()]
    yield families.HELD, [((queue,), depth.waiting) for queue, depth in depths.items()]
    yield families.CONSUMERS, [((queue,), consumers.get(queue, 0)) for queue in depths]
    workers = sum(data is not None and data.parent_id is not None for data in runners)
    yield families.RUNNERS, [((), len(alive) - workers)]
    yield families.WORKERS, [((), workers)]
    yield families.LEADER, [((), leader(components) is not None)]


def _consumers(runners: Iterable[RunnerData | None]) -> Mapping[str, int]:
    """Return how many live runners consume each queue; worker processes do it for theirs."""
    found: Counter[str] = Counter()
    for data in runners:
        if data is not None and data.parent_id is None and data.queues:
            found.update(set(msgspec.json.decode(data.queues, type=list[str])))
    return found


def _counted(counts: Counts) -> list[str]:
    """Return the lines of the counters and histograms; tasks beyond the busiest are summed up."""
    lines: list[str] = []
    for name, family in families.COUNTERS.items():
        values: Counter[tuple[str, ...]] = Counter()
        for key, number in counts.counters.items():
            kind, labels = parts_of(key)
            if kind == name:
                values[_fitting(family, labels)] += number
        lines += _family(
            family,
            [
                _sample(family.name, family.labels, labels, number)
                for labels, number in sorted(values.items())
            ],
        )
    busiest = _busiest(counts)
    for name, family in families.HISTOGRAMS.items():
        sums: dict[tuple[str, ...], Counts] = {}
        for key, histogram in counts.histograms.items():
            kind, labels = parts_of(key)
            if kind != name:
                continue
            task, *others = _fitting(family, labels)
            place = (task if task in busiest else _OTHER, *others)
            sums.setdefault(place, Counts()).add(Counts({}, {"": histogram}))
        samples = [
            line
            for labels, one in sorted(sums.items())
            for line in _histogram(family, labels, one.histograms[""])
        ]
        lines += _family(family, samples)
    return lines


def _busiest(counts: Counts) -> set[str]:
    runs: Counter[str] = Counter()
    for key, number in counts.counters.items():
        kind, labels = parts_of(key)
        if kind == "started" and labels:
            runs[labels[0]] += number
    return {task for task, _ in runs.most_common(_MOST_TASKS)}


def _fitting(family: Family, labels: list[str]) -> tuple[str, ...]:
    """Return as many labels as a family has: what newer or hostile code has written may have others."""
    return tuple((*labels, *("" for _ in family.labels))[: len(family.labels)])


def _histogram(family: Family, labels: tuple[str, ...], histogram: Histogram) -> Iterator[str]:
    below, names = 0, (*family.labels, "le")
    for bound, number in zip((*BOUNDS, None), histogram.buckets, strict=True):
        below += number
        edge = "+Inf" if bound is None else f"{bound:g}"
        yield _sample(f"{family.name}_bucket", names, (*labels, edge), below)
    yield _sample(f"{family.name}_sum", family.labels, labels, histogram.total)
    yield _sample(f"{family.name}_count", family.labels, labels, below)


def _family(family: Family, samples: list[str]) -> list[str]:
    return [f"# HELP {family.name} {_escaped(family.help)}", f"# TYPE {family.name} {family.kind}", *samples]


def _sample(name: str, names: tuple[str, ...], labels: tuple[str, ...], value: float) -> str:
    pairs = ",".join(f'{key}="{_quoted(text)}"' for key, text in zip(names, labels, strict=True))
    number = f"{float(value):.17g}" if isinstance(value, float) else f"{int(value)}"
    return f"{name}{{{pairs}}} {number}" if pairs else f"{name} {number}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _quoted(text: str) -> str:
    return _escaped(text).replace('"', '\\"')
