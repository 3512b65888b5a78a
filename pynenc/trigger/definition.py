"""Trigger definitions: what is stored about a trigger of a task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import msgspec

from pynenc.exceptions import TaskDefinitionError
from pynenc.identifiers.ids import derived_id
from pynenc.trigger.conditions import CompositeLogic, Condition
from pynenc.trigger.references import reference_to


class StoredTrigger(msgspec.Struct, frozen=True):
    """A definition as every process can read it.

    Attributes:
        trigger_id: Derived from everything that follows, so an equal definition has one id.
        task_id: The task to start.
        logic: How the conditions combine.
        conditions: JSON text: the conditions, with functions as references.
        arguments: JSON text: how the arguments of the started task come about.
    """

    trigger_id: str = msgspec.field(name="key")
    task_id: str
    logic: str
    conditions: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ArgumentProvider:
    """How the arguments of the started task come about.

    Attributes:
        source: `static`, `trigger` for the whole context, or the kind of the condition whose
            context the function gets.
        value: The arguments, or the function that makes them.
    """

    source: str
    value: dict[str, Any] | Callable[..., dict[str, Any]]


@dataclass(frozen=True, slots=True)
class TriggerDefinition:
    """A trigger of a task, with its live functions.

    Attributes:
        task_id: The task to start.
        conditions: What it waits for.
        logic: How they combine.
        providers: How the arguments come about; later ones win.
    """

    task_id: str
    conditions: tuple[Condition, ...]
    logic: CompositeLogic
    providers: tuple[ArgumentProvider, ...] = ()

    def stored(self) -> StoredTrigger:
        """The form in which it is stored.

        Raises:
            TaskDefinitionError: A static value cannot be written as JSON.
        """
        conditions = _encode([{"kind": each.kind, **asdict(each)} for each in self.conditions], self.task_id)
        arguments = _encode([asdict(each) for each in self.providers], self.task_id)
        trigger_id = derived_id(self.task_id, self.logic, conditions, arguments)
        return StoredTrigger(trigger_id, self.task_id, self.logic.value, conditions, arguments)


def _encode(value: object, task_id: str) -> str:
    try:
        return msgspec.json.encode(value, enc_hook=_by_reference, order="deterministic").decode()
    except (TypeError, NotImplementedError) as error:
        raise TaskDefinitionError(
            f"a trigger of task '{task_id}' holds a value that cannot be stored: {error}"
        ) from error


def _by_reference(value: object) -> object:
    if callable(value):
        return {"$callable": reference_to(value)}
    raise NotImplementedError(f"{value!r} is no JSON type and no function")
