"""Deleting what was kept about the work that was done, a page at a time."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from pynenc.lifecycle.components import Components
from pynenc.state_backend.action_records import AuditEntry, Job, JobState
from pynenc.state_backend.alert_records import AlertData, AlertState
from pynenc.state_backend.count_records import Rollup, RunnerLoad
from pynenc.state_backend.failure_records import FailureGroup, FailureSample
from pynenc.state_backend.log_records import LogLine
from pynenc.storage.record_store import Lookup, Remove, key_of

MOST_KEPT = 50_000
"""The most log lines that are kept, and the most failures."""

_PAGE = 200

Going = Iterator[int]
"""Goes over one kind of leftovers; yields how many each page deleted."""


def old_rollups(components: Components, span: str, before: float) -> Going:
    """Delete rollups that end before a moment; yield how many each page deleted."""
    return _old(components, Lookup(Rollup, {"span": span}, high=before))


def old_loads(components: Components, before: float) -> Going:
    """Delete the loads of runners that have told none since a moment; yield how many each page deleted."""
    return _old(components, Lookup(RunnerLoad, high=before))


def old_alerts(components: Components, before: float) -> Going:
    """Delete alerts that were over before a moment; yield how many each page deleted."""
    return _old(components, Lookup(AlertData, {"state": AlertState.OVER.value}, high=before))


def old_actions(components: Components, before: float) -> Going:
    """Delete what people did before a moment, and jobs that were over then, likewise."""
    yield from _old(components, Lookup(AuditEntry, high=before))
    for state in JobState:
        if state.is_over:
            yield from _old(components, Lookup(Job, {"state": state.value}, high=before))


def old_failure_groups(components: Components, before: float) -> Going:
    """Delete groups that have not failed since a moment; yield how many each page deleted."""
    return _old(components, Lookup(FailureGroup, high=before))


def old_failure_samples(components: Components, before: float) -> Going:
    """Delete failures that were before a moment, and the oldest beyond 50,000, likewise."""
    return _bounded(components, Lookup(FailureSample), before)


def old_log_lines(components: Components, before: float) -> Going:
    """Delete log lines that were made before a moment, and the oldest beyond 50,000, likewise."""
    return _bounded(components, Lookup(LogLine), before)


def _bounded(components: Components, lookup: Lookup, before: float) -> Going:
    yield from _old(components, msgspec.structs.replace(lookup, high=before))
    store, record_type = components.state_backend, lookup.record_type
    beyond = store.count(lookup) - MOST_KEPT
    while beyond > 0:
        old = store.find(record_type, lookup, min(beyond, _PAGE))
        store.write([Remove(record_type, key_of(each)) for each in old])
        beyond -= len(old) or beyond
        yield len(old)


def _old(components: Components, lookup: Lookup) -> Going:
    store = components.state_backend
    order = store.order_of(lookup)
    while old := store.find(lookup.record_type, lookup, _PAGE):
        removes = [Remove(lookup.record_type, key_of(each), {order: getattr(each, order)}) for each in old]
        store.write(removes)
        yield len(old)
