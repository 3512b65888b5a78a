"""The base of all settings models.

Values come in layers, strongest first. A layer knows for each of its values where exactly it
was found, so that an error and `pynenc config show` can say so.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pydantic import PrivateAttr, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from pynenc.conf.elsewhere import hint_for
from pynenc.exceptions import ConfigError

ENV_PREFIX = "PYNENC__"
DEFAULT_ORIGIN = "default"


@dataclass(frozen=True, slots=True)
class Layer:
    """Values for one settings class out of one place.

    Attributes:
        values: Field name to raw value.
        origins: Field name to a description of where the value was found.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)


_layers: ContextVar[tuple[Layer, ...] | None] = ContextVar("pynenc_layers", default=None)


class _LayerSource(PydanticBaseSettingsSource):
    """Hands one layer to pydantic-settings."""

    def __init__(self, settings_cls: type[BaseSettings], layer: Layer) -> None:
        super().__init__(settings_cls)
        self._layer = layer

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return self._layer.values.get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        return dict(self._layer.values)


class PynencConfig(BaseSettings):
    """Base of all settings.

    Building one directly reads the environment over the given values; an app builds its
    settings through a `SettingsLoader`, which adds the files.

    Attributes:
        section: Name of the section of a settings file that holds this class's values.
    """

    model_config = SettingsConfigDict(
        extra="forbid",
        validate_assignment=True,
        validate_default=True,
        arbitrary_types_allowed=True,
        allow_inf_nan=False,
    )
    section: ClassVar[str | None] = None
    _origins: dict[str, str] = PrivateAttr(default_factory=dict)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        layers = _layers.get()
        if layers is None:
            return _LayerSource(settings_cls, environment_layer(cls, os.environ)), init_settings
        return tuple(_LayerSource(settings_cls, layer) for layer in layers)

    @classmethod
    def from_layers(cls, layers: Iterable[Layer]) -> PynencConfig:
        """Build from layers, strongest first.

        Raises:
            ConfigError: A value is wrong; names the setting, its place, the value and why.
        """
        ordered = tuple(layers)
        origins: dict[str, str] = {}
        for layer in ordered:
            for name in layer.values:
                origins.setdefault(name, layer.origins.get(name, "code"))
        token = _layers.set(ordered)
        try:
            built = cls()
        except ValidationError as error:
            raise ConfigError(explain(cls, error, origins)) from None
        finally:
            _layers.reset(token)
        built._origins = origins
        return built

    @classmethod
    def field_names(cls) -> tuple[str, ...]:
        """Return names of all settings of this class."""
        return tuple(cls.model_fields)

    def origin(self, name: str) -> str:
        """Return where the value of a setting came from."""
        return self._origins.get(name, DEFAULT_ORIGIN)

    def is_given(self, name: str) -> bool:
        """Return whether a setting has a value from anywhere but its default."""
        return name in self._origins or name in self.model_fields_set

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            super().__setattr__(name, value)
            return
        cls = type(self)
        if name not in cls.model_fields:
            raise ConfigError(unknown_setting(name, cls.field_names(), f"{cls.__name__} assignment"))
        try:
            super().__setattr__(name, value)
        except ValidationError as error:
            raise ConfigError(explain(cls, error, {name: "assignment"})) from None
        self._origins[name] = "assignment"


def unknown_setting(name: str, known: Iterable[str], origin: str) -> str:
    """Return the message for a setting that does not exist."""
    names = sorted(set(known))
    near = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.5)
    otherwise = f"did you mean '{near[0]}'?" if near else f"known here: {', '.join(names)}"
    hint = hint_for(name, names) or otherwise
    return f"unknown setting '{name}' (from {origin}); {hint}"


def explain(cls: type[PynencConfig], error: ValidationError, origins: Mapping[str, str]) -> str:
    """Return the message for wrong values: which setting, from where, which value, what is valid."""
    lines: list[str] = []
    for problem in error.errors(include_url=False):
        name = str(problem["loc"][0]) if problem["loc"] else "?"
        inside = ".".join(str(part) for part in problem["loc"][1:])
        if problem["type"] == "extra_forbidden" and not inside:
            lines.append(unknown_setting(name, cls.field_names(), origins.get(name, "code")))
            continue
        shown = "**********" if is_secret(cls, name) else repr(problem["input"])
        reason = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            reason = "no such name is known there"
        where = f" at '{inside}'" if inside else ""
        lines.append(
            f"setting '{name}' of {cls.__name__} (from {origins.get(name, 'code')}) "
            f"has the wrong value {shown}{where}: {reason}"
        )
    return "; ".join(dict.fromkeys(lines))


def is_secret(cls: type[PynencConfig], name: str) -> bool:
    """Return whether a setting is never shown."""
    info = cls.model_fields.get(name)
    return info is not None and SecretStr.__name__ in str(info.annotation)


def environment_layer(cls: type[PynencConfig], environ: Mapping[str, str]) -> Layer:
    """Return what the environment says for a class: for the class by name first, then for any."""
    names = {key.upper(): key for key in environ if key.upper().startswith(ENV_PREFIX)}
    owners = [base.__name__ for base in cls.__mro__ if issubclass(base, PynencConfig)]
    prefixes = [f"{ENV_PREFIX}{owner.upper()}__" for owner in owners] + [ENV_PREFIX]
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for name in cls.model_fields:
        for start in prefixes:
            key = names.get(f"{start}{name.upper()}")
            if key is not None:
                values[name] = environ[key]
                origins[name] = f"environment variable {key}"
                break
    return Layer(values, origins)


def settings_in(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that settings come from."""
    return {name: value for name, value in environ.items() if name.upper().startswith(ENV_PREFIX)}
