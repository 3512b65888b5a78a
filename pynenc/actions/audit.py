"""The trail of what people do: each action is written down before it takes effect, its result after."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from pynenc.exceptions import PynencError
from pynenc.identifiers.ids import new_id
from pynenc.identifiers.texts import error_text, shortened, storable, type_name
from pynenc.lifecycle.components import Components
from pynenc.state_backend.action_records import AuditEntry
from pynenc.storage.operations import Scalar
from pynenc.storage.record_store import Amend, Lookup, Save

LONGEST_REASON = 500
"""The most characters of a reason."""

_LONGEST_RESULT, _LONGEST_TARGET = 1000, 500
REFUSALS = (PynencError, ValueError, TypeError, LookupError)
"""What an action raises that cannot be done, with the reason as its text."""


class Actor(msgspec.Struct, frozen=True):
    """Somebody who acts.

    Attributes:
        user: The name.
        role: The role.
        address: From where: an address of the network, or a machine.
    """

    user: str
    role: str
    address: str


class Deed(msgspec.Struct, frozen=True):
    """An action that somebody is about to take.

    Attributes:
        action: What, in one word or two.
        target: On what, None if it is about many.
        filter: The line of the search that names those it is about.
        count: The number of those it is about.
        reason: Why, if that was told.
    """

    action: str
    target: str | None = None
    filter: str = ""
    count: int = 1
    reason: str = ""


def audited(components: Components, actor: Actor, deed: Deed, act: Callable[[str], str]) -> AuditEntry:
    """Write down what somebody is about to do, do it, and write down what came of it.

    Args:
        components: The components.
        actor: Who.
        deed: What.
        act: Does it, given the id of the entry; returns what came of it, in words. What it raises is
            the result of the entry, and is raised on.

    Returns:
        The entry.

    Raises:
        ValueError: The reason is too long.
    """
    if len(deed.reason) > LONGEST_REASON:
        raise ValueError(f"a reason has at most {LONGEST_REASON} characters")
    entry = _entry(components, actor, deed)
    components.state_backend.write([Save(entry)])
    try:
        result = act(entry.audit_id)
    except REFUSALS as error:
        text = f"{type_name(type(error)).rpartition('.')[2]}: {error_text(error)}"
        conclude(components, entry.audit_id, text, is_error=True)
        raise
    except BaseException as error:
        conclude(components, entry.audit_id, f"it broke off: {type_name(type(error))}", is_error=True)
        raise
    conclude(components, entry.audit_id, result)
    return msgspec.structs.replace(entry, result=result)


def _entry(components: Components, actor: Actor, deed: Deed) -> AuditEntry:
    return AuditEntry(
        new_id(),
        components.now(),
        storable(actor.user),
        actor.role,
        storable(actor.address),
        deed.action,
        None if deed.target is None else storable(deed.target[:_LONGEST_TARGET]),
        storable(deed.filter),
        deed.count,
        storable(deed.reason),
    )


def refused(components: Components, actor: Actor, deed: Deed, why: str) -> None:
    """Write down that somebody tried something and was not let."""
    entry = msgspec.structs.replace(_entry(components, actor, deed), result=storable(why), is_error=1)
    components.state_backend.write([Save(entry)])


def conclude(components: Components, audit_id: str, result: str, is_error: bool = False) -> None:
    """Write down what came of an action."""
    text = shortened(storable(result), _LONGEST_RESULT)
    values: dict[str, Scalar] = {"result": text, "is_error": int(is_error)}
    components.state_backend.write([Amend(AuditEntry, audit_id, values)])


def entries(components: Components, limit: int, target: str | None = None) -> list[AuditEntry]:
    """Return what people did, the newest first; only what was about a target, if one is given."""
    equals = {} if target is None else {"target": target}
    return components.state_backend.find(AuditEntry, Lookup(AuditEntry, equals, newest_first=True), limit)


def entry_of(components: Components, audit_id: str) -> AuditEntry | None:
    """Return an entry, None if it is not stored."""
    return components.state_backend.read(AuditEntry, [audit_id])[0]
