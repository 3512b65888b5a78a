"""Telling whether anything has moved, by the newest of each kind of record."""

from __future__ import annotations

from pynenc.invocation.data import InvocationData
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle.components import Components
from pynenc.orchestrator.base_orchestrator import StateLookup
from pynenc.state_backend.action_records import AuditEntry, Job
from pynenc.state_backend.count_records import ProcessCounts
from pynenc.state_backend.failure_records import FailureGroup
from pynenc.state_backend.log_records import LogLine
from pynenc.state_backend.progress_records import ProgressData
from pynenc.storage.record_store import Lookup, key_of
from pynenc.trigger.records import Occurrence

_KINDS = (InvocationData, FailureGroup, LogLine, AuditEntry, Job, ProgressData)
_CHANGING = ("last_at", "at", "version")
_MOST_PROCESSES = 200


def newest(components: Components) -> tuple[object, ...]:
    """Return the newest of each kind of record; it is the same again if nothing has moved but in a record.

    What changes within a record, such as a wish to cancel, is not seen.
    """
    store, now = components.state_backend, components.now()
    marks: list[object] = [
        sorted(components.orchestrator.live_runners(now - components.conf.dead_after_seconds))
    ]
    for kind in _KINDS:
        found = store.find(kind, Lookup(kind, newest_first=True), 1)
        marks += [(key_of(each), *(getattr(each, name, 0) for name in _CHANGING)) for each in found]
    for status in InvocationStatus:
        lookup = StateLookup("status", status.value, None, now + 1.0, newest_first=True)
        states = components.orchestrator.look_up(lookup, 1)
        marks.append([(each.invocation_id, each.since) for each in states])
    parts = store.find(ProcessCounts, Lookup(ProcessCounts, newest_first=True), _MOST_PROCESSES)
    marks += [(each.part_id, each.seq) for each in parts]
    runs = components.trigger.find_runs(limit=1)
    marks += [(each.run_id, each.state) for each in runs]
    events = components.trigger.find(Occurrence, Lookup(Occurrence, {"kind": "event"}, newest_first=True), 1)
    marks += [each.occurrence_id for each in events]
    return tuple(marks)
