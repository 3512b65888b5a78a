"""Several conditions of one trigger, and what a callable is told of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pynenc.trigger.conditions.base import Condition
from pynenc.trigger.conditions.cron import CronCondition, CronContext, IntervalCondition, IntervalContext
from pynenc.trigger.conditions.event import EventCondition, EventContext
from pynenc.trigger.conditions.exception import ExceptionCondition, ExceptionContext
from pynenc.trigger.conditions.result import ResultCondition, ResultContext
from pynenc.trigger.conditions.status import StatusCondition, StatusContext


class CompositeLogic(StrEnum):
    """The ways in which the conditions of one trigger combine."""

    AND = "and"
    OR = "or"
    SEQUENCE = "sequence"


CONDITIONS: Mapping[str, type[Condition]] = {
    each.kind: each
    for each in (
        CronCondition,
        IntervalCondition,
        EventCondition,
        StatusCondition,
        ResultCondition,
        ExceptionCondition,
    )
}
"""The conditions by their kinds."""


AnyContext = CronContext | IntervalContext | EventContext | StatusContext | ResultContext | ExceptionContext


@dataclass(frozen=True, slots=True)
class TriggerContext:
    """The contexts that met a composite: `ctx["event"]`, `ctx["status"]` and so on.

    Attributes:
        contexts: The context of each part, by the kind of its condition; of several of one kind the
            first.
        parts: The contexts in the order of the conditions.
    """

    contexts: Mapping[str, AnyContext] = field(default_factory=dict)
    parts: tuple[AnyContext, ...] = ()

    def __getitem__(self, kind: str) -> AnyContext:
        try:
            return self.contexts[kind]
        except KeyError:
            raise KeyError(f"no '{kind}' here; there are: {', '.join(self.contexts)}") from None
