"""The actions of operators: each by its path, with what it does and where it leads to.

An action is written into the trail before it takes effect. Nothing that is stored is deserialized.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple, TypeAlias

from pynenc.actions.audit import Actor, Deed, audited
from pynenc.actions.jobs import ask, ask_to_fire, switch
from pynenc.actions.on_invocations import act_on_one
from pynenc.alerts.watching import silence
from pynenc.client.workflow_runtime import send_event
from pynenc.exceptions import SearchError
from pynenc.lifecycle.components import Components
from pynenc.lifecycle.draining import drain, undrain
from pynenc.lifecycle.failures import decide
from pynenc.search.query_text import parse_query
from pynenc.state_backend.action_records import JobKind, JobState
from pynenc.state_backend.failure_records import FailureState

Fields: TypeAlias = Mapping[str, str]
"""The fields of a form, or the members of a JSON object."""

_LONGEST_PAYLOAD = 65_536
_MOST_SILENT_H = 7 * 24.0


class Deeds:
    """The one who acts, and where.

    Args:
        components: The components of the app.
        actor: Who.

    Attributes:
        is_noted: Whether there is an entry in the trail already.
    """

    def __init__(self, components: Components, actor: Actor) -> None:
        self.components, self.actor = components, actor
        self.is_noted = False

    def do(self, deed: Deed, act: Callable[[str], str]) -> str:
        """Do something, with its trail; return the id of the entry."""
        self.is_noted = True
        return audited(self.components, self.actor, deed, act).audit_id


class Act(NamedTuple):
    """Something that an operator can do.

    Attributes:
        path: The path to which it is posted; `{id}` is on what.
        back: The path of the page to which it leads.
        fields: The fields that it takes.
        do: Does it; returns the id of the entry in the trail.
    """

    path: str
    back: str
    fields: tuple[str, ...]
    do: Callable[[Deeds, str, Fields], str]

    def tried(self, target: str) -> Deed:
        """Return the deed of somebody who was not let, or whose wish was refused at once."""
        return Deed(self.path.rpartition("/")[2], target or None)


def _on_invocation(kind: JobKind) -> Callable[[Deeds, str, Fields], str]:
    def do(deeds: Deeds, target: str, fields: Fields) -> str:
        deed = Deed(kind.value, target, reason=fields.get("reason", ""))
        return deeds.do(deed, lambda cause: act_on_one(deeds.components, kind, target, cause))

    return do


def _send_event(deeds: Deeds, target: str, fields: Fields) -> str:
    code, payload = _named(fields, "code"), _payload(fields)

    def act(_: str) -> str:
        return f"event {send_event(deeds.components, target, code, payload)} was sent"

    return deeds.do(Deed(f"send event {code}", target), act)


def _emit_event(deeds: Deeds, target: str, fields: Fields) -> str:
    code, payload = _named(fields, "code"), _payload(fields)
    trigger = deeds.components.trigger
    return deeds.do(
        Deed(f"emit event {code}"), lambda _: f"event {trigger.emit_event(code, payload)} was emitted"
    )


def _decide(deeds: Deeds, target: str, fields: Fields) -> str:
    known, wanted, note = (
        [each.value for each in FailureState],
        _named(fields, "state"),
        fields.get("note", ""),
    )
    if wanted not in known:
        raise ValueError(f"'state' is one of {', '.join(known)}, not '{wanted}'")
    state = FailureState(wanted)

    def act(_: str) -> str:
        decide(deeds.components, target, state, note)
        return f"the failures {target} are {state.value}"

    return deeds.do(Deed(state.value, target, reason=note), act)


def _silence(deeds: Deeds, target: str, fields: Fields) -> str:
    hours = _number(fields, "hours")
    if not 0 < hours <= _MOST_SILENT_H:
        raise ValueError("an alert is silent for up to 168 hours")
    until = deeds.components.now() + hours * 3600

    def act(_: str) -> str:
        silence(deeds.components, target, until)
        return f"{target} is not told for {hours:g} h"

    return deeds.do(Deed("silence", target), act)


def _pause_trigger(deeds: Deeds, target: str, fields: Fields) -> str:
    trigger = deeds.components.trigger
    found = trigger.get_definition(target).trigger_id
    return _change(deeds, "pause", found, trigger.pause, ("it is paused", "it was paused already"))


def _resume_trigger(deeds: Deeds, target: str, fields: Fields) -> str:
    trigger = deeds.components.trigger
    found = trigger.get_definition(target).trigger_id
    return _change(deeds, "resume", found, trigger.resume, ("it is resumed", "it was not paused"))


def _drain(deeds: Deeds, target: str, fields: Fields) -> str:
    act = partial(drain, deeds.components)
    return _change(deeds, "drain", target, act, ("it claims nothing more", "it drains already"))


def _undrain(deeds: Deeds, target: str, fields: Fields) -> str:
    act = partial(undrain, deeds.components)
    return _change(deeds, "undrain", target, act, ("it claims again", "it does not drain"))


def _change(deeds: Deeds, word: str, target: str, act: Callable[[str], bool], words: tuple[str, str]) -> str:
    """Do something to a target, and say in the first words that it has changed it, or else in the second."""
    return deeds.do(Deed(word, target), lambda _: words[0] if act(target) else words[1])


def _fire(deeds: Deeds, target: str, fields: Fields) -> str:
    payload = _payload(fields) if fields.get("payload", "").strip() else None
    return ask_to_fire(deeds.components, deeds.actor, target, payload, fields.get("reason", "")).audit_id


def _ask(deeds: Deeds, target: str, fields: Fields) -> str:
    kind, line = job_kind(fields), fields.get("q", "")
    check_line(deeds.components, line)
    at = _number(fields, "at") if fields.get("at") else None
    return ask(
        deeds.components, deeds.actor, kind, line, fields.get("reason", ""), at, fields.get("key")
    ).audit_id


def _switch(state: JobState, word: str) -> Callable[[Deeds, str, Fields], str]:
    def do(deeds: Deeds, target: str, fields: Fields) -> str:
        def act(_: str) -> str:
            return f"job {target} is {switch(deeds.components, target, state).state.value}"

        return deeds.do(Deed(f"{word} a job", target), act)

    return do


def _purge_messages(deeds: Deeds, target: str, fields: Fields) -> str:
    if fields.get("app", "") != deeds.components.app_id:
        raise ValueError("type the name of the app to confirm that all messages are to be deleted")

    def act(_: str) -> str:
        deeds.components.broker.purge()
        return "all queues are empty; housekeeping queues again what can still be run"

    return deeds.do(Deed("purge messages", "all queues", reason=fields.get("reason", "")), act)


def _named(fields: Fields, name: str) -> str:
    value = fields.get(name, "").strip()
    if not value:
        raise ValueError(f"'{name}' is missing")
    return value


def _number(fields: Fields, name: str) -> float:
    try:
        return float(_named(fields, name))
    except ValueError:
        raise ValueError(f"'{name}' is not a number") from None


def job_kind(fields: Fields) -> JobKind:
    """Return the kind of job that is asked for.

    Raises:
        ValueError: There is none of that name.
    """
    known = [each.value for each in JobKind if each != JobKind.FIRE]
    if fields.get("kind") not in known:
        raise ValueError(f"'kind' is one of {', '.join(known)}, not '{fields.get('kind', '')}'")
    return JobKind(fields["kind"])


def check_line(components: Components, line: str) -> None:
    """Refuse a search that could tell of values which are not shown.

    Raises:
        SearchError: It looks into arguments, or cannot be understood.
    """
    wanted = parse_query(line, components.now())
    if wanted.text is not None or (wanted.without is not None and wanted.without.text is not None):
        raise SearchError("the monitor acts on no search by 'arg:', which could tell of masked values")


def _payload(fields: Fields) -> dict[str, Any]:
    text = fields.get("payload", "").strip() or "{}"
    if len(text) > _LONGEST_PAYLOAD:
        raise ValueError(f"a payload has at most {_LONGEST_PAYLOAD:,} characters")
    try:
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the payload is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise ValueError("the payload is not a JSON object")
    return value


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not a number that JSON knows")


ACTS = (
    Act("invocations/{id}/cancel", "invocations/{id}", ("reason",), _on_invocation(JobKind.CANCEL)),
    Act("invocations/{id}/again", "invocations/{id}", ("reason",), _on_invocation(JobKind.AGAIN)),
    Act("invocations/{id}/purge", "actions", ("reason",), _on_invocation(JobKind.PURGE)),
    Act("invocations/{id}/event", "invocations/{id}", ("code", "payload"), _send_event),
    Act("failures/{id}/state", "failures/{id}", ("state", "note"), _decide),
    Act("alerts/{id:path}/silence", "alerts", ("hours",), _silence),
    Act("triggers/{id}/pause", "triggers/{id}", (), _pause_trigger),
    Act("triggers/{id}/resume", "triggers/{id}", (), _resume_trigger),
    Act("triggers/{id}/fire", "triggers/{id}", ("payload", "reason"), _fire),
    Act("runners/{id}/drain", "runners/{id}", (), _drain),
    Act("runners/{id}/undrain", "runners/{id}", (), _undrain),
    Act("events", "events", ("code", "payload"), _emit_event),
    Act("queues/purge", "queues", ("app", "reason"), _purge_messages),
    Act("jobs", "actions", ("kind", "q", "reason", "at", "key"), _ask),
    Act("jobs/{id}/pause", "actions", (), _switch(JobState.PAUSED, "pause")),
    Act("jobs/{id}/resume", "actions", (), _switch(JobState.WAITING, "resume")),
    Act("jobs/{id}/stop", "actions", (), _switch(JobState.STOPPED, "stop")),
)
"""All that operators can do."""
