"""Failures in groups: noting, storing and deciding about them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pynenc.conf.config_observation import Observation
from pynenc.exceptions import StorageError
from pynenc.identifiers.texts import is_storable, storable
from pynenc.lifecycle.components import Components
from pynenc.recording.failures import FailedAttempt, FailedGroup
from pynenc.recording.recorder import FAILURE
from pynenc.serializer.exception_data import ExceptionData
from pynenc.state_backend.failure_records import FailureGroup, FailureSample, FailureState
from pynenc.storage.record_store import Amend, Lookup, RecordWrite, Save

LONGEST_NOTE = 500
"""The most characters of a note on a group."""


def note_failure(
    components: Components,
    task_id: str,
    invocation_id: str,
    error: ExceptionData,
    at: float,
    is_final: bool,
) -> None:
    """Note an attempt that has failed, after its end was applied; it is stored with the next sign of life.

    Args:
        components: The components.
        task_id: The task.
        invocation_id: Whose attempt it was.
        error: The exception.
        at: When it ended, in seconds since the epoch.
        is_final: Whether the invocation has failed with it.
    """
    if components.conf.observation != Observation.FULL:
        return
    recorder = components.recorder
    group_id = recorder.failures.note(
        task_id, error.type_name, error.message, error.traceback, invocation_id, at, is_final
    )
    recorder.note((FAILURE, "", "", group_id, -1.0))


def flush_failures(components: Components, runner_id: str) -> None:
    """Store what was noted in this process; a store that is away gets it later."""
    notes = components.recorder.failures
    groups, kept = notes.take()
    if not groups:
        return
    try:
        components.state_backend.write_many([*_of_groups(groups), *_of_samples(kept, runner_id)])
    except StorageError as error:
        notes.put_back(groups, kept)
        components.logger.debug("failures are stored later: %s", error)
    except Exception:  # whatever no store takes would not be taken later either
        components.logger.debug("%d failure(s) cannot be stored", len(kept), exc_info=True)


def _of_groups(groups: Sequence[FailedGroup]) -> list[RecordWrite]:
    writes: list[RecordWrite] = []
    for each, last_at in groups:
        group = FailureGroup(
            each.group_id,
            storable(each.task_id),
            storable(each.type_name),
            storable(each.place),
            storable(each.message),
            storable(each.trace),
            each.at,
            last_at,
        )
        writes += [Save(group), Amend(FailureGroup, each.group_id, {"last_at": last_at})]
    return writes


def _of_samples(kept: Sequence[FailedAttempt], runner_id: str) -> list[RecordWrite]:
    return [
        Save(
            FailureSample(
                f"{each.group_id}/{each.invocation_id}",
                each.group_id,
                each.invocation_id,
                each.at,
                storable(each.message),
                storable(each.trace),
                int(each.is_final),
                each.weight,
                runner_id,
            )
        )
        for each in kept
    ]


def failure_groups(components: Components, since: float, limit: int) -> list[FailureGroup]:
    """Return the groups that have failed at a time or later, those that failed last first."""
    lookup = Lookup(FailureGroup, low=since, newest_first=True)
    return components.state_backend.find(FailureGroup, lookup, limit)


def samples_of(components: Components, group_id: str, limit: int) -> list[FailureSample]:
    """Return the samples of a group, the newest first."""
    lookup = Lookup(FailureSample, {"group_id": group_id}, newest_first=True)
    return components.state_backend.find(FailureSample, lookup, limit)


def decide(components: Components, group_id: str, state: FailureState, note: str = "") -> FailureGroup:
    """Note what was decided about a group; return it.

    Raises:
        LookupError: There is no such group.
        ValueError: The note is too long, or cannot be stored.
    """
    if len(note) > LONGEST_NOTE or not is_storable(note):
        raise ValueError(f"a note has at most {LONGEST_NOTE} characters, and no lone surrogate")
    store, now = components.state_backend, components.now()
    values = {"state": state.value, "state_at": now, "note": note}
    (found,) = store.read(FailureGroup, [group_id])
    if found is None or not store.write([Amend(FailureGroup, group_id, values)])[0]:
        raise LookupError(f"there is no group of failures {group_id}")
    return msgspec.structs.replace(found, state=state, state_at=now, note=note)
