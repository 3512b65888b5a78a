"""Triggers: tasks started by time, events and what becomes of other tasks."""

from pynenc.trigger.trigger_builder import (
    TriggerBuilder,
    on_any_result,
    on_cron,
    on_event,
    on_exception,
    on_failure,
    on_result,
    on_status,
    on_success,
)

__all__ = [
    "TriggerBuilder",
    "on_any_result",
    "on_cron",
    "on_event",
    "on_exception",
    "on_failure",
    "on_result",
    "on_status",
    "on_success",
]
