"""Stored values one at a time: more of them than the page of an invocation shows, and whole as a file."""

from __future__ import annotations

from pynenc.actions.audit import Actor, Deed, audited
from pynenc.exceptions import ClientDataNotFoundError, SerializationError
from pynenc.lifecycle.components import Components
from pynenc.lifecycle.values import decode_arguments
from pynenc.monitor.masking import HIDDEN, IN_FILE, ON_PAGE, Bounds, Masking
from pynenc.monitor.shown import Context, Shown, problem

_GONE = "The value was kept apart, and is not there any more."
RESULT = ""
"""Stands for the result where the name of an argument could stand."""


def value(components: Components, masking: Masking, invocation_id: str, name: str) -> Context | None:
    """Return an argument, or the result, as a page shows it; None if there is no such value.

    Args:
        components: The components.
        masking: Shows stored texts.
        invocation_id: Of which invocation.
        name: Of the argument; `RESULT` for the result.
    """
    found = _text(components, masking, invocation_id, name, ON_PAGE)
    if found is None:
        return None
    return {
        "now": components.now(),
        "invocation_id": invocation_id,
        "name": name,
        "what": f"argument {masking.text(name)}" if name else "result",
        "text": found,
        "most": IN_FILE.shown,
    }


def taken(components: Components, masking: Masking, actor: Actor, invocation_id: str, name: str) -> Shown:
    """Return a value as the content of a file, after writing down who took it."""
    found = _text(components, masking, invocation_id, name, IN_FILE)
    if found is None:
        return problem("Not found", "There is no such value.", 404)
    deed = Deed("download", invocation_id, reason=f"argument {name}" if name else "result")
    audited(components, actor, deed, lambda _: "it was sent")
    return Shown("", {"text": found})


def _text(
    components: Components, masking: Masking, invocation_id: str, name: str, bounds: Bounds
) -> str | None:
    packed = _packed(components, invocation_id, name)
    if packed is None:
        return None
    if masking.hides_arguments and name:
        return HIDDEN
    try:
        (text,) = components.values.whole_texts([packed])
    except ClientDataNotFoundError:
        return _GONE
    return masking.whole(name or "result", text, bounds)


def _packed(components: Components, invocation_id: str, name: str) -> str | None:
    """Return a value in its stored form."""
    if name:
        (data,) = components.state_backend.read_invocations([invocation_id])
        try:
            return None if data is None else decode_arguments(data.arguments).get(name)
        except SerializationError:
            return None
    (state,) = components.orchestrator.read_states([invocation_id])
    if state is None or state.outcome_id is None:
        return None
    (outcome,) = components.state_backend.read_outcomes([state.outcome_id])
    return None if outcome is None or outcome.is_error else outcome.payload
