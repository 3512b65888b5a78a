"""Brokers: the queues between who submits and who runs."""

from pynenc.identifiers.doors import lazy_door

__getattr__, __dir__, __all__ = lazy_door(
    __name__,
    {
        "BaseBroker": "pynenc.broker.base_broker",
        "MemBroker": "pynenc.broker.storage_broker",
        "SQLiteBroker": "pynenc.broker.storage_broker",
    },
)
