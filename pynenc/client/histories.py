"""Histories: all that a workflow has recorded, as one text that another version of its code can replay."""

from __future__ import annotations

import msgspec

from pynenc.client.workflow_names import stored_under
from pynenc.client.workflow_runtime import latest_arguments
from pynenc.invocation.data import OutcomeData
from pynenc.lifecycle.components import Components
from pynenc.lifecycle.values import decode_arguments
from pynenc.state_backend.workflow_records import Step
from pynenc.workflow.journal import StoredJournal
from pynenc.workflow.run import CHILD

FORMAT = 1
"""The number of the format; texts of a later one are refused."""


class RecordedStep(msgspec.Struct, frozen=True):
    """A recorded operation, with its value as serialized text; the fields are those of `Step`."""

    branch: str
    index: int
    kind: str
    name: str
    text: str
    is_error: int
    at: float


class RecordedChild(msgspec.Struct, frozen=True):
    """A child that has ended.

    Attributes:
        status: How it ended.
        text: Its serialized result or exception, if it has one.
        is_error: 1 if that is an exception.
    """

    status: str
    text: str | None = None
    is_error: int = 0


class History(msgspec.Struct, frozen=True):
    """All that a workflow has recorded since it last continued as new.

    Attributes:
        format: The number of the format.
        workflow_id: The workflow.
        task: The name of its task.
        status: How it stands.
        code_version: The version of the code with which it began, if that was told.
        exported_at: When this was read, in seconds since the epoch.
        attempt: How often its body had asked for another run.
        arguments: The serialized arguments, by name.
        steps: The recorded operations, oldest first.
        children: The children that have ended, by their ids.
    """

    format: int
    workflow_id: str
    task: str
    status: str
    code_version: str | None
    exported_at: float
    attempt: int
    arguments: dict[str, str]
    steps: list[RecordedStep]
    children: dict[str, RecordedChild]


def export_history(components: Components, workflow_id: str) -> str:
    """Return the history of a workflow as JSON text.

    Large values are written out, and nothing is encrypted in it.

    Raises:
        InvocationNotFoundError: It is not stored.
    """
    data, state = stored_under(components, workflow_id)
    invocation_id = data.invocation_id
    stored = latest_arguments(components, invocation_id, state.generation) or data.arguments
    arguments = decode_arguments(stored)
    journal = StoredJournal(components, invocation_id, data.workflow_id, state.generation)
    steps = journal.current_steps()
    texts = components.values.whole_texts([*arguments.values(), *(step.payload for step in steps)])
    history = History(
        FORMAT,
        invocation_id,
        data.task_id,
        state.status.value,
        state.code_version,
        components.now(),
        state.retries,
        dict(zip(arguments, texts, strict=False)),
        [
            RecordedStep(step.branch, step.index, step.kind, step.name, text, step.is_error, step.at)
            for step, text in zip(steps, texts[len(arguments) :], strict=True)
        ],
        _children(components, steps),
    )
    return msgspec.json.format(msgspec.json.encode(history), indent=2).decode() + "\n"


def _children(components: Components, steps: list[Step]) -> dict[str, RecordedChild]:
    ids = components.values.unpack_results([step.payload for step in steps if step.kind == CHILD])
    found: dict[str, RecordedChild] = {}
    for state in components.orchestrator.read_states(ids):
        if state is None or not state.status.final:
            continue
        outcome: OutcomeData | None = None
        if state.outcome_id is not None and state.status.has_outcome:
            (outcome,) = components.state_backend.read_outcomes([state.outcome_id])
        if outcome is None:
            found[state.invocation_id] = RecordedChild(state.status.value)
        else:
            (text,) = components.values.whole_texts([outcome.payload])
            found[state.invocation_id] = RecordedChild(state.status.value, text, outcome.is_error)
    return found


def read_history(text: str | bytes) -> History:
    """Return the history that a text holds.

    Raises:
        ValueError: It holds none, or one of a later version of pynenc.
    """
    try:
        history = msgspec.json.decode(text, type=History)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValueError(f"this is not the history of a workflow: {error}") from error
    if history.format > FORMAT:
        raise ValueError(
            f"the history has format {history.format}, and this version of pynenc reads up to {FORMAT}; "
            f"update it"
        )
    return history
