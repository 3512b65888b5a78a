"""Serializers: values to text and back."""

from pynenc.identifiers.doors import lazy_door

__getattr__, __dir__, __all__ = lazy_door(
    __name__,
    {
        "BaseSerializer": "pynenc.serializer.base_serializer",
        "JsonPickleSerializer": "pynenc.serializer.json_pickle_serializer",
        "JsonSerializer": "pynenc.serializer.json_serializer",
        "PickleSerializer": "pynenc.serializer.pickle_serializer",
    },
)
