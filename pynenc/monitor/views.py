"""The contents of pages, read from the components; nothing here imports or runs code of users."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import msgspec

from pynenc.alerts.watching import alerts
from pynenc.conf.tags import tag_texts
from pynenc.exceptions import SearchError
from pynenc.explaining.findings import many
from pynenc.invocation.data import InvocationData
from pynenc.invocation.state import InvocationState
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle.components import Components
from pynenc.metrics.history import Activity, history
from pynenc.metrics.readings import RECENT_S, Readings
from pynenc.monitor.masking import Masking
from pynenc.monitor.shown import Context
from pynenc.orchestrator.base_orchestrator import StateLookup
from pynenc.recording.recorder import STARTED
from pynenc.search.filters import Filter
from pynenc.search.page import PRESS, FoundInvocation
from pynenc.search.query_text import parse_query, quoted, words_of
from pynenc.search.scan import search
from pynenc.state_backend.alert_records import AlertState
from pynenc.state_backend.log_records import LogLine
from pynenc.storage.record_store import Lookup

_MOST_COUNTED, _MOST_IN_LIST = 10_000, 1_000
_STEPS = 60
_ROWS = 50
_CHILDREN = 10
_LONGEST = 120


class Views:
    """The contents of the pages of one app.

    Args:
        components: The components.
        masking: Shows stored texts.
    """

    def __init__(self, components: Components, masking: Masking) -> None:
        self._components = components
        self._masking = masking

    def overview(self, hours: float) -> Context:
        """Return what is being done, and what is wrong."""
        components = self._components
        look = Readings(components)
        steps = min(_STEPS, max(1, int(hours * 60)))
        points = history(components, look.now - hours * 3600, look.now, hours * 3600 / steps)
        statuses = self._statuses(_MOST_COUNTED)
        firing = self._alert_rows((AlertState.FIRING,))
        failed = search(components, Filter(statuses=("failed",)), 5, None, PRESS, None).rows
        return {
            "now": look.now,
            "hours": hours,
            "verdict": verdict(look, points, len(firing), dict(statuses)),
            "alerts": firing,
            "statuses": statuses,
            "most": _MOST_COUNTED,
            "points": points,
            "failed": [self.row(each) for each in failed],
            "queues": self._queue_rows(look)[:10],
        }

    def invocations(
        self, line: str, cursor: str | None, limit: int = _ROWS, has_argument: bool = False
    ) -> Context:
        """Return a page of the invocations that fit a line of search.

        Args:
            line: The line.
            cursor: The place behind which the page begins; None for the first.
            limit: The largest number of rows.
            has_argument: Whether a row has the text of the first argument.

        Raises:
            SearchError: The line cannot be understood, or the cursor belongs to another search.
        """
        now = self._components.now()
        wanted = parse_query(line, now)
        if wanted.without is not None and wanted.without.text is not None:
            raise SearchError("the monitor does not search by '-arg:', which could tell of masked values")
        page = search(self._components, wanted, limit, cursor, PRESS, None)
        rows = [each for each in page.rows if wanted.text is None or self._shows(each.data, wanted.text)]
        return {
            "now": now,
            "line": line,
            "chips": _chips(line),
            "narrower": _narrower(line, rows),
            "rows": [self.row(each, has_argument) for each in rows],
            "cursor": page.cursor,
            "searched": page.searched,
            "plan": page.plan,
            "order": page.order,
            "is_complete": page.is_complete,
            "facets": [] if line or cursor else self._statuses(_MOST_IN_LIST),
            "most": _MOST_IN_LIST,
        }

    def _statuses(self, most: int) -> list[tuple[str, int]]:
        """Return how many invocations have each status, up to a number, without those that none has."""
        lookups = [StateLookup("status", status.value) for status in InvocationStatus]
        counts = self._components.orchestrator.count_many_states(lookups, most)
        return [(each.value, number) for each, number in zip(InvocationStatus, counts, strict=True) if number]

    def _shows(self, data: InvocationData, text: str) -> bool:
        """Return whether a text is among what is shown of arguments, so that a search tells no more."""
        low = text.lower()
        return any(
            low in f"{name} {shown}".lower() for name, shown in self._masking.arguments(data.arguments)
        )

    def queues(self) -> Context:
        """Return the queues: how full they are, how old, and who consumes them."""
        look = Readings(self._components)
        return {"now": look.now, "queues": self._queue_rows(look)}

    @staticmethod
    def _queue_rows(look: Readings) -> list[Context]:
        started = look.recent(RECENT_S).numbers_by(STARTED, 1)
        rows = [
            {
                "name": name,
                "waiting_line": None if (text := quoted(name)) is None else f"{_WAITING} queue:{text}",
                "ready": depth.ready,
                "waiting": depth.waiting,
                "age": look.ages.get(name),
                "consumers": look.consumers.get(name, 0),
                "a_minute": started.get(name, 0) / (RECENT_S / 60),
            }
            for name, depth in look.depths.items()
        ]
        return sorted(rows, key=lambda row: (-row["ready"], row["name"]))

    def runners(self) -> Context:
        """Return the live runners with their workers and loads."""
        look = Readings(self._components)
        loads = {each.runner_id: each for each in look.loads}
        workers: dict[str | None, list[Any]] = {}
        for each in look.runners:
            workers.setdefault(each.parent_id, []).append((each, loads.get(each.runner_id)))
        known = {each.runner_id for each in look.runners}
        tops = [pair for parent, pairs in workers.items() if parent not in known for pair in pairs]
        return {"now": look.now, "leader": look.leader, "runners": tops, "workers": workers}

    def alerts(self) -> Context:
        """Return the alerts, the newest first."""
        return {"now": self._components.now(), "alerts": self._alert_rows(tuple(AlertState))}

    def _alert_rows(self, states: Collection[AlertState]) -> list[Context]:
        return [
            {**msgspec.structs.asdict(each), "text": self._masking.text(each.text)}
            for each in alerts(self._components, states)
        ]

    def logs(self) -> Context:
        """Return the latest log lines."""
        lines = self._components.state_backend.find(LogLine, Lookup(LogLine, newest_first=True), 200)
        return {"now": self._components.now(), "lines": [log_line(each, self._masking) for each in lines]}

    def row(self, found: FoundInvocation, has_argument: bool = False) -> Context:
        """Return what lists show of an invocation."""
        data, state = found
        first = self._masking.arguments(data.arguments)[:1] if has_argument else []
        argument = {"argument": "=".join(first[0])[:_LONGEST]} if first else {}
        return {
            **argument,
            "id": data.invocation_id,
            "task": data.task_id,
            "status": state.status.value,
            "reason": self._masking.text(_reason(data, state)),
            "created": data.created_at,
            "since": state.changed_at,
            "attempts": state.retries + 1,
            "queue": state.queue,
            "tags": self._masking.tags(tag_texts(data.tags)),
        }


def _chips(line: str) -> list[Context]:
    """Return the conditions of a search, each with the line without it and with its opposite."""
    words = [word for _, word in words_of(line)]

    def but(at: int, *instead: str) -> str:
        return " ".join([*words[:at], *instead, *words[at + 1 :]])

    return [
        {
            "word": word,
            "without": but(at),
            "opposite": but(at, word[1:] if word.startswith("-") else f"-{word}")
            if _can_turn(word)
            else None,
        }
        for at, word in enumerate(words[:_MOST_CHIPS])
    ]


def _can_turn(word: str) -> bool:
    """Return whether the monitor searches by the opposite of a condition, too."""
    return ":" in word and not word.startswith("arg:")


def _turned(word: str) -> str:
    return word[1:] if word.startswith("-") else f"-{word}"


def _narrower(line: str, rows: Sequence[FoundInvocation]) -> list[tuple[str, str]]:
    """Return conditions by which what was found can be narrowed, each with the line that has it besides."""
    words = {word for _, word in words_of(line)}
    found: dict[str, None] = {}
    for name, of in _NARROWING:
        values = dict.fromkeys(of(each) for each in rows)
        if len(values) > 1 and not any(word.startswith(f"{name}:") for word in words):
            shown = [text for value in list(values)[:_MOST_VALUES] if (text := quoted(value)) is not None]
            found |= dict.fromkeys(f"{name}:{text}" for text in shown)
    return [(word, f"{line} {word}".strip()) for word in found]


_WAITING = "status:" + ",".join(each.value for each in InvocationStatus if each.counts_as_waiting)
_MOST_CHIPS, _MOST_VALUES = 50, 6
_NARROWING: tuple[tuple[str, Callable[[FoundInvocation], str]], ...] = (
    ("status", lambda row: row.state.status.value),
    ("task", lambda row: row.data.task_id),
    ("queue", lambda row: row.state.queue),
)


def log_line(line: LogLine, masking: Masking) -> Context:
    """Return what is shown of a kept log line."""
    text, logger = masking.text(line.text), masking.text(line.logger)
    return {**msgspec.structs.asdict(line), "text": text, "logger": logger}


def _reason(data: InvocationData, state: InvocationState) -> str:
    """Return why a record is in its status, in a few words."""
    if state.error_type and state.status in (InvocationStatus.FAILED, InvocationStatus.RETRY):
        return state.error_type
    if state.is_parked and state.waits_for:
        return f"waits for {state.waits_for}"
    return "asked to end" if state.cancel_requested and not state.status.final else ""


def verdict(
    look: Readings, points: list[Activity], firing: int, statuses: Mapping[str, int]
) -> tuple[str, str]:
    """Return how the app does: `good`, `idle` or `bad`, and in words."""
    runners = len(look.alive) - len(look.workers)
    ready = sum(depth.ready for depth in look.depths.values())
    held = sum(number for status, number in statuses.items() if status in _HELD)
    if firing:
        return "bad", f"{many(firing, 'alert')} {'is' if firing == 1 else 'are'} firing."
    if not statuses:
        return "idle", "Nothing has been submitted yet. Call a task, and start a runner: pynenc runner start"
    if not runners:
        if ready or held:
            waiting = f"{many(ready, 'message')} {'waits' if ready == 1 else 'wait'}" if ready else ""
            begun = f"{many(held, 'invocation')} {'has' if held == 1 else 'have'} begun" if held else ""
            what = " and ".join(part for part in (waiting, begun) if part)
            return "bad", f"{what}, and no runner is alive: pynenc runner start"
        return "idle", "No runner is alive, and nothing waits."
    unserved = [name for name, depth in look.depths.items() if depth.ready and not look.consumers.get(name)]
    if unserved:
        named = f"queue{'s' if len(unserved) > 1 else ''} {_few(sorted(unserved))}"
        return "bad", f"Nobody consumes {named}, where messages wait."
    slots, busy = sum(each.slots for each in look.loads), sum(each.running for each in look.loads)
    ended, failed = sum(each.ended for each in points), sum(each.failed for each in points)
    parts = [many(runners, "runner")]
    if slots:
        parts.append(f"{many(busy, 'call')} running on {many(slots, 'slot')}")
    parts.append(f"{ready:,} ready")
    if ended:
        parts.append(f"{failed / ended:.1%} of {ended:,} failed")
    if ended >= _LEAST_ENDED and failed / ended > _MANY_FAILED:
        return "bad", f"{', '.join(parts)}. Much fails."
    return "good", f"{', '.join(parts)}. All is well."


def _few(names: list[str]) -> str:
    """Return the first names, and how many more there are."""
    some = ", ".join(names[:_NAMED])
    return some if len(names) <= _NAMED else f"{some} and {len(names) - _NAMED:,} more"


_NAMED = 3
_HELD = frozenset(
    each.value
    for each in InvocationStatus
    if not each.final and not each.is_available and each != InvocationStatus.CONCURRENCY_CONTROLLED
)
_LEAST_ENDED, _MANY_FAILED = 5, 0.2
