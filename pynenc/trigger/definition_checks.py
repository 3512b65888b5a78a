"""Checks of whole triggers when they are defined."""

from __future__ import annotations

from collections.abc import Sequence

from pynenc.exceptions import TaskDefinitionError
from pynenc.invocation.status import InvocationStatus
from pynenc.trigger.conditions.base import Condition
from pynenc.trigger.conditions.composite import CompositeLogic
from pynenc.trigger.conditions.cron import ScheduleCondition
from pynenc.trigger.conditions.exception import ExceptionCondition
from pynenc.trigger.conditions.result import ResultCondition
from pynenc.trigger.conditions.status import StatusCondition
from pynenc.trigger.definition import ArgumentProvider, TriggerDefinition

_STATUS_OF = {"result": InvocationStatus.SUCCESS, "exception": InvocationStatus.FAILED}


def fitted(
    conditions: Sequence[Condition], providers: Sequence[ArgumentProvider], task_id: str
) -> tuple[Condition, ...]:
    """Return conditions that have what the functions for the arguments are called with.

    `on_success` waits for a status; with `with_args_from_result` it waits for the result.

    Raises:
        TaskDefinitionError: A function would never be called.
    """
    sources = {each.source for each in providers} - {"static"}
    found = tuple(conditions)
    for source in sorted(sources - {"trigger"} - {each.kind for each in conditions}):
        if not sources & {"trigger", "status"}:
            found = tuple(_as_kind(each, source) for each in found)
        if source not in {each.kind for each in found}:
            kinds = ", ".join(sorted({each.kind for each in conditions}))
            raise TaskDefinitionError(
                f"a trigger of task '{task_id}' takes arguments by with_args_from_{source}, but has no "
                f"condition of the kind '{source}' (it has: {kinds}); add one, or use with_arguments"
            )
    return found


def _as_kind(condition: Condition, source: str) -> Condition:
    if not isinstance(condition, StatusCondition) or condition.statuses != (_STATUS_OF.get(source),):
        return condition
    if source == "result":
        return ResultCondition(condition.task_id, any_result=True, call_arguments=condition.call_arguments)
    return ExceptionCondition(condition.task_id, call_arguments=condition.call_arguments)


def check_composite(definition: TriggerDefinition) -> None:
    """Refuse a combination of conditions that could never be met.

    Raises:
        TaskDefinitionError: Says why.
    """
    where = f"a trigger of task '{definition.task_id}'"
    if definition.options.correlate_by is None:
        return
    if definition.logic == CompositeLogic.OR:
        raise TaskDefinitionError(
            f"{where} has correlate_by, which says what occurrences have in common that are needed together; "
            f"use with_logic('and') or with_logic('sequence')"
        )
    if any(isinstance(each, ScheduleCondition) for each in definition.conditions):
        raise TaskDefinitionError(
            f"{where} has correlate_by and waits for a schedule, whose ticks have nothing to correlate by"
        )
