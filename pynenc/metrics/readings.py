"""Looks at an app that metrics and alerts share: who is alive, what waits, and for how long."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

import msgspec

from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle.components import Components
from pynenc.lifecycle.leadership import leader
from pynenc.recording.counts import Counts
from pynenc.state_backend.base_state_backend import RunnerData
from pynenc.state_backend.count_records import MINUTE, Rollup, RunnerLoad
from pynenc.storage.operations import Cursor, QueueDepth
from pynenc.storage.record_store import Lookup

RECENT_S = 300.0
"""The time by which people judge what happens of late, in seconds."""

_MOST_QUEUES = 200
_PAGE, _MOST_PAGES = 500, 5
AVAILABLE = tuple(status for status in InvocationStatus if status.is_available)


class Readings:
    """One look at an app; each part of it is read at its first use, and once.

    Args:
        components: The components.
    """

    def __init__(self, components: Components) -> None:
        self._components = components
        self._recent: dict[tuple[float, bool], Counts] = {}

    @cached_property
    def now(self) -> float:
        """The time of the shared clock, in seconds since the epoch."""
        return self._components.now()

    @cached_property
    def alive(self) -> Sequence[str]:
        """The ids of the live runners and workers."""
        components = self._components
        return components.orchestrator.live_runners(self.now - components.conf.dead_after_seconds)

    @cached_property
    def runners(self) -> list[RunnerData]:
        """The live runners and workers that have said who they are."""
        found = self._components.state_backend.read_runners(self.alive)
        return [each for each in found if each is not None]

    @property
    def workers(self) -> list[RunnerData]:
        """The live worker processes."""
        return [each for each in self.runners if each.parent_id is not None]

    @cached_property
    def consumers(self) -> Mapping[str, int]:
        """The number of live runners that consume each queue, and do not drain; workers do it for theirs."""
        found: Counter[str] = Counter()
        for data in self.runners:
            if data.parent_id is None and data.queues and not data.is_draining:
                found.update(set(_names(data.queues)))
        return found

    @cached_property
    def depths(self) -> dict[str, QueueDepth]:
        """The depths of the queues."""
        queues = self._components.broker.queues()[:_MOST_QUEUES]
        return self._components.broker.depth(sorted({*queues, *self.consumers}))

    @cached_property
    def ages(self) -> dict[str, float]:
        """For how many seconds what is due longest has waited, by queue.

        Of each status the 2,500 that have waited longest are looked at, and fewer once all queues with ready
        messages are among them; a queue that is not is left out.
        """
        wanted = {queue for queue, depth in self.depths.items() if depth.ready}
        oldest: dict[str, float] = {}
        for status in AVAILABLE:
            after: Cursor | None = None
            for _ in range(_MOST_PAGES):
                find = self._components.orchestrator.find_states
                states = find(status, self.now, _PAGE, after)
                for state in states:
                    due = max(state.since, state.not_before)
                    if due <= self.now:
                        oldest[state.queue] = min(due, oldest.get(state.queue, due))
                if len(states) < _PAGE or wanted <= oldest.keys():
                    break
                after = Cursor(states[-1].since, states[-1].invocation_id)
        return {queue: self.now - due for queue, due in oldest.items()}

    @cached_property
    def loads(self) -> list[RunnerLoad]:
        """The loads of live runners and workers."""
        found = self._components.state_backend.read(RunnerLoad, self.alive)
        return [each for each in found if each is not None]

    @cached_property
    def leader(self) -> str | None:
        """The live runner that does the housekeeping, None if there is none."""
        return leader(self._components)

    def recent(self, seconds: float, with_pauses: bool = False) -> Counts:
        """Return what was counted in the minutes that ended in the last seconds.

        Args:
            seconds: How many.
            with_pauses: Whether what was counted before a longer pause of all runners, and rolled up after
                it, is a part of it.
        """
        found = self._recent.get((seconds, with_pauses))
        if found is None:
            found = self._recent[seconds, with_pauses] = Counts()
            lookup = Lookup(Rollup, {"span": MINUTE}, self.now - seconds)
            for each in self._components.state_backend.find_all(Rollup, lookup):
                if with_pauses or each.at - each.begun <= seconds:
                    found.add(each.counts)
        return found


def _names(text: str) -> Iterable[str]:
    try:
        return msgspec.json.decode(text, type=list[str])
    except msgspec.MsgspecError:
        return []
