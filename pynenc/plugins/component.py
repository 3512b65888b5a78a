"""Components: how they are described, selected and built."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Protocol, TypeVar

from pynenc.conf.base_config import PynencConfig
from pynenc.plugins.kinds import KINDS, STORES, ComponentKind

C = TypeVar("C", bound=PynencConfig)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ComponentSpec:
    """Describes a component without importing it.

    Attributes:
        kind: What it is.
        name: Class name, unique within the kind.
        import_path: `package.module:ClassName`.
        alias: Short name; components of one backend share it, and `backend=` selects them by it.
        settings: `package.module:ClassName` of every settings class it reads. These modules must
            not import the driver.
    """

    kind: ComponentKind
    name: str
    import_path: str
    alias: str | None = None
    settings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BuilderMethod:
    """A method that a plugin adds to `PynencBuilder`.

    Attributes:
        name: Name of the method.
        import_path: `package.module:function`, called as `function(builder, ...)`; its return
            value is ignored and the builder is returned.
    """

    name: str
    import_path: str


@dataclass(frozen=True, slots=True)
class ConverterSpec:
    """A pair of functions by which serializers carry the objects of a class.

    Nothing is imported until an object of the class is written or read.

    Attributes:
        cls: `module:Qualified.Name` of the class.
        to_plain: `package.module:function`, which returns a value that the serializer carries.
        from_plain: `package.module:function`, which returns the object that such a value stands for.
    """

    cls: str
    to_plain: str
    from_plain: str


@dataclass(frozen=True, slots=True)
class CodecSpec:
    """A codec, which values go through before they are stored.

    Attributes:
        name: The name in the setting `codec`: letters, digits and underscores.
        import_path: `package.module:ClassName` of a `pynenc.storage.codecs.Codec`.
    """

    name: str
    import_path: str


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """A command that a plugin adds to the command line: `package.module:command` (click)."""

    name: str
    import_path: str
    help: str = ""


def family_specs(
    alias: str, prefix: str, module: str, settings: tuple[str, ...] = ()
) -> Iterator[ComponentSpec]:
    """Return the specs of a storage family: one component of each kind that keeps data.

    Args:
        alias: The short name by which `backend=` selects the family.
        prefix: The beginning of the class names, such as `Redis` for `RedisBroker`.
        module: The module that holds the classes; `{kind}` in it stands for the kind.
        settings: `package.module:ClassName` of the settings that the driver reads.
    """
    for kind in STORES:
        row = KINDS[kind]
        name = f"{prefix}{row.suffix}"
        yield ComponentSpec(
            kind, name, f"{module.format(kind=kind)}:{name}", alias, (row.settings, *settings)
        )


class ComponentContext(ABC):
    """The context that a component is built with, in place of the app."""

    app_id: str
    logger: logging.Logger

    @abstractmethod
    def settings(self, cls: type[C]) -> C:
        """Return the effective settings of a class."""

    @abstractmethod
    def shared(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return a thing that components of one app share, made at its first use."""


class Component(ABC):
    """Base of everything that settings select.

    Attributes:
        config_class: The settings that `conf` holds.
        shared_between_processes: Whether other processes see the same data.
    """

    config_class: ClassVar[type[PynencConfig]]
    shared_between_processes: ClassVar[bool] = True

    def __init__(self, context: ComponentContext) -> None:
        self.context = context
        self.app_id = context.app_id
        self.logger = context.logger
        self.conf = context.settings(self.config_class)

    def ping(self) -> str | None:
        """Prove that what the component stands on answers.

        Returns:
            A line about it for people, or None if it stands on nothing.

        Raises:
            StorageError: It does not answer.
        """
        return None

    def hazards(self) -> list[str]:
        """Return what could lose data where the component stands, each with what to do about it."""
        return []

    def cautions(self) -> list[str]:
        """Return what is to be known of where the component stands, though it may be meant so."""
        return []

    def close(self) -> None:  # noqa: B027 - most components hold nothing open
        """Release what the component holds open; the next use opens it again."""


class DataComponent(Component):
    """Base of the components that keep data."""

    @abstractmethod
    def purge(self) -> None:
        """Delete everything that the component keeps of this app."""


class ProvidesComponents(Protocol):
    """Selects and builds the components of an app; runners ask it when they start."""

    @property
    def signs(self) -> bool:
        """True if records are signed."""

    def get(self, kind: ComponentKind) -> Component:
        """Return the component of a kind, built at its first use."""

    def component_class(self, kind: ComponentKind) -> type[Component]:
        """Return the class that the settings select for a kind."""
