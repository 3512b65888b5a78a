"""The life of an invocation: register, claim, finish, wait, recover."""

from pynenc.identifiers.doors import lazy_door

__getattr__, __dir__, __all__ = lazy_door(
    __name__,
    {
        "BaseOrchestrator": "pynenc.orchestrator.base_orchestrator",
        "MemOrchestrator": "pynenc.orchestrator.storage_orchestrator",
        "SQLiteOrchestrator": "pynenc.orchestrator.storage_orchestrator",
    },
)
