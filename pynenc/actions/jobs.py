"""Jobs: an action on all invocations that fit a search, asked for by people and carried out by the leader."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec

from pynenc.actions.audit import Actor, Deed, audited, conclude
from pynenc.exceptions import SearchError
from pynenc.identifiers.ids import derived_id, new_id
from pynenc.identifiers.texts import storable
from pynenc.lifecycle.components import Components
from pynenc.search.counting import count
from pynenc.search.filters import Filter
from pynenc.search.page import Budget, FoundInvocation
from pynenc.search.query_text import parse_query
from pynenc.search.scan import search
from pynenc.state_backend.action_records import Job, JobKind, JobState
from pynenc.storage.record_store import Amend, Lookup, Save

MOST_ESTIMATED = 10_000
"""The most that a preview counts."""

_PREVIEW = 20
_LONGEST_THOUGHT_S, _AHEAD_S = 3600.0, 5.0
_LOOK = Budget(20_000, 2.0)
_TRIES = 5
_FIELDS = ("version", "state", "at", "cursor", "slice", "is_last", "done", "skipped", "failed", "errors")


class Preview(msgspec.Struct, frozen=True):
    """The invocations that a job would act on.

    Attributes:
        at: The moment of the look, in seconds since the epoch.
        count: The number of invocations that fit, as far as was looked.
        is_capped: Whether there may be more.
        first: The first of them.
        statuses: How many of the first have which status.
    """

    at: float
    count: int
    is_capped: bool
    first: list[FoundInvocation]
    statuses: Mapping[str, int]


def preview(components: Components, line: str, at: float | None = None) -> Preview:
    """Return what a job would act on.

    Args:
        components: The components.
        line: The line of a search.
        at: The moment after which nothing counts, in seconds since the epoch; now by default.

    Raises:
        SearchError: The line cannot be understood, or is empty.
        ValueError: The moment is not one of the last hour.
    """
    moment = _moment(components, at)
    wanted = _wanted(line, moment)
    first = search(components, wanted, _PREVIEW, None, _LOOK, None).rows
    number, is_capped = _estimate(components, wanted)
    return Preview(moment, number, is_capped, first, dict(Counter(each.state.status.value for each in first)))


def _moment(components: Components, at: float | None) -> float:
    """Return the moment after which nothing counts; now if none is given.

    Raises:
        ValueError: It is not one of the last hour.
    """
    now = components.now()
    moment = now if at is None else at
    if not now - _LONGEST_THOUGHT_S <= moment <= now + _AHEAD_S:
        raise ValueError("'at' is not a moment of the last hour, in seconds since the epoch: look again")
    return moment


def _estimate(components: Components, wanted: Filter) -> tuple[int, bool]:
    """Return how many invocations fit, as far as is looked, and whether there may be more."""
    found = count(components, wanted, _LOOK)
    return min(found.count, MOST_ESTIMATED), found.count > MOST_ESTIMATED or not found.is_complete


def ask(
    components: Components,
    actor: Actor,
    kind: JobKind,
    line: str,
    reason: str = "",
    at: float | None = None,
    key: str | None = None,
) -> Job:
    """Ask for an action on all invocations that fit a line of search and were there at a moment.

    Args:
        components: The components.
        actor: Who asks.
        kind: What is to be done.
        line: The line of a search.
        reason: Why.
        at: The moment of the preview on which it was decided, in seconds since the epoch, up to an hour
            ago; now by default. What is made later is left alone.
        key: A text by which the same wish is known, if it may be told more than once and is to count once.

    Raises:
        SearchError: The line cannot be understood, or is empty.
        ValueError: The kind is none that acts on invocations, the reason is too long, or the key was used
            for another job.
    """
    if kind == JobKind.FIRE:
        raise ValueError("a trigger is fired by its id")
    job_id = new_id() if key is None else derived_id("asked", actor.user, key)
    (known,) = components.state_backend.read(Job, [job_id]) if key is not None else [None]
    if known is not None:
        if (known.kind, known.line) != (kind, storable(line)):
            raise ValueError("this key was used for another job")
        return known
    wanted = _wanted(line, _moment(components, at))
    number, is_capped = _estimate(components, wanted)
    stored = msgspec.json.encode(wanted).decode()
    deed = Deed(f"{kind} all", None, line, number, reason)
    return _stored(components, actor, kind, deed, stored, job_id, is_capped)


def ask_to_fire(
    components: Components,
    actor: Actor,
    trigger_id: str,
    payload: Mapping[str, Any] | None = None,
    reason: str = "",
) -> Job:
    """Ask for the start of the task of a trigger, which a runner carries out because it has the code.

    Raises:
        TriggerNotFoundError: There is no such trigger.
        ValueError: The payload cannot be written as JSON.
    """
    stored = components.trigger.get_definition(trigger_id)
    text = "" if payload is None else json.dumps(dict(payload), allow_nan=False)
    deed = Deed("fire", stored.trigger_id, "", 1, reason)
    return _stored(components, actor, JobKind.FIRE, deed, text, new_id())


def _wanted(line: str, now: float) -> Filter:
    """Return the filter of a line, which leaves out what is made after a moment."""
    if not line.strip():
        raise SearchError("a search that names nothing fits everything: say at least a status or a time")
    wanted = parse_query(line, now)
    until = now if wanted.created_until is None else min(now, wanted.created_until)
    return msgspec.structs.replace(wanted, created_until=until)


def _stored(
    components: Components,
    actor: Actor,
    kind: JobKind,
    deed: Deed,
    stored: str,
    job_id: str,
    is_capped: bool = False,
) -> Job:
    now = components.now()
    made: list[Job] = []

    def store(audit_id: str) -> str:
        job = Job(
            job_id,
            kind,
            JobState.WAITING,
            1,
            now,
            now,
            storable(actor.user),
            audit_id,
            storable(deed.filter or deed.target or ""),
            stored,
            deed.count,
            int(is_capped),
        )
        components.state_backend.write([Save(job)])
        made.append(job)
        return f"it waits for a runner, as job {job_id}"

    audited(components, actor, deed, store)
    return made[0]


def jobs(components: Components, limit: int = 100) -> list[Job]:
    """Return the jobs that were asked for last, the newest first."""
    return components.state_backend.find(Job, Lookup(Job, newest_first=True), limit)


def job_of(components: Components, job_id: str) -> Job:
    """Return a job.

    Raises:
        LookupError: There is none.
    """
    (found,) = components.state_backend.read(Job, [storable(job_id)])
    if found is None:
        raise LookupError(f"there is no job {job_id}")
    return found


def switch(components: Components, job_id: str, state: JobState) -> Job:
    """Pause a job, let it go on, or stop it for good; return it.

    Raises:
        LookupError: There is no such job.
        ValueError: It is over, or is changed by others again and again.
    """
    for _ in range(_TRIES):
        job = job_of(components, job_id)
        if job.state.is_over:
            raise ValueError(f"job {job_id} is {job.state} already")
        if change(components, job, state=state, at=components.now()):
            changed = job_of(components, job_id)
            if state == JobState.STOPPED:
                conclude(components, job.audit_id, told(changed, "stopped"))
            return changed
    raise ValueError(f"job {job_id} is changed by others again and again; try once more")


def change(components: Components, job: Job, **values: Any) -> Job | None:
    """Change a job unless somebody else has; return it as it is now, None if somebody has."""
    changed = msgspec.structs.replace(job, version=job.version + 1, **values)
    new = {name: getattr(changed, name) for name in _FIELDS}
    write = Amend(Job, job.job_id, new, {"version": job.version})
    return changed if components.state_backend.write([write])[0] else None


def told(job: Job, how: str) -> str:
    """Return what came of a job, in words."""
    parts = [f"{job.done:,} {_DONE[job.kind]}"]
    parts += [f"{job.skipped:,} skipped"] * bool(job.skipped) + [f"{job.failed:,} failed"] * bool(job.failed)
    return f"{how}: {', '.join(parts)}"


_DONE = {
    JobKind.CANCEL: "cancelled",
    JobKind.AGAIN: "run again",
    JobKind.PURGE: "deleted",
    JobKind.FIRE: "fired",
}
