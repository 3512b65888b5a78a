"""The records of a trigger store beside the definitions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec

from pynenc.exceptions import SerializationError
from pynenc.identifiers.texts import is_storable

EVENT, STATUS, TICK, BY_HAND = "event", "status", "tick", "by hand"
"""Kinds of occurrences."""

NEVER_EXPIRES = 1e12
"""A moment that does not come, for parts of versions that did not know when theirs expire."""


class Occurrence(msgspec.Struct, frozen=True):
    """Something that may start tasks.

    Attributes:
        occurrence_id: Derived from what happened, so it is stored once.
        kind: `event`, `status` or `tick`.
        code: The code of an event, the task whose invocation changed, or the trigger that ticked.
        payload: JSON text.
        at: When, in seconds since the epoch.
        depth: How many triggers in a row led here.
        source_id: The invocation that emitted the event, if it was one.
        is_open: 1 until it was evaluated, then 0.
    """

    occurrence_id: str = msgspec.field(name="key")
    kind: str
    code: str
    payload: str
    at: float
    depth: int = 0
    source_id: str | None = None
    is_open: int = 1


def check_code(code: str) -> None:
    """Refuse what is not a code of an event.

    Raises:
        ValueError: It is not a string, empty, or cannot be stored.
    """
    if not isinstance(code, str) or not code:
        raise ValueError(f"an event needs a code, which is a text that is not empty, not {code!r}")
    if not (code.isascii() or is_storable(code)):
        raise ValueError(f"the code {code!r} of an event contains a lone surrogate")


def event_text(code: str, payload: Mapping[str, Any] | None) -> str:
    """Return the payload of an event as JSON text.

    Raises:
        ValueError: The code is not a string, or empty.
        SerializationError: The payload cannot be written as JSON.
    """
    check_code(code)
    try:
        text = msgspec.json.encode(dict(payload or {}))
        if b"null" in text:  # which is how a number that JSON does not have is written
            _check_finite(msgspec.to_builtins(dict(payload or {})))
        return text.decode()
    except (TypeError, ValueError, RecursionError) as error:
        raise SerializationError(
            f"the payload of event '{code}' cannot be written as JSON: {error}"
        ) from error


def _check_finite(value: object, path: str = "") -> None:
    """Refuse numbers that JSON does not have.

    Raises:
        ValueError: Says where one is.
    """
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{path.lstrip('.')} is {value}, which JSON does not have; pass None or a text")
    if isinstance(value, dict):
        for name, inner in value.items():
            _check_finite(inner, f"{path}.{name}")
    elif isinstance(value, (list, tuple)):
        for at, inner in enumerate(value):
            _check_finite(inner, f"{path}[{at}]")


class RunState(StrEnum):
    """The states of a run of a trigger."""

    FIRING = "firing"
    FIRED = "fired"
    RETRYING = "retrying"
    FAILED = "failed"
    CAPPED = "capped"
    STOPPED = "stopped"
    EXPIRED = "expired"


class TriggerRun(msgspec.Struct, frozen=True):
    """A trigger that was met once.

    Attributes:
        run_id: Derived from the trigger and its occurrences.
        trigger_id: Which.
        task_id: The task to start.
        state: `fired`; `firing` until that is certain; `retrying` if it could not be started and is
            tried again, `failed` if that is over, `capped` by the rate cap, `stopped` by the limit of
            depth, `expired` for a part of a composite that the others did not follow in time.
        cause: What met it, in words.
        at: When, in seconds since the epoch.
        invocation_id: The invocation that it started.
        occurrences: JSON text: the ids of what met it.
        depth: How many triggers in a row led here, this one included.
        reason: Why it was not fired.
        parts: JSON text: what met it, so that another can finish the run or try it again.
        attempts: How often it was tried to start the task.
        retry_at: When it is tried again, in seconds since the epoch; 0 if it is not.
    """

    run_id: str = msgspec.field(name="key")
    trigger_id: str
    task_id: str
    state: RunState
    cause: str
    at: float
    invocation_id: str
    occurrences: str
    depth: int = 1
    reason: str | None = None
    parts: str = "[]"
    attempts: int = 1
    retry_at: float = 0.0


class TriggerRetry(msgspec.Struct, frozen=True):
    """A run that is to be tried again.

    Attributes:
        run_id: Which.
        at: When, in seconds since the epoch.
    """

    run_id: str = msgspec.field(name="key")
    at: float


class TriggerProblem(msgspec.Struct, frozen=True):
    """Something that goes wrong with a trigger, until it works again.

    Attributes:
        trigger_id: Which.
        task_id: The task to start.
        error: What went wrong last, in words.
        count: How often something did.
        first_at: When it began, in seconds since the epoch.
        at: When it happened last.
    """

    trigger_id: str = msgspec.field(name="key")
    task_id: str
    error: str
    count: int
    first_at: float
    at: float


class Part(msgspec.Struct, frozen=True):
    """An occurrence that meets one condition of a composite and waits for the others.

    Attributes:
        part_id: Derived from the trigger, the condition and the occurrence.
        slot: The trigger, the number of the condition, and what its occurrence must have in common
            with the others.
        occurrence: The occurrence, as JSON text.
        at: When it happened.
        run_id: The run that has used it, or an empty text while it waits.
        expires_at: Until when it waits for the others, in seconds since the epoch.
    """

    part_id: str = msgspec.field(name="key")
    slot: str
    occurrence: str
    at: float
    run_id: str = ""
    expires_at: float = NEVER_EXPIRES


class EventWait(msgspec.Struct, frozen=True):
    """An invocation that waits for events, or has waited and may do so again.

    Attributes:
        wait_id: Derived from the invocation, the code and the filter.
        code: The code of the events.
        invocation_id: Who waits.
        filter: JSON text: what the payload must be like; empty for anything.
        at: Since when, in seconds since the epoch.
        is_active: 1 while it waits. In between, events are kept for its next wait and do not wake it.
        buffered: How many events were delivered that it has not taken yet.
    """

    wait_id: str = msgspec.field(name="key")
    code: str
    invocation_id: str
    filter: str
    at: float
    is_active: int = 1
    buffered: int = 0


class Mark(msgspec.Struct, frozen=True):
    """A small fact that changes by compare and set: a lease, the last tick, a pause.

    Attributes:
        name: Which.
        text: Who or what.
        number: A moment in seconds since the epoch.
    """

    name: str = msgspec.field(name="key")
    text: str
    number: float


DEFINED_MARK = "defined"
"""The name of the mark that is there as long as the definitions are that runners have stored."""


def pause_mark(trigger_id: str) -> str:
    """Return the name of the mark that pauses a trigger."""
    return f"paused:{trigger_id}"


def tick_mark(trigger_id: str, index: int) -> str:
    """Return the name of the mark that holds the last tick of a condition."""
    return f"tick:{trigger_id}:{index}"


MarkSwap = tuple[Mark | None, Mark | None]
"""A mark as it was read (None for absent) and as it is to be (None to delete it)."""
