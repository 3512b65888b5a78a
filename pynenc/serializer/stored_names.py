"""The names under which classes and functions of this package appear in stored text.

Serialized values of the pickling serializers name the classes that they consist of. What was
stored stays readable when a class moves: each name under which one was ever stored is listed here,
with the place where it is now. A name that is listed once is never taken out again.
"""

from __future__ import annotations

import re
from importlib import import_module

_DISTRIBUTED = "pynenc.client.dist_invocation"
_CONDITIONS = "pynenc.trigger.conditions"

STORED_NAMES: dict[str, str] = {
    # Names that are written today.
    "pynenc.app.Pynenc": "pynenc.app.Pynenc",
    "pynenc.app._new_pynenc": "pynenc.app._new_pynenc",
    "pynenc.invocation.arguments.Arguments": "pynenc.invocation.arguments.Arguments",
    "pynenc.calls.call_options.CallOptions": "pynenc.calls.call_options.CallOptions",
    "pynenc.calls.interfaces.Call": "pynenc.calls.interfaces.Call",
    "pynenc.calls.interfaces.InvocationGroup": "pynenc.calls.interfaces.InvocationGroup",
    "pynenc.client.dist_invocation.DistributedInvocation": f"{_DISTRIBUTED}.DistributedInvocation",
    "pynenc.client.dist_invocation.ReusedInvocation": f"{_DISTRIBUTED}.ReusedInvocation",
    "pynenc.client.dist_invocation._restore": f"{_DISTRIBUTED}._restore",
    "pynenc.identifiers.task_id.TaskId": "pynenc.identifiers.task_id.TaskId",
    "pynenc.invocation.state.HistoryEntry": "pynenc.invocation.state.HistoryEntry",
    "pynenc.invocation.state.InvocationState": "pynenc.invocation.state.InvocationState",
    "pynenc.invocation.status.InvocationStatus": "pynenc.invocation.status.InvocationStatus",
    "pynenc.invocation.workflow_identity.WorkflowIdentity": (
        "pynenc.invocation.workflow_identity.WorkflowIdentity"
    ),
    "pynenc.serializer.pickle_serializer.converted": "pynenc.serializer.pickle_serializer.converted",
    "pynenc.serializer.pickle_serializer.rebuilt_exception": (
        "pynenc.serializer.pickle_serializer.rebuilt_exception"
    ),
    "pynenc.task.Task": "pynenc.task.Task",
    "pynenc.task.TaskWithOptions": "pynenc.task.TaskWithOptions",
    "pynenc.task._restore": "pynenc.task._restore",
    "pynenc.trigger.conditions.composite.CompositeLogic": f"{_CONDITIONS}.composite.CompositeLogic",
    "pynenc.trigger.conditions.composite.TriggerContext": f"{_CONDITIONS}.composite.TriggerContext",
    "pynenc.trigger.conditions.cron.CronCondition": f"{_CONDITIONS}.cron.CronCondition",
    "pynenc.trigger.conditions.cron.IntervalCondition": f"{_CONDITIONS}.cron.IntervalCondition",
    "pynenc.trigger.conditions.cron.IntervalContext": f"{_CONDITIONS}.cron.IntervalContext",
    "pynenc.trigger.conditions.cron.CronContext": f"{_CONDITIONS}.cron.CronContext",
    "pynenc.trigger.conditions.event.EventCondition": f"{_CONDITIONS}.event.EventCondition",
    "pynenc.trigger.conditions.event.EventContext": f"{_CONDITIONS}.event.EventContext",
    "pynenc.trigger.conditions.exception.ExceptionCondition": f"{_CONDITIONS}.exception.ExceptionCondition",
    "pynenc.trigger.conditions.exception.ExceptionContext": f"{_CONDITIONS}.exception.ExceptionContext",
    "pynenc.trigger.conditions.result.ResultCondition": f"{_CONDITIONS}.result.ResultCondition",
    "pynenc.trigger.conditions.result.ResultContext": f"{_CONDITIONS}.result.ResultContext",
    "pynenc.trigger.conditions.status.StatusCondition": f"{_CONDITIONS}.status.StatusCondition",
    "pynenc.trigger.conditions.status.StatusContext": f"{_CONDITIONS}.status.StatusContext",
    # Names of version 0.1, before the classes moved.
    "pynenc.arguments.Arguments": "pynenc.invocation.arguments.Arguments",
    "pynenc.calls.arguments.Arguments": "pynenc.invocation.arguments.Arguments",
    "pynenc.call.Call": "pynenc.calls.interfaces.Call",
    "pynenc.call_options.CallOptions": "pynenc.calls.call_options.CallOptions",
    "pynenc.invocation.base_invocation.BaseInvocationGroup": "pynenc.calls.interfaces.InvocationGroup",
    "pynenc.invocation.conc_invocation.ConcurrentInvocationGroup": "pynenc.calls.interfaces.InvocationGroup",
    "pynenc.invocation.dist_invocation.DistributedInvocationGroup": "pynenc.calls.interfaces.InvocationGroup",
    "pynenc.invocation.dist_invocation._restore": f"{_DISTRIBUTED}._restore",
    "pynenc.orchestrator.base_orchestrator.HistoryEntry": "pynenc.invocation.state.HistoryEntry",
    "pynenc.orchestrator.base_orchestrator.InvocationState": "pynenc.invocation.state.InvocationState",
    "pynenc.trigger.conditions.CompositeLogic": f"{_CONDITIONS}.composite.CompositeLogic",
    "pynenc.trigger.conditions.CronCondition": f"{_CONDITIONS}.cron.CronCondition",
    "pynenc.trigger.conditions.CronContext": f"{_CONDITIONS}.cron.CronContext",
    "pynenc.trigger.conditions.EventCondition": f"{_CONDITIONS}.event.EventCondition",
    "pynenc.trigger.conditions.EventContext": f"{_CONDITIONS}.event.EventContext",
    "pynenc.trigger.conditions.ExceptionCondition": f"{_CONDITIONS}.exception.ExceptionCondition",
    "pynenc.trigger.conditions.ExceptionContext": f"{_CONDITIONS}.exception.ExceptionContext",
    "pynenc.trigger.conditions.ResultCondition": f"{_CONDITIONS}.result.ResultCondition",
    "pynenc.trigger.conditions.ResultContext": f"{_CONDITIONS}.result.ResultContext",
    "pynenc.trigger.conditions.StatusCondition": f"{_CONDITIONS}.status.StatusCondition",
    "pynenc.trigger.conditions.StatusContext": f"{_CONDITIONS}.status.StatusContext",
    "pynenc.trigger.conditions.TriggerContext": f"{_CONDITIONS}.composite.TriggerContext",
    "pynenc.workflow.identity.WorkflowIdentity": "pynenc.invocation.workflow_identity.WorkflowIdentity",
}
"""Stored name to present name, both as `module.name`."""


def present_path(path: str) -> str:
    """Return the present path of a class, `module:Qualified.Name`: it may have moved since it was stored."""
    present = STORED_NAMES.get(path.replace(":", "."))
    return path if present is None else ":".join(present.rsplit(".", 1))


_MENTIONED = re.compile(r'"(pynenc\.[A-Za-z_.]+)"')


def find_stored(name: str) -> object | None:
    """Return the class or function that a stored name stands for; None if it is not listed."""
    present = STORED_NAMES.get(name)
    if present is None:
        return None
    module, _, attribute = present.rpartition(".")
    found: object = getattr(import_module(module), attribute)
    return found


def moved_in(text: str) -> dict[str, object]:
    """Return the classes and functions that moved since a JSON text naming them was written."""
    if '"pynenc.' not in text:
        return {}
    mentioned = set(_MENTIONED.findall(text))
    return {name: find_stored(name) for name in mentioned if STORED_NAMES.get(name, name) != name}
