"""Carrying out jobs, a slice at a time.

A slice is written down before it is acted on, and what came of it together with the place at which the
search goes on. Whoever dies in between leaves a slice that the next leader acts on once more, and acting
twice has the effect of once. Every change is a compare and set.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from pynenc.actions.audit import conclude
from pynenc.actions.jobs import change, job_of, told
from pynenc.actions.on_invocations import Outcome, act_on
from pynenc.conf.text_maps import stored_texts
from pynenc.exceptions import PynencError, SearchError, StorageError
from pynenc.identifiers.texts import error_text
from pynenc.lifecycle.components import Components
from pynenc.search.filters import Filter
from pynenc.search.page import Budget
from pynenc.search.scan import search
from pynenc.state_backend.action_records import Job, JobKind, JobState
from pynenc.storage.record_store import Lookup

Fire: TypeAlias = Callable[[str, Mapping[str, Any] | None, str], str]
"""Starts the task of a trigger: its id, the payload of an event, a cause; returns what came of it."""

SLICE = 200
"""The most invocations that are acted on between two saves."""

_MOST_GOING = 50
_MOST_ERRORS = 20
_LONGEST_ERROR = 300
_MOST_AT_ONCE = 1000
_STEP = Budget(5_000, 0.5)


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
        job = going.popleft()
        try:
            after, number = _step(components, job, fire)
        except StorageError:
            raise
        except Exception as error:  # noqa: BLE001 - a record of other or hostile code; the other jobs go on
            _give_up(components, job, error)
            continue
        acted += number
        if after is not None:
            going.append(after)
    return False


def _give_up(components: Components, job: Job, error: Exception) -> None:
    """Stop a job that cannot go on; one that cannot be stopped either is left as it is."""
    text = f"it cannot go on: {error_text(error)}"[:_LONGEST_ERROR]
    try:
        conclude(components, job.audit_id, text, is_error=True)
        change(components, job, state=JobState.STOPPED, at=components.now(), errors=json.dumps([text]))
    except StorageError:
        raise
    except Exception:
        components.logger.debug("job %s can neither go on nor be stopped", job.job_id, exc_info=True)


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
    ids = stored_texts(job.slice)
    outcomes, errors = _acted(components, job, ids)
    latest: Job | None = job
    while latest is not None and latest.slice == job.slice:
        changed = change(components, latest, **_summed(latest, outcomes, errors))
        if changed is not None:
            return _concluded(components, changed), len(ids)
        (latest,) = components.state_backend.read(Job, [job.job_id])  # paused or stopped meanwhile
    return None, len(ids)


def _concluded(components: Components, job: Job) -> Job | None:
    """Close a job whose last slice was acted on; return it if there is more to do for it."""
    if job.state == JobState.RUNNING and not job.is_last:
        return job
    if job.is_last and not job.state.is_over:
        conclude(components, job.audit_id, told(job, "done"), is_error=bool(job.failed and not job.done))
        if change(components, job, state=JobState.DONE, at=components.now()) is None:
            return job_of(components, job.job_id)
    if job.state == JobState.STOPPED:
        conclude(components, job.audit_id, told(job, "stopped"))
    return None


def _next_slice(components: Components, job: Job) -> Job | None:
    """Write down which invocations are next; return the job, None if somebody else has changed it."""
    try:
        wanted = _filter_of(job)
        page = search(components, wanted, SLICE, job.cursor or None, _STEP, None)
    except (msgspec.MsgspecError, SearchError, ValueError, TypeError) as error:
        _give_up(components, job, error)
        return None
    return change(
        components,
        job,
        state=JobState.RUNNING,
        slice=json.dumps([each.data.invocation_id for each in page.rows]),
        cursor=page.cursor or "",
        is_last=int(page.cursor is None),
    )


def _filter_of(job: Job) -> Filter:
    """Return the filter of a job.

    Raises:
        ValueError: It has conditions that this version does not know, or no bound of time.
    """
    given = msgspec.json.decode(job.filter, type=dict[str, Any])
    unknown = sorted(given.keys() - set(Filter.__struct_fields__))
    if unknown:
        raise ValueError(f"its filter has conditions that this version does not know: {', '.join(unknown)}")
    wanted = msgspec.json.decode(job.filter, type=Filter)
    if wanted.created_until is None:
        raise ValueError("its filter has no bound of time")
    return wanted


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
    reasons = [
        *stored_texts(job.errors),
        *errors,
        *(f"{each.invocation_id}: {each.text}" for each in skipped),
    ]
    return {
        "slice": "",
        "done": job.done + len(outcomes) - len(skipped),
        "skipped": job.skipped + len(skipped),
        "failed": job.failed + len(errors),
        "errors": json.dumps([each[:_LONGEST_ERROR] for each in reasons[:_MOST_ERRORS]]),
    }


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
    change(components, job, state=JobState.DONE, at=components.now(), **values)
