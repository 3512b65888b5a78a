"""Deleting what was kept about the work that was done, a page at a time."""

from __future__ import annotations

from collections.abc import Iterator

from pynenc.lifecycle.components import Components
from pynenc.state_backend.alert_records import AlertData, AlertState
from pynenc.state_backend.count_records import Rollup, RunnerLoad
from pynenc.state_backend.log_records import LogLine
from pynenc.storage.record_store import Lookup, Remove, key_of

MOST_LINES = 50_000
"""The most log lines that are kept."""

_PAGE = 200


def old_rollups(components: Components, span: str, before: float) -> Iterator[int]:
    """Delete rollups that end before a moment; yield how many each page deleted."""
    return _old(components, Lookup(Rollup, {"span": span}, high=before))


def old_loads(components: Components, before: float) -> Iterator[int]:
    """Delete the loads of runners that have told none since a moment; yield how many each page deleted."""
    return _old(components, Lookup(RunnerLoad, high=before))


def old_alerts(components: Components, before: float) -> Iterator[int]:
    """Delete alerts that were over before a moment; yield how many each page deleted."""
    return _old(components, Lookup(AlertData, {"state": AlertState.OVER.value}, high=before))


def old_log_lines(components: Components, before: float) -> Iterator[int]:
    """Delete log lines that were made before a moment, and the oldest beyond 50,000, likewise."""
    yield from _old(components, Lookup(LogLine, high=before))
    store = components.state_backend
    beyond = store.count(Lookup(LogLine)) - MOST_LINES
    while beyond > 0:
        old = store.find(LogLine, Lookup(LogLine), min(beyond, _PAGE))
        store.write([Remove(LogLine, each.line_id) for each in old])
        beyond -= len(old) or beyond
        yield len(old)


def _old(components: Components, lookup: Lookup) -> Iterator[int]:
    store = components.state_backend
    order = store.order_of(lookup)
    while old := store.find(lookup.record_type, lookup, _PAGE):
        removes = [Remove(lookup.record_type, key_of(each), {order: getattr(each, order)}) for each in old]
        store.write(removes)
        yield len(old)
