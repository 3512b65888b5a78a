"""Triggers: tasks started by time, events and what becomes of other tasks."""

from pynenc.identifiers.doors import lazy_door

__getattr__, __dir__, __all__ = lazy_door(
    __name__,
    {
        "BaseTrigger": "pynenc.trigger.base_trigger",
        "MemTrigger": "pynenc.trigger.storage_trigger",
        "SQLiteTrigger": "pynenc.trigger.storage_trigger",
        "TriggerBuilder": "pynenc.trigger.trigger_builder",
        "TriggerDefinition": "pynenc.trigger.definition",
        "all_of": "pynenc.trigger.trigger_builder",
        "any_of": "pynenc.trigger.trigger_builder",
        "on_any_result": "pynenc.trigger.trigger_builder",
        "on_cron": "pynenc.trigger.trigger_builder",
        "on_event": "pynenc.trigger.trigger_builder",
        "on_exception": "pynenc.trigger.trigger_builder",
        "on_failure": "pynenc.trigger.trigger_builder",
        "on_interval": "pynenc.trigger.trigger_builder",
        "on_result": "pynenc.trigger.trigger_builder",
        "on_status": "pynenc.trigger.trigger_builder",
        "on_success": "pynenc.trigger.trigger_builder",
        "sequence": "pynenc.trigger.trigger_builder",
    },
)
