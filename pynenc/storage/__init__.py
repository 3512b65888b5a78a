"""The storage port: records, queues, signals and blobs, and the drivers for it."""

from pynenc.identifiers.doors import lazy_door

__getattr__, __dir__, __all__ = lazy_door(
    __name__,
    {
        "Storage": "pynenc.storage.base_storage",
        "StorageDriver": "pynenc.storage.drivers",
        "Subscription": "pynenc.storage.subscription",
    },
)
