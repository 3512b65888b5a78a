"""The contents of the pages that show how work flows: a family, a stretch of time, and what just happened."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from heapq import nlargest
from typing import TypeAlias, TypeVar

from pynenc.invocation.data import InvocationData
from pynenc.invocation.state import InvocationState
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle.components import Components
from pynenc.metrics.history import history
from pynenc.monitor.masking import Masking
from pynenc.monitor.shown import Context
from pynenc.orchestrator.base_orchestrator import Life, StateLookup
from pynenc.storage.operations import Cursor
from pynenc.storage.record_store import Lookup

_S = InvocationStatus
Found = TypeVar("Found", InvocationState, Life)
_MOST_MEMBERS = 2000
_DEEPEST, _MOST_SIBLINGS = 4, 20
MOST_BARS = 10_000
"""The most invocations of a timeline."""

_IN_TABLE = 200
_LATEST = 50
_PAGE, _MOST_LOOKED = 1000, 50_000
_MOST_RUNNING, _MOST_WAITING = 1000, 500
_LATE_S = 3600.0
_PARTS = 10_000
"""The parts of a second that a timeline tells."""
_LEAST_STEPS, _MOST_STEPS = 3, 120
_RUNNING, _PAUSED = _S.RUNNING, _S.PAUSED  # ten thousand histories are read for one page
_OWNED = (_RUNNING, _PAUSED)


# --- family ---------------------------------------------------------------------------


def family(components: Components, masking: Masking, invocation_id: str) -> Context | None:
    """Return who has submitted whom in the workflow of an invocation; None if that is not stored."""
    store = components.state_backend
    (own,) = store.read_invocations([invocation_id])
    if own is None:
        return None
    root_id = own.workflow_id
    lookup = Lookup(InvocationData, {"family": root_id})
    members = store.find(InvocationData, lookup, _MOST_MEMBERS + 1)
    has_more = len(members) > _MOST_MEMBERS
    known = {each.invocation_id: each for each in members[:_MOST_MEMBERS]}
    for each in [*store.read_invocations([root_id]), own, *_path(components, own)]:
        if each is not None:
            known.setdefault(each.invocation_id, each)
    found = components.orchestrator.read_states(list(known))
    states = {each.invocation_id: each for each in found if each is not None}
    now = components.now()
    tree = _Tree(known, states, invocation_id, now)
    return {
        "now": now,
        "invocation_id": invocation_id,
        "root_id": root_id,
        "rows": [{**row, "task": masking.text(row["task"])} for row in tree.rows()],
        "count": len(known),
        "has_more": has_more,
        "most": _MOST_MEMBERS,
    }


def _path(components: Components, data: InvocationData) -> list[InvocationData]:
    """Return what leads to an invocation, up to the root."""
    path: list[InvocationData] = []
    seen = {data.invocation_id}
    parent = data.parent_invocation_id
    while parent is not None and parent not in seen and len(path) < 100:
        seen.add(parent)
        (found,) = components.state_backend.read_invocations([parent])
        if found is None or found.workflow_id != data.workflow_id:
            break
        path.append(found)
        parent = found.parent_invocation_id
    return path


class _Tree:
    """The members of a workflow, as rows of an indented list."""

    def __init__(
        self,
        known: dict[str, InvocationData],
        states: dict[str, InvocationState],
        chosen: str,
        now: float,
    ) -> None:
        self._known, self._states, self._chosen, self._now = known, states, chosen, now
        self._children: dict[str | None, list[InvocationData]] = defaultdict(list)
        for each in known.values():
            parent = each.parent_invocation_id
            self._children[parent if parent in known and parent != each.invocation_id else None].append(each)
        for siblings in self._children.values():
            siblings.sort(key=lambda each: (each.created_at, each.invocation_id))
        self._needed = set[str]()
        on_path: str | None = chosen
        while on_path is not None and on_path not in self._needed:
            self._needed.add(on_path)
            above = known.get(on_path)
            on_path = above.parent_invocation_id if above is not None else None
        self._begin = min((each.created_at for each in known.values()), default=now)
        self._end = max((self._ended(each.invocation_id) for each in known.values()), default=now)

    def rows(self) -> Iterator[Context]:
        """Yield the rows, parents before their children."""
        seen = set[str]()
        waiting: list[tuple[InvocationData | Context, int]] = [
            (each, 0) for each in self._children[None][::-1]
        ]
        while waiting:
            data, depth = waiting.pop()
            if not isinstance(data, InvocationData):
                yield data
            elif data.invocation_id not in seen:
                seen.add(data.invocation_id)
                yield self._row(data, depth)
                shown, hidden = self._shown(data.invocation_id, depth + 1)
                if hidden:
                    waiting.append((_rest(data.invocation_id, len(hidden), depth + 1), depth + 1))
                waiting += [(each, depth + 1) for each in reversed(shown)]

    def _shown(self, parent: str, depth: int) -> tuple[list[InvocationData], list[InvocationData]]:
        """Return the children that are shown, and the others: failed ones are always shown."""
        children = self._children[parent]
        if depth <= _DEEPEST and len(children) <= _MOST_SIBLINGS:
            return children, []
        first = (
            {each.invocation_id for each in children[: _MOST_SIBLINGS // 2]} if depth <= _DEEPEST else set()
        )
        shown, hidden = list[InvocationData](), list[InvocationData]()
        for each in children:
            state = self._states.get(each.invocation_id)
            is_failed = state is not None and state.status == _S.FAILED and len(shown) < _MOST_MEMBERS // 4
            is_shown = is_failed or each.invocation_id in self._needed or each.invocation_id in first
            (shown if is_shown else hidden).append(each)
        return shown, hidden

    def _row(self, data: InvocationData, depth: int) -> Context:
        state = self._states.get(data.invocation_id)
        whole = max(self._end - self._begin, 1e-6)
        ended = self._ended(data.invocation_id)
        return {
            "rest": 0,
            "id": data.invocation_id,
            "task": data.task_id,
            "depth": min(depth, 20),
            "status": state.status.value if state is not None else "unknown",
            "is_chosen": data.invocation_id == self._chosen,
            "is_workflow": bool(data.workflow_kind),
            "from": 100 * (data.created_at - self._begin) / whole,
            "width": max(0.5, 100 * (ended - data.created_at) / whole),
            "seconds": ended - data.created_at,
        }

    def _ended(self, invocation_id: str) -> float:
        state = self._states.get(invocation_id)
        return state.changed_at if state is not None and state.status.final else self._now


def _rest(parent: str, number: int, depth: int) -> Context:
    return {"rest": number, "id": parent, "task": "", "depth": min(depth, 20), "status": ""}


# --- timeline -------------------------------------------------------------------------


Bar: TypeAlias = tuple[int, float, float, float, int, str, str]
"""A run: the lane, begin, end and begin of the wait in seconds from the begin of the timeline, the task, the
status at the end, and the id of the invocation."""


def timeline(components: Components, masking: Masking, since: float, until: float, task: str) -> Context:
    """Return the runs of a stretch of time, by the worker that ran them.

    Args:
        components: The components.
        masking: Shows stored texts.
        since: The beginning, in seconds since the epoch.
        until: The end, likewise.
        task: Only this task; empty for all.
    """
    lives, has_more = _active(components, since, until, task)
    now = components.now()
    lanes: dict[str, int] = {}
    tasks: dict[str, int] = {}
    bars: list[Bar] = []
    for life in lives:
        name = tasks.setdefault(life.task_id, len(tasks))
        for begun, ended, waited, runner, status in _runs(life.entries, now):
            if ended < since or begun > until:
                continue
            lane = lanes.setdefault(runner, len(lanes))
            times = (
                int((begun - since) * _PARTS) / _PARTS,
                int((ended - since) * _PARTS) / _PARTS,
                int((waited - since) * _PARTS) / _PARTS,
            )
            bars.append((lane, *times, name, status, life.invocation_id))
        if len(bars) >= MOST_BARS:
            has_more = has_more or life is not lives[-1]
            break
    del bars[MOST_BARS:]
    known = components.state_backend.read_runners(list(lanes)) if lanes else []
    names = [
        f"{data.hostname} {data.pid} {data.runner_id[-4:]}" if data is not None else runner[-8:]
        for runner, data in zip(lanes, known, strict=True)
    ]
    lane_names, task_names = [masking.text(each) for each in names], [masking.text(each) for each in tasks]
    content = {
        "since": since,
        "seconds": until - since,
        "lanes": lane_names,
        "tasks": task_names,
        "bars": bars,
    }
    rows = nlargest(_IN_TABLE, bars, key=lambda bar: bar[1])
    return {
        "now": now,
        "since": since,
        "until": until,
        "seconds": until - since,
        "task": task,
        "content": content,
        "bars": len(bars),
        "has_more": has_more,
        "density": _density(components, since, until) if has_more else [],
        "rows": [
            {
                "id": bar[6],
                "task": task_names[bar[4]],
                "runner": lane_names[bar[0]],
                "begun": since + bar[1],
                "seconds": bar[2] - bar[1],
                "status": bar[5],
            }
            for bar in rows
        ],
    }


def _density(components: Components, since: float, until: float) -> list[int]:
    """Return how many runs began in each part of a time, from what was rolled up by the minute."""
    steps = min(_MOST_STEPS, int((until - since) / 60.0))
    if steps < _LEAST_STEPS:
        return []
    return [each.started for each in history(components, since, until, (until - since) / steps)]


def _active(components: Components, since: float, until: float, task: str) -> tuple[list[Life], bool]:
    """Return what was done in a time: what ended in it or within an hour after it, and what goes on."""
    found: list[Life] = []
    has_more = False
    for status in _S:
        most = MOST_BARS
        if status in _OWNED:
            lookup = StateLookup("status", status.value, None, until, newest_first=True)
            most = _MOST_RUNNING if status is _RUNNING else _MOST_WAITING
        elif status == _S.RETRY:  # by when they are due: those soon have run not long ago
            lookup = StateLookup("status", status.value, since, until + _LATE_S, newest_first=False)
            most = _MOST_WAITING
        elif status.final:
            lookup = StateLookup("status", status.value, since, until + _LATE_S, newest_first=True)
        else:
            continue
        some, is_cut = _looked_up(partial(components.orchestrator.look_up_lives, lookup), most, task)
        has_more = has_more or is_cut
        found += some
    found.sort(key=lambda each: each.changed_at, reverse=True)
    return found[:MOST_BARS], has_more or len(found) > MOST_BARS


def _looked_up(
    find: Callable[[int, Cursor | None], list[Found]], most: int, task: str
) -> tuple[list[Found], bool]:
    """Return the first records that a lookup finds, and whether there may be more.

    If a task is named, only its records; at 50,000 of any task it gives up.
    """
    found, looked = list[Found](), 0
    after: Cursor | None = None
    while len(found) < most and looked < _MOST_LOOKED:
        size = min(_PAGE, most) if task else most
        some = find(size, after)
        found += [each for each in some if not task or each.task_id == task]
        looked += len(some)
        if len(some) < size:
            return found[:most], len(found) > most
        after = Cursor(some[-1].since, some[-1].invocation_id)
    return found[:most], True


def _runs(
    entries: Sequence[tuple[InvocationStatus, float, str | None]], now: float
) -> Iterator[tuple[float, float, float, str, InvocationStatus]]:
    """Yield begin, end, begin of the wait, runner and the status at the end of each run in a history."""
    waited = begun = 0.0
    runner: str | None = None
    for status, at, who in entries:
        if status is _RUNNING and runner is None:
            begun, runner = at, who or "?"
        elif status is _RUNNING or status is _PAUSED:
            continue
        elif runner is not None:
            yield begun, at, waited or begun, runner, status
            runner, waited = None, at
        elif not waited or status.is_available:
            waited = at
    if runner is not None:
        yield begun, now, waited or begun, runner, _RUNNING


# --- what just happened ---------------------------------------------------------------


def live(components: Components, masking: Masking, task: str) -> Context:
    """Return what was submitted, begun and ended last, the newest first."""
    now = components.now()
    found: list[InvocationState] = []
    for status in _S:
        lookup = StateLookup("status", status.value, None, now + 1.0, newest_first=True)
        found += _looked_up(partial(components.orchestrator.look_up, lookup), _LATEST, task)[0]
    found.sort(key=lambda each: (each.changed_at, each.invocation_id), reverse=True)
    return {
        "now": now,
        "task": task,
        "rows": [
            {
                "id": each.invocation_id,
                "task": masking.text(each.task_id),
                "query": each.task_id,
                "status": each.status.value,
                "at": each.changed_at,
                "error": masking.text(each.error_type or ""),
            }
            for each in found[:_LATEST]
        ],
    }
