"""The contents of the pages of actions."""

from __future__ import annotations

import secrets

from pynenc.actions.audit import entries, entry_of
from pynenc.actions.jobs import jobs, preview
from pynenc.conf.text_maps import stored_texts
from pynenc.exceptions import SearchError
from pynenc.lifecycle.components import Components
from pynenc.lifecycle.leadership import leader
from pynenc.monitor.acting import check_line
from pynenc.monitor.masking import Masking
from pynenc.monitor.shown import Context
from pynenc.state_backend.action_records import AuditEntry, Job, JobKind

_MOST_JOBS, _MOST_ENTRIES = 50, 100


def actions(components: Components, masking: Masking, target: str) -> Context:
    """Return what people did, and what is being done for them; only about a target, if one is given."""
    found = [] if target else jobs(components, _MOST_JOBS)
    trail = entries(components, _MOST_ENTRIES, target or None)
    return {
        "now": components.now(),
        "target": masking.text(target),
        "jobs": [job_row(each, masking) for each in found],
        "has_leader": leader(components) is not None,
        "entries": [_entry(each, masking) for each in trail],
    }


def new_job(components: Components, masking: Masking, kind: str, line: str) -> Context:
    """Return what a job would act on.

    Raises:
        SearchError: The line cannot be understood, or nothing of that kind is done.
    """
    if kind not in ("cancel", "again", "purge"):
        raise SearchError("a job cancels, runs again, or purges")
    check_line(components, line)
    found = preview(components, line)
    return {
        "now": components.now(),
        "kind": JobKind(kind).value,
        "line": line,
        "at": found.at,
        "key": secrets.token_hex(8),
        "count": found.count,
        "is_capped": found.is_capped,
        "statuses": sorted(found.statuses.items()),
        "rows": [
            (each.data.invocation_id, masking.text(each.data.task_id), each.state.status.value)
            for each in found.first
        ],
    }


def notice(components: Components, masking: Masking, audit_id: str) -> Context | None:
    """Return what came of an action, None if it is not known."""
    entry = entry_of(components, audit_id[:64])
    if entry is None:
        return None
    return {"text": masking.text(entry.result or entry.action), "is_error": bool(entry.is_error)}


def trail_of(components: Components, masking: Masking, target: str) -> list[Context]:
    """Return what people did to something, the newest first."""
    return [_entry(each, masking) for each in entries(components, 20, target)]


def job_row(job: Job, masking: Masking) -> Context:
    """Return what is shown of a job."""
    return {
        "job_id": job.job_id,
        "kind": job.kind.value,
        "line": masking.text(job.line),
        "state": job.state.value,
        "is_over": job.state.is_over,
        "is_paused": job.state.value == "paused",
        "asked_at": job.asked_at,
        "asked_by": masking.text(job.asked_by),
        "estimate": job.estimate,
        "is_capped": bool(job.is_capped),
        "done": job.done,
        "skipped": job.skipped,
        "failed": job.failed,
        "errors": [masking.text(each) for each in stored_texts(job.errors)],
    }


def _entry(entry: AuditEntry, masking: Masking) -> Context:
    mask = masking.text
    return {
        "at": entry.at,
        "user": mask(entry.user),
        "role": mask(entry.role),
        "address": mask(entry.address),
        "action": mask(entry.action),
        "target": entry.target,
        "filter": mask(entry.filter),
        "count": entry.count,
        "reason": mask(entry.reason),
        "result": mask(entry.result),
        "is_error": bool(entry.is_error),
    }
