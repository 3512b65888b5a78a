"""The interface of serializers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

from pynenc.conf.base_config import PynencConfig
from pynenc.conf.config_serializer import ConfigSerializer
from pynenc.plugins.component import Component

ToPlain = Callable[[Any], Any]
"""Returns the value that stands for an object; the serializer must carry it."""
FromPlain = Callable[[Any], Any]
"""Returns the object that such a value stands for."""


class BaseSerializer(Component):
    """Turns values into text and back.

    Every serializer carries these kinds of values, nested in each other:

    - `None`, `True` and `False`
    - whole numbers of any size
    - finite floating-point numbers, `-0.0` as `-0.0`
    - texts that can be encoded as UTF-8, with any characters
    - lists
    - tuples
    - dictionaries with texts as keys
    - members of enumerations that are defined at the top level of a module
    - exceptions whose class is defined there, if their arguments are carried

    Any other value comes back equal and of the same type, or is refused with a `SerializationError` when it
    is written. The text can be encoded as UTF-8. A text that was damaged raises nothing but that error.

    Attributes:
        executes_code: Whether reading a text can execute code that its writer has chosen.
        allows_main: Whether all that it writes is read in this process, where classes of the script that
            is being run, or of a notebook, are found.
    """

    config_class: ClassVar[type[PynencConfig]] = ConfigSerializer
    executes_code: ClassVar[bool] = False
    allows_main: bool = False

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

    def same_text(self, text: str) -> str:
        """Return a text that is the same for all texts of equal values, whatever their order.

        A serializer that knows no better returns the text itself, so that values count as equal only
        if their texts are.
        """
        return text

    def register(self, cls: type, to_plain: ToPlain, from_plain: FromPlain) -> None:
        """Carry objects of a class with a pair of functions, in this process.

        Every process that reads such objects must register the class as well, as one does next to
        the app.

        Args:
            cls: The class; objects of its subclasses are not meant.
            to_plain: Returns a value of kinds that are carried, such as a dictionary.
            from_plain: Returns the object that such a value stands for.

        Raises:
            ValueError: Other processes cannot find the class, because it is defined in the script that is
                being run or inside a function.
        """
        is_main = cls.__module__ == "__main__" and not self.allows_main
        if is_main or "<locals>" in cls.__qualname__:
            raise ValueError(
                f"the class {cls.__qualname__} must be defined at the top level of a module that all "
                f"processes import"
            )
        self.register_path(f"{cls.__module__}:{cls.__qualname__}", to_plain, from_plain)

    def register_path(self, path: str, to_plain: ToPlain, from_plain: FromPlain) -> None:
        """Do the same for a class that is not imported yet.

        Args:
            path: `module:Qualified.Name` of the class.
            to_plain: As for `register`.
            from_plain: As for `register`.
        """
