"""Finds the values of settings in the environment, in code and in files."""

from __future__ import annotations

import json
import logging
import os
import tomllib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

import yaml

from pynenc.conf.base_config import (
    ENV_PREFIX,
    Layer,
    PynencConfig,
    environment_layer,
    unknown_setting,
)
from pynenc.conf.config_task import ConfigTask
from pynenc.conf.retired import is_retired
from pynenc.exceptions import ConfigError
from pynenc.identifiers.task_id import TaskId

logger = logging.getLogger("pynenc.conf")
_told: set[str] = set()

C = TypeVar("C", bound=PynencConfig)
Tree = Mapping[str, Any]
NAMES_APP = "app"
"""The entry of `[tool.pynenc]` that is not a setting: it tells the command line where the app is."""

FILEPATH_VARIABLE = f"{ENV_PREFIX}FILEPATH"


class SettingsLoader:
    """Builds settings for one app.

    Strongest first: the environment, values given in code, the file that `PYNENC__FILEPATH`
    names, the file given in code, `[tool.pynenc]` of the nearest `pyproject.toml`, defaults.
    Within one place, a section beats the top level and one task beats all tasks.

    Args:
        config_values: Values given in code, in the shape of a settings file.
        config_filepath: A YAML, TOML or JSON file.
        environ: The environment, by default that of the process.
        folder: Where the search for `pyproject.toml` begins, by default the current folder.

    Raises:
        ConfigError: A file cannot be read.
    """

    def __init__(
        self,
        config_values: Tree | None = None,
        config_filepath: str | None = None,
        environ: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        self._environ = os.environ if environ is None else environ
        self._code: Tree = config_values or {}
        self._files: list[tuple[str, Tree]] = []
        named = self._environ.get(FILEPATH_VARIABLE)
        if named:
            self._files.append((f"file {named} ({FILEPATH_VARIABLE})", read_settings_file(named)))
        if config_filepath:
            self._files.append((f"file {config_filepath}", read_settings_file(config_filepath)))
        project = nearest_pyproject(folder or Path.cwd())
        if project is not None:
            tree = {name: value for name, value in project_table(project).items() if name != NAMES_APP}
            if tree:
                self._files.append((f"[tool.pynenc] of {project}", tree))

    def load(self, cls: type[C]) -> C:
        """Return the effective settings of a class.

        Raises:
            ConfigError: A value is wrong.
        """
        layers = [environment_layer(cls, self._environ)]
        layers += [_tree_layer(cls, tree, place) for place, tree in self._places()]
        return cast(C, cls.from_layers(layers))

    def load_task(self, task_id: TaskId, options: Mapping[str, Any]) -> ConfigTask:
        """Return the effective options of one task.

        Args:
            task_id: The task.
            options: What its decorator says.

        Raises:
            ConfigError: A value is wrong or an option does not exist.
        """
        origin = f"decorator of task {task_id}"
        decorator = Layer(dict(options), dict.fromkeys(options, origin))
        layers = [
            _task_environment_layer(task_id, self._environ),
            environment_layer(ConfigTask, self._environ),
            _one_task_layer(task_id, self._code, "code"),
            decorator,
            _tree_layer(ConfigTask, self._code, "code"),
        ]
        for place, tree in self._files:
            layers.append(_one_task_layer(task_id, tree, place))
            layers.append(_tree_layer(ConfigTask, tree, place))
        return cast(ConfigTask, ConfigTask.from_layers(layers))

    def given(self) -> dict[str, str]:
        """Return the names of the settings that are given anywhere, each with its place."""
        found: dict[str, str] = {}
        for variable in self._environ:
            if variable.upper().startswith(ENV_PREFIX):
                found.setdefault(variable.rpartition("__")[2].lower(), f"environment variable {variable}")
        for place, tree in self._places():
            for name, value in tree.items():
                inner = value if isinstance(value, Mapping) and name != ConfigTask.section else {}
                for each in (name, *inner):
                    found.setdefault(each, place)
        return found

    def _places(self) -> Iterator[tuple[str, Tree]]:
        yield "code", self._code
        yield from self._files

    # --- what nobody knows -------------------------------------------------------------

    def check_names(self, known: Callable[[], Iterable[type[PynencConfig]]]) -> None:
        """Refuse settings that no class has.

        Args:
            known: Gives all settings classes, those of plugins included.

        Raises:
            ConfigError: Names the setting, where it is, and the nearest one that exists.
        """
        classes = list(known())
        for place, tree in self._places():
            for name, value in tree.items():
                _check_entry(name, value, classes, place)
        fields = {name for cls in classes for name in cls.model_fields}
        _warn_of_near_misses(self._environ, fields)
        sections = {cls.section for cls in classes if cls.section}
        owners = {base.__name__.upper(): base for cls in classes for base in _config_bases(cls)}
        for variable in self._environ:
            if not variable.upper().startswith(ENV_PREFIX) or variable.upper() == FILEPATH_VARIABLE:
                continue
            parts = variable[len(ENV_PREFIX) :].split("__")
            origin = f"environment variable {variable}"
            name = parts[-1].lower()
            if is_retired(name, origin):
                continue
            if len(parts) == 1:
                allowed = fields
            elif parts[0].upper() in owners:
                owner = owners[parts[0].upper()]
                allowed = {field for cls in classes if issubclass(cls, owner) for field in cls.model_fields}
            elif parts[0].lower() in sections:
                name = f"{ENV_PREFIX}{'__'.join(parts[1:])}"
                raise ConfigError(f"{origin} names the section '{parts[0].lower()}': write {name.upper()}")
            else:
                raise ConfigError(unknown_setting(parts[0], map(str.lower, owners), origin))
            if name not in allowed:
                raise ConfigError(unknown_setting(name, allowed, origin))


def _section_as_setting(name: str, fields: Iterable[str], place: str) -> str:
    """Return the message for a section that was given a value."""
    choice = f"'{name}_cls' to choose it, or " if f"{name}_cls" in fields else ""
    return (
        f"'{name}' (from {place}) is the name of a section and not a setting; write {choice}"
        f"'{name}' with a table of settings, such as {{'{name}': {{...}}}}"
    )


def _warn_of_near_misses(environ: Mapping[str, str], fields: Collection[str]) -> None:
    """Warn, once, of variables that look like settings and are not read."""
    for variable in environ:
        upper = variable.upper()
        if not upper.startswith("PYNENC") or upper.startswith(ENV_PREFIX) or variable in _told:
            continue
        name = upper.removeprefix("PYNENC").lstrip("_-.").replace("-", "_").lower()
        name = name.removeprefix("config_").removeprefix("conf_")
        if name in fields or name == "filepath":
            _told.add(variable)
            logger.warning(
                "environment variable %s is not read, because two underscores follow PYNENC: write %s%s",
                variable,
                ENV_PREFIX,
                name.upper(),
            )


def _config_bases(cls: type[PynencConfig]) -> list[type[PynencConfig]]:
    return [base for base in cls.__mro__ if issubclass(base, PynencConfig) and base is not PynencConfig]


def _check_entry(name: str, value: Any, classes: list[type[PynencConfig]], place: str) -> None:
    fields = {field for cls in classes for field in cls.model_fields}
    if name in fields or is_retired(name, place):
        return
    sections = {cls.section for cls in classes if cls.section}
    if name in sections and not isinstance(value, Mapping):
        raise ConfigError(_section_as_setting(name, fields, place))
    if name not in sections:
        raise ConfigError(unknown_setting(name, fields | sections, place))
    allowed = {field for cls in classes if cls.section == name for field in cls.model_fields}
    for key, inner in value.items():
        if key in allowed or is_retired(key, f"section '{name}' of {place}"):
            continue
        if name != ConfigTask.section or not isinstance(inner, Mapping):
            raise ConfigError(unknown_setting(key, allowed, f"section '{name}' of {place}"))
        for option in inner:
            if option not in allowed:
                raise ConfigError(unknown_setting(option, allowed, f"section '{name}.\"{key}\"' of {place}"))


def _tree_layer(cls: type[PynencConfig], tree: Tree, place: str) -> Layer:
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    section = tree.get(cls.section) if cls.section else None
    for name in cls.model_fields:
        if isinstance(section, Mapping) and name in section:
            values[name] = section[name]
            origins[name] = f"section '{cls.section}' of {place}"
        elif name in tree:
            values[name] = tree[name]
            origins[name] = place
    return Layer(values, origins)


def _one_task_layer(task_id: TaskId, tree: Tree, place: str) -> Layer:
    section = tree.get(ConfigTask.section or "")
    values = section.get(task_id.key) if isinstance(section, Mapping) else None
    if not isinstance(values, Mapping):
        return Layer()
    return Layer(values, dict.fromkeys(values, f"section 'task.\"{task_id}\"' of {place}"))


def _task_environment_layer(task_id: TaskId, environ: Mapping[str, str]) -> Layer:
    start = f"{ENV_PREFIX}CONFIGTASK__{task_id.module}#{task_id.func_name}__".upper()
    found = {key[len(start) :].lower(): key for key in environ if key.upper().startswith(start)}
    values = {name: environ[key] for name, key in found.items()}
    return Layer(values, {name: f"environment variable {key}" for name, key in found.items()})


def project_table(project: Path) -> Tree:
    """Return what stands in `[tool.pynenc]` of a `pyproject.toml`: settings, and where the app is.

    Raises:
        ConfigError: The file cannot be read, or the table is something else.
    """
    tool = read_settings_file(str(project)).get("tool", {})
    table = tool.get("pynenc", {}) if isinstance(tool, Mapping) else {}
    if not isinstance(table, Mapping):
        raise ConfigError(f"'tool.pynenc' of {project} is not a table; write '[tool.pynenc]'")
    return cast(Tree, table)


def nearest_pyproject(folder: Path) -> Path | None:
    """Return the `pyproject.toml` of a folder or of the nearest one above it."""
    for place in (folder, *folder.parents):
        if (place / "pyproject.toml").is_file():
            return place / "pyproject.toml"
    return None


def read_settings_file(path: str) -> Tree:
    """Read a settings file by its ending.

    Raises:
        ConfigError: It is missing, has an unknown ending, or cannot be understood.
    """
    file = Path(path).expanduser()
    readers: dict[str, Callable[[str], Any]] = {
        ".yaml": yaml.safe_load,
        ".yml": yaml.safe_load,
        ".toml": tomllib.loads,
        ".json": json.loads,
    }
    reader = readers.get(file.suffix.lower())
    if reader is None:
        raise ConfigError(
            f"settings file '{path}' has an unknown format: its name must end in {', '.join(readers)}"
        )
    try:
        tree = reader(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"settings file '{path}' cannot be read: {error.strerror}") from error
    except (ValueError, yaml.YAMLError) as error:
        form = file.suffix[1:].upper()
        raise ConfigError(f"settings file '{path}' is not valid {form}: {error}") from error
    if tree is None:
        return {}
    if not isinstance(tree, Mapping):
        raise ConfigError(f"settings file '{path}' must hold names and values, not a {type(tree).__name__}")
    return cast(Tree, tree)
