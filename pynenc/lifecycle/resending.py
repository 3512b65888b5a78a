"""Messages that may be missing are sent again, as the records say.

A record that can be run has a message in its queue. Of a broker that is exact a message is missing only
after a crash between two writes, or after a purge, and pushing one that is queued already does nothing. Of
any other broker messages get lost, delayed ones are not held back, and one that is pushed twice is there
twice. There the age of a record decides: it is sent again when it has waited for a while, for twice that, and
so on, so that a long queue gets a handful of repetitions and not one with every pass.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import TypeAlias

import msgspec

from pynenc.broker.base_broker import Message
from pynenc.invocation.state import InvocationState
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle.components import Components
from pynenc.lifecycle.submission import message_for
from pynenc.storage.operations import Cursor

_PAGE = 200
_MOST_PUSHED = 10_000
SETTLE_S = 5.0
"""How old a record must be before it counts as left behind half way, or without a message."""
DUE_LOOK_S = 1.0
"""How often delayed messages are looked for that the broker does not hold back."""
_UNKNOWN_S, _BUSY_S, _EMPTY_S = 10.0, 60.0, 10.0
_OLDEST = 30
BacklogOf: TypeAlias = Callable[[str], int | None]
_AVAILABLE = tuple(each for each in InvocationStatus if each.is_available)


def pages(
    components: Components, status: InvocationStatus, before: float | None, since: float | None = None
) -> Iterator[list[InvocationState]]:
    """Return records with a status in batches, oldest first.

    Args:
        components: The components.
        status: Which status.
        before: Only those whose status counts since before this time, in seconds since the epoch.
        since: Only those whose status counts since this time or later.
    """
    after = None if since is None else Cursor(since, "")
    while True:
        states = components.orchestrator.find_states(status, before, _PAGE, after)
        if states:
            yield states
        if len(states) < _PAGE:
            return
        after = Cursor(states[-1].since, states[-1].invocation_id)


def push_forgotten(components: Components, before: float) -> int:
    """Push records that can be run and whose message may be lost, at most 10,000 of them.

    A queue that holds ready messages is left alone: its runners have work, and what is missing
    is found when they are through with it.

    Returns:
        How many were pushed.
    """
    backlog_of = cache(components.broker.backlog)
    pushed = 0
    for status in _AVAILABLE:
        for states in pages(components, status, before):
            lost = [state for state in states if not backlog_of(state.queue)]
            if not lost or pushed >= _MOST_PUSHED:
                break
            components.broker.push(_messages(components, lost))
            pushed += len(lost)
    return pushed


class Resending:
    """Sends again what is missing, pass by pass, on the runner that leads.

    Args:
        components: Of the app.
    """

    def __init__(self, components: Components) -> None:
        self._components = components
        self._looked_at: float | None = None
        self._aged_at: float | None = None
        self._emptied_at: dict[str, float] = {}

    def push_due(self, now: float) -> int:
        """Push delayed messages whose time has come since the last look; return how many."""
        if self._components.broker.is_exact:
            return 0
        since = self._since(self._looked_at, now)
        self._looked_at, pushed = now, 0
        for status in _AVAILABLE:
            for states in pages(self._components, status, now, since):
                due = [state for state in states if state.not_before]
                pushed += self._push(due)
        return pushed

    def push_lost(self, now: float) -> int:
        """Push what may be lost; return how many."""
        if self._components.broker.is_exact:
            return push_forgotten(self._components, now - SETTLE_S)
        backlog_of = cache(self._components.broker.backlog)
        since = self._since(self._aged_at, now)
        is_first, self._aged_at = self._aged_at is None, now
        pushed = self._push_into_empty(backlog_of, now, is_first)
        for status in _AVAILABLE:
            oldest = self._components.orchestrator.find_states(status, now - _UNKNOWN_S, 1)
            if oldest:
                pushed += self._push_aged(status, backlog_of, since, now, now - oldest[0].since)
        return pushed

    def _since(self, last: float | None, now: float) -> float:
        """Return the time of the last pass, or where there was none, of the last of another leader."""
        conf = self._components.conf
        return now - conf.dead_after_seconds - 2 * conf.housekeeping_seconds if last is None else last

    def _push_into_empty(self, backlog_of: BacklogOf, now: float, with_unknown: bool) -> int:
        """Push all that waits for queues that are empty, each queue at most once in a while."""
        waited = {queue for queue, at in self._emptied_at.items() if now - at < _EMPTY_S}
        chosen: set[str] = set()
        pushed = 0
        for status in _AVAILABLE:
            for states in pages(self._components, status, now - SETTLE_S):
                lost = []
                for state in states:
                    backlog = backlog_of(state.queue)
                    if state.queue not in waited and (backlog == 0 or (backlog is None and with_unknown)):
                        lost.append(state)
                if not lost or pushed >= _MOST_PUSHED:
                    break
                chosen.update(state.queue for state in lost)
                pushed += self._push(lost)
        self._emptied_at = {queue: self._emptied_at[queue] for queue in waited}
        self._emptied_at.update(dict.fromkeys(chosen, now))
        return pushed

    def _push_aged(
        self, status: InvocationStatus, backlog_of: BacklogOf, since: float, now: float, oldest_s: float
    ) -> int:
        """Push what has become old enough to be sent again since the last pass."""
        pushed = 0
        for doubled in range(min(_OLDEST, int(math.log2(max(1.0, oldest_s / _UNKNOWN_S))) + 1)):
            age_s = _UNKNOWN_S * 2**doubled
            for states in pages(self._components, status, now - age_s, since - age_s):
                aged = [state for state in states if backlog_of(state.queue) is None or age_s >= _BUSY_S]
                pushed += self._push(aged)
                if pushed >= _MOST_PUSHED:
                    return pushed
        return pushed

    def _push(self, states: Sequence[InvocationState]) -> int:
        if states:
            self._components.broker.push(_messages(self._components, states))
        return len(states)


def _messages(components: Components, states: Sequence[InvocationState]) -> list[Message]:
    """Return messages of records; those that are due are not delayed."""
    now = components.now()
    return [
        msgspec.structs.replace(message_for(state), not_before=0.0)
        if state.not_before <= now
        else message_for(state)
        for state in states
    ]
