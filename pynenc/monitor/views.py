"""The contents of pages, read from the components; nothing here imports or runs code of users."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from pynenc.alerts.watching import alerts
from pynenc.conf.headers import stored_headers
from pynenc.conf.tags import tag_texts
from pynenc.exceptions import ClientDataNotFoundError, SearchError
from pynenc.explaining.explanation import explained
from pynenc.explaining.facts import who
from pynenc.explaining.findings import many
from pynenc.invocation.data import InvocationData
from pynenc.invocation.state import InvocationState
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle.components import Components
from pynenc.metrics.history import Activity, history
from pynenc.metrics.readings import RECENT_S, Readings
from pynenc.monitor.action_views import trail_of
from pynenc.monitor.masking import Masking
from pynenc.monitor.shown import Context
from pynenc.orchestrator.base_orchestrator import StateLookup
from pynenc.recording.recorder import STARTED
from pynenc.search.filters import Filter
from pynenc.search.page import PRESS, FoundInvocation
from pynenc.search.query_text import parse_query
from pynenc.search.scan import search
from pynenc.state_backend.alert_records import AlertState
from pynenc.state_backend.log_records import LogLine
from pynenc.state_backend.workflow_records import Step
from pynenc.storage.record_store import Lookup

_MOST_COUNTED = 10_000
_STEPS = 60
_ROWS = 50
_CHILDREN = 10


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
        lookups = [StateLookup("status", status.value) for status in InvocationStatus]
        counts = components.orchestrator.count_many_states(lookups, _MOST_COUNTED)
        statuses = [
            (each.value, number) for each, number in zip(InvocationStatus, counts, strict=True) if number
        ]
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
            "failed": [self._row(each) for each in failed],
            "queues": self._queue_rows(look)[:10],
        }

    def invocations(self, line: str, cursor: str | None) -> Context:
        """Return a page of the invocations that fit a line of search.

        Raises:
            SearchError: The line cannot be understood, or the cursor belongs to another search.
        """
        now = self._components.now()
        wanted = parse_query(line, now)
        if wanted.without is not None and wanted.without.text is not None:
            raise SearchError("the monitor does not search by '-arg:', which could tell of masked values")
        page = search(self._components, wanted, _ROWS, cursor, PRESS, None)
        rows = [each for each in page.rows if wanted.text is None or self._shows(each.data, wanted.text)]
        return {
            "now": now,
            "line": line,
            "rows": [self._row(each) for each in rows],
            "cursor": page.cursor,
            "searched": page.searched,
            "plan": page.plan,
            "order": page.order,
            "is_complete": page.is_complete,
        }

    def _shows(self, data: InvocationData, text: str) -> bool:
        """Return whether a text is among what is shown of arguments, so that a search tells no more."""
        low = text.lower()
        return any(
            low in f"{name} {shown}".lower() for name, shown in self._masking.arguments(data.arguments)
        )

    def invocation(self, invocation_id: str) -> Context | None:
        """Return all that is known of an invocation, None if it is not stored."""
        components = self._components
        (data,) = components.state_backend.read_invocations([invocation_id])
        (state,) = components.orchestrator.read_states([invocation_id])
        if data is None and state is None:
            return None
        children = next(components.state_backend.pages_of_children(invocation_id, _CHILDREN + 1), [])
        states = components.orchestrator.read_states([each.invocation_id for each in children])
        owner = state.runner_id if state is not None else None
        (runner,) = components.state_backend.read_runners([owner]) if owner else [None]
        logged = Lookup(LogLine, {"invocation_id": invocation_id}, newest_first=True)
        lines = components.state_backend.find(LogLine, logged, 50)
        return {
            "now": components.now(),
            "invocation_id": invocation_id,
            "data": data,
            "state": state,
            "findings": self._findings(invocation_id),
            "arguments": self._masking.arguments(data.arguments) if data is not None else [],
            "headers": self._masking.headers(stored_headers(data.headers)) if data is not None else [],
            "tags": self._masking.tags(tag_texts(data.tags)) if data is not None else [],
            "owner": who(runner, owner) if owner else None,
            "history": components.orchestrator.history(invocation_id),
            "outcome": self._outcome(state),
            "children": [
                (child.invocation_id, child.task_id, found.status.value if found else "unknown")
                for child, found in zip(children[:_CHILDREN], states, strict=False)
            ],
            "more_children": len(children) > _CHILDREN,
            "logs": [self._line(each) for each in reversed(lines)],
            "steps": self._steps(state),
            "trail": trail_of(components, self._masking, invocation_id),
        }

    def _findings(self, invocation_id: str) -> list[Context]:
        """Return why it is where it is; the first finding is the answer."""
        found = explained(self._components, invocation_id, lambda _: None).findings
        return [
            {
                "severity": each.severity,
                "sentence": self._masking.text(each.sentence),
                "advice": self._masking.text(each.advice or ""),
                "related": each.related,
            }
            for each in found
        ]

    def _outcome(self, state: InvocationState | None) -> Context | None:
        """Return the result or the last exception as stored text, None if there is none."""
        if state is None or state.outcome_id is None:
            return None
        (outcome,) = self._components.state_backend.read_outcomes([state.outcome_id])
        if outcome is None:
            return None
        if not outcome.is_error:
            return {"result": self._masking.named("result", outcome.payload)}
        try:
            (error,) = self._components.values.failures([outcome.payload])
        except ClientDataNotFoundError:
            error = None
        if error is None:
            return {"result": self._masking.packed(outcome.payload)}
        return {
            "error": self._masking.text(f"{error.type_name}: {error.message}"),
            "traceback": self._masking.text(error.traceback),
        }

    def _steps(self, state: InvocationState | None) -> list[Context]:
        if state is None or not (state.is_workflow or state.has_steps):
            return []
        lookup = Lookup(Step, {"invocation_id": state.invocation_id})
        steps = self._components.state_backend.find(Step, lookup, 200)
        return [
            {
                "at": each.at,
                "kind": each.kind,
                "name": self._masking.text(each.name),
                "branch": self._masking.text(each.branch),
                "value": self._masking.packed(each.payload),
                "is_error": each.is_error,
            }
            for each in steps
        ]

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
        return {"now": self._components.now(), "lines": [self._line(each) for each in lines]}

    def _line(self, line: LogLine) -> Context:
        mask = self._masking.text
        return {**msgspec.structs.asdict(line), "text": mask(line.text), "logger": mask(line.logger)}

    def _row(self, found: FoundInvocation) -> Context:
        data, state = found
        return {
            "id": data.invocation_id,
            "task": data.task_id,
            "status": state.status.value,
            "reason": _reason(data, state),
            "created": data.created_at,
            "since": state.changed_at,
            "attempts": state.retries + 1,
            "queue": state.queue,
            "tags": self._masking.tags(tag_texts(data.tags)),
        }


def _reason(data: InvocationData, state: InvocationState) -> str:
    """Return why a record is in its status, in a few words."""
    if state.error_type and state.status in (InvocationStatus.FAILED, InvocationStatus.RETRY):
        return state.error_type
    return "asked to end" if state.cancel_requested and not state.status.final else ""


def verdict(
    look: Readings, points: list[Activity], firing: int, statuses: Mapping[str, int]
) -> tuple[str, str]:
    """Return how the app does: `good`, `idle` or `bad`, and in words."""
    runners = len(look.alive) - len(look.workers)
    ready = sum(depth.ready for depth in look.depths.values())
    held = sum(number for status, number in statuses.items() if status in _HELD)
    if firing:
        return "bad", f"{many(firing, 'alert')} {'fires' if firing == 1 else 'fire'}."
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
        return "bad", f"Nobody consumes queue {', '.join(sorted(unserved))}, where messages wait."
    slots, busy = sum(each.slots for each in look.loads), sum(each.running for each in look.loads)
    ended, failed = sum(each.ended for each in points), sum(each.failed for each in points)
    parts = [many(runners, "runner")]
    if slots:
        parts.append(f"{busy} of {many(slots, 'slot')} busy")
    parts.append(f"{ready:,} ready")
    if ended:
        parts.append(f"{failed / ended:.1%} of {ended:,} failed")
    if ended >= _LEAST_ENDED and failed / ended > _MANY_FAILED:
        return "bad", f"{', '.join(parts)}. Much fails."
    return "good", f"{', '.join(parts)}. All is well."


_HELD = frozenset(
    each.value
    for each in InvocationStatus
    if not each.final and not each.is_available and each != InvocationStatus.CONCURRENCY_CONTROLLED
)
_LEAST_ENDED, _MANY_FAILED = 5, 0.2
