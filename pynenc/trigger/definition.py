"""Trigger definitions: what is stored about a trigger of a task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import msgspec

from pynenc.exceptions import TaskDefinitionError
from pynenc.identifiers.ids import derived_id
from pynenc.invocation.status import InvocationStatus
from pynenc.trigger.conditions.base import Condition
from pynenc.trigger.conditions.composite import CONDITIONS, CompositeLogic
from pynenc.trigger.conditions.cron import CronCondition, IntervalCondition
from pynenc.trigger.plain_values import from_stored, to_stored
from pynenc.trigger.records import tick_mark
from pynenc.trigger.references import CallableReference, ReferencedFunction, reference_to

_CALLABLE = "$callable"


class StoredTrigger(msgspec.Struct, frozen=True):
    """A definition as every process can read it.

    Attributes:
        trigger_id: Derived from everything that follows, so an equal definition has one id.
        task_id: The task to start.
        logic: How the conditions combine.
        conditions: JSON text: the conditions, with functions as references.
        arguments: JSON text: how the arguments of the started task come about.
        options: JSON text: the `TriggerOptions`.
        name: The name of a schedule that was made at run time; empty for a trigger of the code.
    """

    trigger_id: str = msgspec.field(name="key")
    task_id: str
    logic: str
    conditions: str
    arguments: str
    options: str = "{}"
    name: str = ""


class Misfire(StrEnum):
    """The policies for ticks that were missed while no runner was there."""

    SKIP = "skip"
    FIRE_ONCE = "fire_once"
    FIRE_ALL = "fire_all"


class TriggerOptions(msgspec.Struct, frozen=True, omit_defaults=True):
    """The options of a trigger.

    Attributes:
        misfire: What becomes of missed ticks.
        window_s: How far apart, in seconds, the parts of a composite may lie.
        correlate_by: What the parts of a composite must have in common: the name of a value, or a
            function of a part's context; None for nothing.
        cap: Most starts within `cap_s` seconds, or None for no bound.
        cap_s: See `cap`.
    """

    misfire: Misfire = Misfire.FIRE_ONCE
    window_s: float = 86400.0
    correlate_by: Any = None
    cap: int | None = None
    cap_s: float = 60.0


@dataclass(frozen=True, slots=True)
class ArgumentProvider:
    """A source of arguments for the started task.

    Attributes:
        source: `static`, `trigger` for the whole context, or the kind of the condition whose
            context the function gets.
        value: The arguments, or the function that makes them.
    """

    source: str
    value: dict[str, Any] | Callable[..., Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class TriggerDefinition:
    """A trigger of a task, with its live functions.

    Attributes:
        task_id: The task to start.
        conditions: What it waits for.
        logic: How they combine.
        providers: How the arguments come about; later ones win.
        options: How it behaves.
    """

    task_id: str
    conditions: tuple[Condition, ...]
    logic: CompositeLogic
    providers: tuple[ArgumentProvider, ...] = ()
    options: TriggerOptions = field(default_factory=TriggerOptions)

    @property
    def needs_all(self) -> bool:
        """True if several conditions must be met together."""
        return self.logic != CompositeLogic.OR and len(self.conditions) > 1

    def stored(self) -> StoredTrigger:
        """Return the form in which it is stored.

        Raises:
            TaskDefinitionError: A static value cannot be written as JSON.
        """
        conditions = _encode([_plain_condition(each) for each in self.conditions], self.task_id)
        providers = [
            {"source": each.source, "value": to_stored(each.value, _reference)} for each in self.providers
        ]
        arguments = _encode(providers, self.task_id)
        key = to_stored(self.options.correlate_by, _reference)
        options = _encode(msgspec.structs.replace(self.options, correlate_by=key), self.task_id)
        trigger_id = derived_id(self.task_id, self.logic, conditions, arguments, options)
        return StoredTrigger(trigger_id, self.task_id, self.logic.value, conditions, arguments, options)

    @classmethod
    def restored(cls, stored: StoredTrigger) -> TriggerDefinition:
        """Return the definition of a stored trigger; its functions are imported when they are called."""
        conditions = tuple(_condition(each) for each in msgspec.json.decode(stored.conditions))
        providers = tuple(
            ArgumentProvider(each["source"], from_stored(each["value"], _function))
            for each in msgspec.json.decode(stored.arguments)
        )
        options = msgspec.json.decode(stored.options, type=TriggerOptions)
        key = from_stored(options.correlate_by, _function)
        options = msgspec.structs.replace(options, correlate_by=key)
        logic = CompositeLogic(stored.logic)
        return cls(stored.task_id, conditions, logic, providers, options)


def tick_marks(stored: StoredTrigger) -> list[str]:
    """Return the names of the marks that hold the last ticks of a trigger; none if it cannot be read."""
    try:
        kinds = [
            each.get("kind") for each in msgspec.json.decode(stored.conditions, type=list[dict[str, Any]])
        ]
    except (msgspec.MsgspecError, ValueError):
        return []
    return [
        tick_mark(stored.trigger_id, at)
        for at, kind in enumerate(kinds)
        if kind in (CronCondition.kind, IntervalCondition.kind)
    ]


def _condition(fields: dict[str, Any]) -> Condition:
    cls = CONDITIONS[fields.pop("kind")]
    values = {name: from_stored(value, _function) for name, value in fields.items()}
    for name in ("statuses", "exception_types"):
        if name in values:
            values[name] = tuple(values[name])
    if "statuses" in values:
        values["statuses"] = tuple(InvocationStatus(each) for each in values["statuses"])
    return cls(**values)


def _function(value: dict[str, Any]) -> ReferencedFunction | None:
    """Return what stands for a function that a stored value names."""
    if value.keys() != {_CALLABLE}:
        return None
    return ReferencedFunction(msgspec.convert(value[_CALLABLE], CallableReference))


def _plain_condition(condition: Condition) -> dict[str, Any]:
    """Return the fields of a condition; options that have their defaults are left out."""
    fields = {
        name: value
        for name, field in condition.__dataclass_fields__.items()
        if name != "kind" and not ((value := getattr(condition, name)) == field.default and field.kw_only)
    }
    for name in ("statuses", "exception_types"):
        if name in fields:
            fields[name] = [str(each) for each in fields[name]]
    return {"kind": condition.kind, **to_stored(fields, _reference)}


def _reference(function: Callable[..., Any]) -> dict[str, Any]:
    return {_CALLABLE: reference_to(function)}


def _encode(value: object, task_id: str) -> str:
    try:
        return msgspec.json.encode(value, enc_hook=_refuse, order="deterministic").decode()
    except (TypeError, NotImplementedError) as error:
        raise TaskDefinitionError(
            f"a trigger of task '{task_id}' holds a value that cannot be stored: {error}"
        ) from error


def _refuse(value: object) -> object:
    raise NotImplementedError(f"{value!r} is not a JSON type and no function")
