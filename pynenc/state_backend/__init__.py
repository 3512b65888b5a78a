"""State backends: what invocations are and what came of them."""

from pynenc.identifiers.doors import lazy_door

__getattr__, __dir__, __all__ = lazy_door(
    __name__,
    {
        "BaseStateBackend": "pynenc.state_backend.base_state_backend",
        "MemStateBackend": "pynenc.state_backend.storage_state_backend",
        "SQLiteStateBackend": "pynenc.state_backend.storage_state_backend",
    },
)
