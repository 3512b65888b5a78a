"""Keeping counts in the store, each counted once.

A process writes the sum of all that it has counted into a record of its own, which nobody else changes but
to seal it. The leader seals records that were not written for a while, adds them to the totals by compare and
set, and deletes them. The totals name the parts that were added last, so whoever dies in between leaves what
the next leader finds. A process whose part was sealed goes on with a new one.
"""

from __future__ import annotations

import threading
from typing import cast

import msgspec

from pynenc.exceptions import StorageError
from pynenc.identifiers.ids import new_id
from pynenc.lifecycle.components import Components
from pynenc.recording.counts import Counts, decoded, parts_of
from pynenc.recording.recorder import FAILURE
from pynenc.state_backend.count_records import TOTALS, ProcessCounts, TotalCounts
from pynenc.storage.operations import Scalar
from pynenc.storage.record_store import Amend, Lookup, RecordWrite, Remove, Save

QUIET_S = 120.0
"""A part that was not written for so long is added to the totals."""

_PAGE = 100
_REMEMBERED = 1000
_MOST_GROUPS = 2000


class CountKeeper:
    """Writes the counts of this process.

    Args:
        components: The components; its recorder counts.
    """

    def __init__(self, components: Components) -> None:
        self._components = components
        self._name = new_id()
        self._lock = threading.Lock()
        self._part, self._seq = 0, 0
        self._base, self._written = Counts(), Counts()
        self._unsure: Counts | None = None

    def flush(self) -> None:
        """Write what was counted since the last time, if anything was.

        Raises:
            StorageError: The store is away; the next time finds out what has become of it.
        """
        with self._lock:
            counts = self._components.recorder.drain()
            if self._unsure is not None:
                self._recover(counts)
            while counts != self._written:
                if self._write(counts):
                    self._seq, self._written, self._unsure = self._seq + 1, counts, None
                elif not self._recover(counts):
                    return

    @property
    def _part_id(self) -> str:
        return f"{self._name}:{self._part}"

    def _write(self, counts: Counts) -> bool:
        store, now = self._components.state_backend, self._components.now()
        data = counts.without(self._base).encoded()
        write: RecordWrite = Save(ProcessCounts(self._part_id, 1, 0, now, data))
        if self._seq:
            values: dict[str, Scalar] = {"seq": self._seq + 1, "at": now, "data": data}
            write = Amend(ProcessCounts, self._part_id, values, {"seq": self._seq, "sealed": 0})
        try:
            return store.write([write])[0]
        except Exception:
            self._unsure = self._unsure or counts
            raise

    def _recover(self, counts: Counts) -> bool:
        """Find out what has become of a write; return whether to go on after one was refused."""
        (found,) = self._components.state_backend.read(ProcessCounts, [self._part_id])
        seq = (
            found.seq if found is not None else merged_parts(read_totals(self._components)).get(self._part_id)
        )
        if seq == self._seq + 1:  # this write or an earlier one was carried out, and the reply was lost
            is_this = found is not None and found.data == counts.without(self._base).encoded()
            self._written = counts if is_this or self._unsure is None else self._unsure
            self._seq += 1
        elif found is not None and not found.sealed:
            self._unsure = None
            return False
        self._unsure = None
        if found is None or found.sealed:
            self._base = self._written
            self._part, self._seq = self._part + 1, 0
        return True


def flush_counts(components: Components) -> None:
    """Write what the runners of this process have counted; a store that is away gets it later."""
    recorder = components.recorder
    if recorder.keeper is None:
        recorder.keeper = CountKeeper(components)
    try:
        cast(CountKeeper, recorder.keeper).flush()
    except StorageError as error:
        components.logger.debug("counts are written later: %s", error)


def read_totals(components: Components) -> TotalCounts | None:
    """Return the totals, None if nothing was added yet."""
    return components.state_backend.read(TotalCounts, [TOTALS])[0]


def merged_parts(totals: TotalCounts | None) -> dict[str, int]:
    """Return the parts that were added to the totals last, with the number of their last write."""
    try:
        return msgspec.json.decode(totals.merged, type=dict[str, int]) if totals is not None else {}
    except msgspec.MsgspecError:
        return {}


def fold(components: Components, before: float) -> int:
    """Add the parts that were last written before a moment to the totals; return how many there were.

    It may be interrupted anywhere, and run on several machines at once.
    """
    store, folded = components.state_backend, 0
    while True:
        parts = store.find(ProcessCounts, Lookup(ProcessCounts, high=before), _PAGE)
        store.write(
            [
                Amend(ProcessCounts, each.part_id, {"sealed": 1}, {"seq": each.seq, "sealed": 0})
                for each in parts
            ]
        )
        found = store.read(ProcessCounts, [each.part_id for each in parts])
        sealed = [each for each in found if each is not None and each.sealed]
        if sealed and _merge(components, sealed):
            store.write([Remove(ProcessCounts, each.part_id) for each in sealed])
            folded += len(sealed)
        if len(parts) < _PAGE or not sealed:
            return folded


def _merge(components: Components, sealed: list[ProcessCounts]) -> bool:
    """Add sealed parts to the totals; return whether they are in it now."""
    store, totals = components.state_backend, read_totals(components)
    merged = merged_parts(totals)
    new = [each for each in sealed if each.part_id not in merged]
    if not new:
        return True
    sums = decoded(totals.data) if totals is not None else Counts()
    for each in new:
        sums.add(_with_room(decoded(each.data), sums))
        merged[each.part_id] = each.seq
    kept = dict(list(merged.items())[-_REMEMBERED:])
    text, data = msgspec.json.encode(kept).decode(), sums.encoded()
    if totals is None:
        return store.write([Save(TotalCounts(TOTALS, 1, data, text))])[0]
    values: dict[str, Scalar] = {"version": totals.version + 1, "data": data, "merged": text}
    return store.write([Amend(TotalCounts, TOTALS, values, {"version": totals.version})])[0]


def _with_room(counts: Counts, sums: Counts) -> Counts:
    """Return counts without the groups of failures for which the sums have no room.

    Whatever else is counted has few labels; groups come and go with the code.
    """
    own = {each for each in counts.counters if parts_of(each)[0] == FAILURE}
    known = {each for each in sums.counters if parts_of(each)[0] == FAILURE}
    new = sorted(own - known)
    room = max(0, _MOST_GROUPS - len(known))
    for each in new[room:]:
        del counts.counters[each]
    return counts


def all_counts(components: Components) -> Counts:
    """Return what all processes have counted, those that are gone included. It never falls.

    Parts are read before the totals, and those that the totals name are left out.
    """
    parts = components.state_backend.find_all(ProcessCounts, Lookup(ProcessCounts))
    totals = read_totals(components)
    merged = merged_parts(totals)
    counts = decoded(totals.data) if totals is not None else Counts()
    for each in parts:
        if each.part_id not in merged:
            counts.add(decoded(each.data))
    return counts
