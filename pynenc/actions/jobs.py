"""Jobs: an action on all invocations that fit a search, carried out by the leader a slice at a time.

A slice is written down before it is acted on, and what came of it together with the place at which the
search goes on. Whoever dies in between leaves a slice that the next leader acts on once more, and acting
twice has the effect of once. Every change is a compare and set.
"""

from __future__ import annotations

import json
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from pynenc.actions.audit import Actor, Deed, audited, conclude
from pynenc.actions.on_invocations import Outcome, act_on
from pynenc.exceptions import PynencError, SearchError, StorageError
from pynenc.identifiers.ids import new_id
from pynenc.identifiers.texts import error_text, storable
from pynenc.lifecycle.components import Components
from pynenc.search.counting import count
from pynenc.search.filters import Filter
from pynenc.search.page import Budget, FoundInvocation
from pynenc.search.query_text import parse_query
from pynenc.search.scan import search
from pynenc.state_backend.action_records import Job, JobKind, JobState
from pynenc.storage.record_store import Lookup, Save, swap

Fire = Callable[[str, Mapping[str, Any] | None, str], str]
"""Starts the task of a trigger: its id, the payload of an event, a cause; returns what came of it."""

SLICE = 200
"""The most invocations that are acted on between two saves."""

MOST_ESTIMATED = 10_000
"""The most that a preview counts."""

_PREVIEW = 20
_MOST_GOING = 50
_MOST_ERRORS = 20
_LONGEST_ERROR = 300
_MOST_AT_ONCE = 1000
_LOOK = Budget(20_000, 2.0)
_STEP = Budget(5_000, 0.5)
_TRIES = 5
_FIELDS = ("version", "state", "at", "cursor", "slice", "is_last", "done", "skipped", "failed", "errors")


class Preview(msgspec.Struct, frozen=True):
    """The invocations that a job would act on.

    Attributes:
        count: The number of invocations that fit, as far as was looked.
        is_capped: Whether there may be more.
        first: The first of them.
        statuses: How many of the first have which status.
    """

    count: int
    is_capped: bool
    first: list[FoundInvocation]
    statuses: Mapping[str, int]


def preview(components: Components, line: str) -> Preview:
    """Return what a job would act on that is asked for now.

    Raises:
        SearchError: The line cannot be understood, or is empty.
    """
    wanted = _wanted(components, line)
    first = search(components, wanted, _PREVIEW, None, _LOOK, None)
    number = count(components, wanted, _LOOK)
    is_capped = number.count > MOST_ESTIMATED or not number.is_complete
    statuses = Counter(each.state.status.value for each in first.rows)
    return Preview(min(number.count, MOST_ESTIMATED), is_capped, first.rows, dict(statuses))


def ask(components: Components, actor: Actor, kind: JobKind, line: str, reason: str = "") -> Job:
    """Ask for an action on all invocations that fit a line of search and are there now.

    Raises:
        SearchError: The line cannot be understood, or is empty.
        ValueError: The kind is none that acts on invocations, or the reason is too long.
    """
    if kind == JobKind.FIRE:
        raise ValueError("a trigger is fired by its id")
    wanted, found = _wanted(components, line), preview(components, line)
    stored = msgspec.json.encode(wanted).decode()
    deed = Deed(f"{kind} all", None, line, found.count, reason)
    return _stored(components, actor, kind, deed, stored, found)


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
    return _stored(components, actor, JobKind.FIRE, deed, text, None)


def _wanted(components: Components, line: str) -> Filter:
    """Return the filter of a line, which leaves out what is made later."""
    if not line.strip():
        raise SearchError("a search that names nothing fits everything: say at least a status or a time")
    now = components.now()
    wanted = parse_query(line, now)
    until = now if wanted.created_until is None else min(now, wanted.created_until)
    return msgspec.structs.replace(wanted, created_until=until)


def _stored(
    components: Components, actor: Actor, kind: JobKind, deed: Deed, stored: str, found: Preview | None
) -> Job:
    job_id, now = new_id(), components.now()
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
            found.count if found is not None else 1,
            int(found.is_capped) if found is not None else 0,
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
        if _change(components, job, state=state, at=components.now()):
            changed = job_of(components, job_id)
            if state == JobState.STOPPED:
                conclude(components, job.audit_id, _told(changed, "stopped"))
            return changed
    raise ValueError(f"job {job_id} is changed by others again and again; try once more")


def work_on_jobs(components: Components, budget_s: float, fire: Fire | None = None) -> bool:
    """Act for the jobs that wait or run, for so many seconds; return whether there is more to do.

    Args:
        components: The components.
        budget_s: For how long, at least one slice.
        fire: Starts the tasks of triggers; without it, such jobs wait.
    """
    until, acted = time.monotonic() + budget_s, 0
    going: deque[Job] = deque()
    for state in (JobState.RUNNING, JobState.WAITING):
        going += components.state_backend.find(Job, Lookup(Job, {"state": state.value}), _MOST_GOING)
    while going:
        if acted and (time.monotonic() >= until or acted >= _MOST_AT_ONCE):
            return True
        job, number = _step(components, going.popleft(), fire)
        acted += number
        if job is not None:
            going.append(job)
    return False


def _step(components: Components, job: Job, fire: Fire | None) -> tuple[Job | None, int]:
    """Take or act on a slice of a job.

    Returns:
        The job if there is more to do, and the number of invocations that were acted on.
    """
    if job.kind == JobKind.FIRE:
        if fire is not None:
            _fire(components, job, fire)
        return None, 1
    if not job.slice:
        return (_concluded if job.is_last else _next_slice)(components, job), 0
    ids = _ids(job)
    outcomes, errors = _acted(components, job, ids)
    latest: Job | None = job
    while latest is not None and latest.slice == job.slice:
        changed = _change(components, latest, **_summed(latest, outcomes, errors))
        if changed is not None:
            return _concluded(components, changed), len(ids)
        (latest,) = components.state_backend.read(Job, [job.job_id])  # paused or stopped meanwhile
    return None, len(ids)


def _concluded(components: Components, job: Job) -> Job | None:
    """Close a job whose last slice was acted on; return it if there is more to do for it."""
    if job.state == JobState.RUNNING and not job.is_last:
        return job
    if job.is_last and not job.state.is_over:
        conclude(components, job.audit_id, _told(job, "done"), is_error=bool(job.failed and not job.done))
        if _change(components, job, state=JobState.DONE, at=components.now()) is None:
            return job_of(components, job.job_id)
    if job.state == JobState.STOPPED:
        conclude(components, job.audit_id, _told(job, "stopped"))
    return None


def _next_slice(components: Components, job: Job) -> Job | None:
    """Write down which invocations are next; return the job, None if somebody else has changed it."""
    try:
        wanted = msgspec.json.decode(job.filter, type=Filter)
        page = search(components, wanted, SLICE, job.cursor or None, _STEP, None)
    except (msgspec.MsgspecError, SearchError, ValueError, TypeError) as error:
        text = f"it cannot go on: {error_text(error)}"[:_LONGEST_ERROR]
        conclude(components, job.audit_id, text, is_error=True)
        _change(components, job, state=JobState.STOPPED, at=components.now(), errors=json.dumps([text]))
        return None
    return _change(
        components,
        job,
        state=JobState.RUNNING,
        slice=json.dumps([each.data.invocation_id for each in page.rows]),
        cursor=page.cursor or "",
        is_last=int(page.cursor is None),
    )


def _ids(job: Job) -> list[str]:
    try:
        return msgspec.json.decode(job.slice, type=list[str])
    except msgspec.MsgspecError:
        return []


def _acted(components: Components, job: Job, ids: Sequence[str]) -> tuple[list[Outcome], list[str]]:
    """Act on invocations, one by one if something is wrong with one of them; return the errors too."""
    if not ids:
        return [], []
    try:
        return act_on(components, job.kind, ids, job.job_id), []
    except StorageError:
        raise
    except Exception as error:
        if len(ids) == 1:
            if not isinstance(error, PynencError):
                components.logger.exception("job %s failed on invocation %s", job.job_id, ids[0])
            return [], [f"{ids[0]}: {type(error).__name__}: {error_text(error)}"]
    outcomes, errors = list[Outcome](), list[str]()
    for each in ids:
        found, wrong = _acted(components, job, [each])
        outcomes += found
        errors += wrong
    return outcomes, errors


def _summed(job: Job, outcomes: Sequence[Outcome], errors: Sequence[str]) -> dict[str, Any]:
    skipped = [each for each in outcomes if not each.is_done]
    told = [*_errors(job), *errors, *(f"{each.invocation_id}: {each.text}" for each in skipped)]
    return {
        "slice": "",
        "done": job.done + len(outcomes) - len(skipped),
        "skipped": job.skipped + len(skipped),
        "failed": job.failed + len(errors),
        "errors": json.dumps([each[:_LONGEST_ERROR] for each in told[:_MOST_ERRORS]]),
    }


def _errors(job: Job) -> list[str]:
    try:
        return msgspec.json.decode(job.errors, type=list[str])
    except msgspec.MsgspecError:
        return []


def _fire(components: Components, job: Job, fire: Fire) -> None:
    try:
        payload = msgspec.json.decode(job.filter, type=dict[str, Any]) if job.filter else None
        result, is_error = fire(job.line, payload, job.job_id), False
    except StorageError:
        raise
    except Exception as error:  # noqa: BLE001 - code of the user's, or a trigger that is gone
        result, is_error = f"{type(error).__name__}: {error_text(error)}", True
    errors = json.dumps([result[:_LONGEST_ERROR]] if is_error else [])
    values = {"done": int(not is_error), "failed": int(is_error), "errors": errors}
    conclude(components, job.audit_id, result, is_error)
    _change(components, job, state=JobState.DONE, at=components.now(), **values)


def _change(components: Components, job: Job, **values: Any) -> Job | None:
    """Change a job unless somebody else has; return it as it is now, None if somebody has."""
    changed = msgspec.structs.replace(job, version=job.version + 1, **values)
    return changed if components.state_backend.write([swap(job, changed, _FIELDS)])[0] else None


def _told(job: Job, how: str) -> str:
    parts = [f"{job.done:,} {_DONE[job.kind]}"]
    parts += [f"{job.skipped:,} skipped"] * bool(job.skipped) + [f"{job.failed:,} failed"] * bool(job.failed)
    return f"{how}: {', '.join(parts)}"


_DONE = {
    JobKind.CANCEL: "cancelled",
    JobKind.AGAIN: "run again",
    JobKind.PURGE: "deleted",
    JobKind.FIRE: "fired",
}
