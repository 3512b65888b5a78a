"""Finding the app that a command is about."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

from pynenc.app import Pynenc
from pynenc.application.source_files import (
    makes_app,
    modules_beside,
    name_below,
    place_of_module,
    python_files,
    text_of,
)
from pynenc.conf.loader import nearest_pyproject, project_table
from pynenc.exceptions import ConfigError

_HOW = "module.app, module:app, a package or file.py"


def load_app(name: str | None, folder: Path | None = None) -> Pynenc:
    """Return the app that a name stands for.

    Args:
        name: `module.app`, `module:app`, `module`, `package` or `file.py`, with or without `:app`; None
            for what `[tool.pynenc]` of the project names, or the only app that the Python files of the
            folder and the packages below it make.
        folder: Where to look, by default the current one.

    Raises:
        ConfigError: There is no such app, or there are several; says what to do.
    """
    place = (folder or Path.cwd()).resolve()
    _import_from(place)
    if name is None:
        project = nearest_pyproject(place)
        name = project_table(project).get("app") if project is not None else None
        if name is None or project is None:
            return _only_app(place)
        if not isinstance(name, str):
            raise ConfigError(f"'app' in [tool.pynenc] of {project} is not a string such as 'module.app'")
        place = project.parent
        _import_from(place)
    return _of_name(name, place)


def others_without_id(app: Pynenc) -> list[str]:
    """Return the modules beside that of an app without an `app_id` that make such an app, too."""
    if app.conf.is_given("app_id"):
        return []
    return [
        name
        for path, name in modules_beside(app.info.module or "")
        if name != app.info.module and makes_app(path) and "app_id" not in text_of(path)
    ]


def _of_name(name: str, place: Path) -> Pynenc:
    file, _, variable = name.rpartition(":") if ".py:" in name else (name, "", "")
    path = (place / file).resolve()
    if file.endswith(".py"):
        if not path.is_file():
            raise ConfigError(f"file '{file}' does not exist in {place}")
        return _of_file(path, variable or None, _roots(place))
    if path.is_dir() and ("/" in file or "\\" in file):
        return _only_among(list(python_files(path)), f"folder '{file}'", _roots(place))
    return _named(name, place)


def _import_from(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def _roots(place: Path) -> list[Path]:
    """Return the folders from which modules below a folder may be imported."""
    return [place / "src", place]


def _of_file(
    path: Path, variable: str | None = None, roots: Sequence[Path] = (), is_found: bool = False
) -> Pynenc:
    """Return the app of a file, imported as the module of its package that it is.

    Args:
        path: The file.
        variable: The variable, if that was named.
        roots: From where packages without `__init__.py` may be imported.
        is_found: Whether it was found below a root, and not named.
    """
    folder, module = place_of_module(path)
    if is_found or module in sys.stdlib_module_names:
        folder, module = name_below(path, roots)
    if module in sys.stdlib_module_names:
        raise ConfigError(
            f"the file {path} has the name of the module '{module}' of the standard library, so Python can "
            f"import only one of them: rename it"
        )
    _import_from(folder)
    found = getattr(_import(module), "__file__", None)
    if found is None or Path(found).resolve() != path:
        raise ConfigError(
            f"module '{module}' is imported from {found} and not from {path}: rename the file, or start the "
            f"command in the folder from which it is to be imported"
        )
    return _single(module, path.name) if variable is None else _variable(module, variable)


def _named(name: str, place: Path) -> Pynenc:
    if not _can_import(name.partition(":")[0].partition(".")[0]) and (place / "src").is_dir():
        _import_from(place / "src")
    module_name, _, variable = name.partition(":")
    if not module_name or (not name.rpartition(".")[0] and name.startswith(".")):
        raise ConfigError(f"'{name}' names no module; give --app as {_HOW}")
    if not variable:
        if _can_import(module_name):
            return _single(module_name, name, _roots(place))
        module_name, _, variable = name.rpartition(".")
        if not module_name:
            raise ConfigError(f"module '{name}' was not found here; give --app as {_HOW}")
    return _variable(module_name, variable)


def _variable(module: str, variable: str) -> Pynenc:
    found = getattr(_import(module), variable, None)
    if not isinstance(found, Pynenc):
        raise ConfigError(
            f"'{variable}' of module '{module}' is not a Pynenc app; it defines: {_list(_apps_of(module))}"
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


def _single(module: str, name: str, roots: Sequence[Path] = ()) -> Pynenc:
    """Return the only app of a module or, if it is a package without one, of the modules below it."""
    apps = _apps_of(module)
    distinct = {id(app): app for app in apps.values()}
    if len(distinct) == 1:
        return next(iter(distinct.values()))
    if apps:
        raise ConfigError(f"'{name}' defines {_list(apps)}; name one with --app {module}.<variable>")
    places = getattr(sys.modules[module], "__path__", None)
    if places is None:
        raise ConfigError(f"'{name}' defines no Pynenc app, such as 'app = Pynenc()'")
    files = [path for place in places for path in python_files(Path(place))]
    return _only_among(files, f"package '{name}'", roots)


def _only_app(folder: Path) -> Pynenc:
    top = [path for path in sorted(folder.glob("*.py")) if makes_app(path)]
    files = top or list(python_files(folder))
    return _only_among(files, f"{folder}, and no package below it,", _roots(folder))


def _only_among(files: list[Path], what: str, roots: Sequence[Path]) -> Pynenc:
    makers = list(dict.fromkeys(path.resolve() for path in files if makes_app(path)))
    if not makers:
        raise ConfigError(
            f"no Python file in {what} makes a Pynenc app; name one with --app as {_HOW}, or with 'app' in "
            f"[tool.pynenc] of pyproject.toml"
        )
    if len(makers) > 1:
        named = ", ".join(name_below(path, roots)[1] for path in makers)
        raise ConfigError(
            f"several files make an app: {named}; name one with --app module.app, or with 'app' in "
            f"[tool.pynenc] of pyproject.toml"
        )
    return _of_file(makers[0], None, roots, is_found=True)


def _list(apps: dict[str, Pynenc]) -> str:
    return ", ".join(sorted(apps)) or "no app"
