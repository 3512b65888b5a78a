"""The interface of serializers."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

from pynenc.conf.base_config import PynencConfig
from pynenc.conf.config_serializer import ConfigSerializer
from pynenc.plugins.component import Component


class BaseSerializer(Component):
    """Turns values into text and back."""

    config_class: ClassVar[type[PynencConfig]] = ConfigSerializer

    @abstractmethod
    def serialize(self, value: Any) -> str:
        """Return the text that stands for a value.

        Raises:
            SerializationError: The value cannot be written; says which and why.
        """

    @abstractmethod
    def deserialize(self, text: str) -> Any:
        """Return the value that a text stands for.

        Raises:
            SerializationError: The text was not written by this serializer, or what it names
                does not exist here.
        """


def describe(value: object) -> str:
    """Return a value for error messages: its type, and its text if that is short."""
    kind = type(value).__qualname__
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - a broken __repr__ must not hide the real error
        return f"an object of {kind}"
    return f"{text} ({kind})" if len(text) <= 80 else f"an object of {kind}"
