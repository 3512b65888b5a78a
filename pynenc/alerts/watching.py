"""Watching an app: rules are looked at, and each change of an alert is told once, whoever looks.

An alert is pending until it has been wrong for long enough, then it fires, and it is over when it has been
right for a while. Every change is a compare and set, and the one whose change was applied tells it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from typing import TypeAlias

import msgspec

from pynenc.alerts.rules import RULES, Finding, Look
from pynenc.conf.config_alerts import RuleSettings
from pynenc.identifiers.texts import error_text, storable
from pynenc.lifecycle.components import Components
from pynenc.metrics.readings import Readings
from pynenc.state_backend.alert_records import AlertData, AlertState
from pynenc.storage.record_store import Lookup, RecordWrite, Remove, Save, swap

Tell: TypeAlias = Callable[[AlertData], None]
"""Tells of an alert that fires or is over."""

CLEAR_S = 60.0
"""For how many seconds a subject must be right before its alert is over."""

_SEEN_AGAIN_S = 60.0
_TRIES = 5
_MOST_SUBJECTS = 100
_PAGE = 200
_FIELDS = (
    "version",
    "state",
    "at",
    "begun",
    "missed_at",
    "told_at",
    "seen_at",
    "value",
    "text",
)


def watch(components: Components, tell: Tell, rules: Collection[str] = tuple(RULES)) -> dict[str, str]:
    """Look at rules once; tell of every alert that fires, goes on for long, or is over.

    Args:
        components: The components.
        tell: Tells of an alert; must not raise.
        rules: The names of the rules.

    Returns:
        The rules that could not be looked at, with the reasons; their alerts stay as they are.
    """
    readings = Readings(components)
    known = {each.alert_id: each for each in alerts(components, (AlertState.PENDING, AlertState.FIRING))}
    failed: dict[str, str] = {}
    for name in rules:
        settings = components.conf.alert_rules.get(name, RuleSettings())
        rule = RULES[name]
        look = Look(components, settings, rule.default, readings)
        try:
            is_on = rule.is_on if settings.enabled is None else settings.enabled
            found = list(rule.find(look)) if is_on else []
        except Exception as error:  # noqa: BLE001 - the other rules are looked at all the same
            failed[name] = f"{type(error).__name__}: {error_text(error)}"
            continue
        wrong = {alert_id(name, each.subject): each for each in found[:_MOST_SUBJECTS]}
        for key, each in known.items():
            if each.rule == name and key not in wrong:
                _right(components, each, readings.now, tell)
        for key, finding in wrong.items():
            _wrong(components, known.get(key), name, finding, look.wait(finding.subject), readings.now, tell)
    return failed


def alert_id(rule: str, subject: str) -> str:
    """Return the id of the alert of a rule and a subject."""
    return f"{rule}:{subject}"


def alerts(components: Components, states: Collection[AlertState] = tuple(AlertState)) -> list[AlertData]:
    """Return the alerts in some states, the newest first; of those that are over the last 200."""
    store, found = components.state_backend, list[AlertData]()
    for state in states:
        lookup = Lookup(AlertData, {"state": state.value}, newest_first=True)
        if state == AlertState.OVER:
            found += store.find(AlertData, lookup, _PAGE)
        else:
            found += store.find_all(AlertData, lookup)
    return sorted(found, key=lambda each: each.at, reverse=True)


def silence(components: Components, alert: str, until: float) -> AlertData:
    """Keep an alert quiet until a moment, whether it is there already or not; return it.

    Raises:
        ValueError: The name is not that of a rule, a colon and a subject.
    """
    rule, colon, subject = alert.partition(":")
    if rule not in RULES or not colon or not subject:
        names = ", ".join(RULES)
        raise ValueError(f"'{alert}' is not RULE:SUBJECT, such as 'queue_age:mail'; the rules are {names}")
    store, now = components.state_backend, components.now()
    key = alert_id(rule, subject)
    for _ in range(_TRIES):
        (found,) = store.read(AlertData, [key])
        if found is None:
            new = AlertData(key, rule, storable(subject), AlertState.OVER, 1, now, now, silent_until=until)
            write: RecordWrite = Save(new)
        else:
            new = msgspec.structs.replace(found, silent_until=until, version=found.version + 1)
            write = swap(found, new, ("version", "silent_until"))
        if store.write([write])[0]:
            return new
    raise ValueError(f"'{alert}' is changed by others again and again; try once more")


def _wrong(
    components: Components,
    known: AlertData | None,
    rule: str,
    finding: Finding,
    wait_s: float,
    now: float,
    tell: Tell,
) -> None:
    key, store = alert_id(rule, finding.subject), components.state_backend
    if known is None:
        (known,) = store.read(AlertData, [key])  # one that is over
    found = {"value": float(finding.value), "text": storable(finding.text), "seen_at": now, "missed_at": 0.0}
    if known is None or known.state == AlertState.OVER:
        silent = known.silent_until if known is not None else 0.0
        version = known.version + 1 if known is not None else 1
        new = AlertData(
            key, rule, finding.subject, AlertState.PENDING, version, now, now, silent_until=silent
        )
        new = msgspec.structs.replace(new, **found)
        if not store.write([Save(new) if known is None else swap(known, new, _FIELDS)])[0]:
            return
        known = new
    is_silent = known.silent_until > now
    told = {} if is_silent else {"told_at": now}
    if known.state == AlertState.PENDING:
        if now - known.begun >= wait_s:
            begins = {**found, **told, "state": AlertState.FIRING, "at": now}
            _change(components, known, begins, None if is_silent else tell)
    elif not is_silent and now - known.told_at >= components.conf.alert_repeat_hours * 3600:
        _change(components, known, {**found, **told}, tell)
    elif known.missed_at or now - known.seen_at >= _SEEN_AGAIN_S:
        _change(components, known, found)


def _right(components: Components, known: AlertData, now: float, tell: Tell) -> None:
    over = {"state": AlertState.OVER, "at": now}
    if known.state == AlertState.PENDING:
        if known.silent_until > now:
            _change(components, known, over)
        else:
            components.state_backend.write([Remove(AlertData, known.alert_id, {"version": known.version})])
    elif not known.missed_at:
        _change(components, known, {"missed_at": now})
    elif (
        now - known.missed_at >= CLEAR_S
    ):  # told even while it is silent, to those who were told that it fires
        was_told = known.told_at > 0
        _change(components, known, {**over, "told_at": now} if was_told else over, tell if was_told else None)


def _change(
    components: Components, known: AlertData, values: Mapping[str, object], tell: Tell | None = None
) -> None:
    """Change an alert unless somebody else has; who has changed it tells it, if it is to be told."""
    changed = msgspec.structs.replace(known, version=known.version + 1, **values)
    if components.state_backend.write([swap(known, changed, _FIELDS)])[0] and tell is not None:
        tell(changed)


def log(logger: logging.Logger, alert: AlertData) -> None:
    """Log an alert: a warning when it fires, a note when it is over."""
    if alert.state == AlertState.OVER:
        logger.info("alert %s is over; it was: %s", alert.alert_id, alert.text)
    else:
        logger.warning("alert %s: %s", alert.alert_id, alert.text)
