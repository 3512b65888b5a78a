"""Finding the app that a command is about."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from pathlib import Path

from pynenc.app import Pynenc
from pynenc.exceptions import ConfigError

_MAKES_APP = re.compile(r"^\w+\s*(:[^=]+)?=\s*\(?\s*(pynenc\.)?Pynenc(Builder)?\(", re.MULTILINE)


def load_app(name: str | None, folder: Path | None = None) -> Pynenc:
    """Return the app that a name stands for.

    Args:
        name: `module.app`, `module:app`, `module` or `file.py`; None for the only app that the
            Python files of the folder define.
        folder: Where to look, by default the current one.

    Raises:
        ConfigError: There is no such app, or there are several; says what to do.
    """
    place = (folder or Path.cwd()).resolve()
    if str(place) not in sys.path:
        sys.path.insert(0, str(place))
    if name is None:
        return _only_app(place)
    if name.endswith(".py"):
        path = (place / name).resolve()
        if not path.is_file():
            raise ConfigError(f"file '{name}' does not exist in {place}")
        if str(path.parent) not in sys.path:
            sys.path.insert(0, str(path.parent))
        return _single(path.stem, name)
    return _named(name)


def _named(name: str) -> Pynenc:
    module_name, _, variable = name.partition(":")
    if not variable:
        if _can_import(module_name):
            return _single(module_name, name)
        module_name, _, variable = name.rpartition(".")
        if not module_name:
            raise ConfigError(
                f"module '{name}' was not found here; give --app as module.variable or as file.py"
            )
    found = getattr(_import(module_name), variable, None)
    if not isinstance(found, Pynenc):
        raise ConfigError(
            f"'{variable}' of module '{module_name}' is not a Pynenc app; it defines: "
            f"{_list(_apps_of(module_name))}"
        )
    return found


def _can_import(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, AttributeError, ValueError):
        return False


def _import(module: str) -> object:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ConfigError(f"cannot import module '{module}': {error}") from error


def _apps_of(module: str) -> dict[str, Pynenc]:
    variables = vars(_import(module))
    return {name: value for name, value in variables.items() if isinstance(value, Pynenc)}


def _single(module: str, name: str) -> Pynenc:
    apps = _apps_of(module)
    distinct = {id(app): app for app in apps.values()}
    if len(distinct) != 1:
        raise ConfigError(
            f"'{name}' defines {_list(apps)}; name one with --app {module}.<variable>"
            if apps
            else f"'{name}' defines no Pynenc app, such as 'app = Pynenc()'"
        )
    return next(iter(distinct.values()))


def _only_app(folder: Path) -> Pynenc:
    modules = [
        path.stem
        for path in sorted(folder.glob("*.py"))
        if _MAKES_APP.search(path.read_text("utf-8", "replace"))
    ]
    if not modules:
        raise ConfigError(
            f"no Python file in {folder} makes a Pynenc app; name one with --app module.app or --app file.py"
        )
    if len(modules) > 1:
        raise ConfigError(f"several files make an app: {', '.join(modules)}; name one with --app module.app")
    return _single(modules[0], f"{modules[0]}.py")


def _list(apps: dict[str, Pynenc]) -> str:
    return ", ".join(sorted(apps)) or "no app"
