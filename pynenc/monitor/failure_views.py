"""The contents of the pages of failures."""

from __future__ import annotations

from pynenc.lifecycle.components import Components
from pynenc.lifecycle.failures import samples_of
from pynenc.metrics.failures import GroupActivity, failures, with_counts
from pynenc.monitor.masking import Masking
from pynenc.monitor.shown import Context
from pynenc.recording.failures import shape_of
from pynenc.state_backend.failure_records import FailureGroup

_MOST_GROUPS, _MOST_SAMPLES = 50, 50


def failure_groups(components: Components, masking: Masking, hours: float, with_decided: bool) -> Context:
    """Return what has failed in the last hours, in groups."""
    now = components.now()
    found = failures(components, hours * 3600, _MOST_GROUPS + 1, with_decided)
    return {
        "now": now,
        "hours": hours,
        "with_decided": with_decided,
        "groups": [failure_row(each, masking, now - hours * 3600) for each in found[:_MOST_GROUPS]],
        "has_more": len(found) > _MOST_GROUPS,
        "observation": components.conf.observation.value,
    }


def failure_group(components: Components, masking: Masking, group_id: str) -> Context | None:
    """Return what is known of a group, None if it is not stored."""
    (group,) = components.state_backend.read(FailureGroup, [group_id])
    if group is None:
        return None
    now = components.now()
    (activity,) = with_counts(components, [group], now - 86400, now)
    samples = samples_of(components, group_id, _MOST_SAMPLES)
    return {
        "now": now,
        **failure_row(activity, masking, now - 86400),
        "trace": masking.text(group.trace),
        "latest": masking.text(samples[0].trace) if samples else "",
        "note": masking.text(group.note),
        "state_at": group.state_at,
        "samples": [
            {
                "invocation_id": each.invocation_id,
                "at": each.at,
                "message": masking.text(each.message),
                "is_final": bool(each.is_final),
                "weight": each.weight,
                "runner_id": each.runner_id,
            }
            for each in samples
        ],
    }


def failure_row(activity: GroupActivity, masking: Masking, since: float) -> Context:
    """Return what is shown of a group."""
    group = activity.group
    return {
        "group_id": group.group_id,
        "type": masking.text(group.type_name),
        "task": masking.text(group.task_id),
        "task_id": group.task_id,
        "where": masking.text(group.place),
        "message": shape_of(masking.text(group.message)),
        "count": activity.count,
        "points": activity.points,
        "runs": activity.runs,
        "first_at": group.first_at,
        "last_at": group.last_at,
        "state": group.state.value,
        "is_back": group.is_back,
        "is_new": activity.is_new(since),
    }
