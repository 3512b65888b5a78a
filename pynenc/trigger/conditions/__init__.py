"""Conditions of triggers and what a callable is told when they are met."""

from pynenc.trigger.conditions.base import Condition, Filter
from pynenc.trigger.conditions.composite import CONDITIONS, AnyContext, CompositeLogic, TriggerContext
from pynenc.trigger.conditions.cron import CronCondition, CronContext
from pynenc.trigger.conditions.event import EventCondition, EventContext
from pynenc.trigger.conditions.exception import ExceptionCondition, ExceptionContext
from pynenc.trigger.conditions.result import ResultCondition, ResultContext
from pynenc.trigger.conditions.status import StatusCondition, StatusContext

__all__ = [
    "CONDITIONS",
    "AnyContext",
    "CompositeLogic",
    "Condition",
    "CronCondition",
    "CronContext",
    "EventCondition",
    "EventContext",
    "ExceptionCondition",
    "ExceptionContext",
    "Filter",
    "ResultCondition",
    "ResultContext",
    "StatusCondition",
    "StatusContext",
    "TriggerContext",
]
