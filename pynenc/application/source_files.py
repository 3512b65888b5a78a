"""The Python files of a project: where their modules are imported from, and which of them define tasks."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import sys
from collections.abc import Iterator, Sequence
from itertools import takewhile
from pathlib import Path

_SKIPPED = frozenset(
    {"build", "dist", "docs", "node_modules", "site-packages", "dist-packages", "test", "tests"}
)
_MOST_FILES, _LARGEST = 5000, 1_000_000
_MOST_FOLDERS = 5_000
_DECORATES = re.compile(r"^[ \t]*@[ \t]*[\w.]+\.(task|workflow|direct_task)\b", re.MULTILINE)
_DECORATORS = ("task", "workflow", "direct_task")


def place_of_module(path: Path) -> tuple[Path, str]:
    """Return the folder from which the module of a file is imported, and the module's name."""
    names = [] if path.name == "__init__.py" else [path.stem]
    folder = path.parent
    while (folder / "__init__.py").is_file():
        names.insert(0, folder.name)
        folder = folder.parent
    return folder, ".".join(names)


def name_below(path: Path, roots: Sequence[Path]) -> tuple[Path, str]:
    """Return the folder from which a file is imported, and its module, as seen from some roots.

    A folder without `__init__.py` is a package all the same (PEP 420) if it lies below a root.
    """
    folder, name = place_of_module(path)
    for root in () if folder in roots else roots:
        if folder.is_relative_to(root):
            parts = folder.relative_to(root).parts
            if all(part.isidentifier() for part in parts):
                return root, ".".join([*parts, name])
    return folder, name


def import_root(module: str) -> Path | None:
    """Return the folder from which an imported module comes, if it comes from a file."""
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None:
        return None
    path = Path(file).resolve()
    depth = len(module.split(".")) - (path.name != "__init__.py")
    return path.parents[depth] if depth < len(path.parents) else None


def python_files(root: Path) -> Iterator[Path]:
    """Return the Python files below a folder, in order; not those of tests, builds and environments."""
    count = 0
    for number, (place, folders, files) in enumerate(os.walk(root)):
        folders[:] = sorted(
            each
            for each in folders
            if not each.startswith(".")
            and each not in _SKIPPED
            and not os.path.exists(os.path.join(place, each, "pyvenv.cfg"))  # false where one may not look
        )
        for name in sorted(files):
            is_test = name.startswith("test_") or name in ("conftest.py", "__main__.py", "setup.py")
            if name.endswith(".py") and not is_test:
                yield Path(place, name)
                count += 1
        if count > _MOST_FILES or number > _MOST_FOLDERS:
            return


def text_of(path: Path) -> str:
    """Return the text of a file; empty if it is huge or cannot be read."""
    try:
        return path.read_text("utf-8", "replace") if path.stat().st_size <= _LARGEST else ""
    except OSError:
        return ""


def modules_beside(module: str) -> Iterator[tuple[Path, str]]:
    """Return the files beside an imported module, of its package or its folder, each with its module."""
    folder = import_root(module)
    if folder is None:
        return
    package = folder / module.partition(".")[0]
    if package.is_dir() or folder.name not in _SKIPPED:
        for path in python_files(package if package.is_dir() else folder):
            yield path, name_below(path, [folder])[1]


def modules_with_tasks(module: str, variable: str) -> list[str]:
    """Return the modules beside that of an app that define tasks of it, imported or not.

    Args:
        module: The module that makes the app; it is imported.
        variable: The app in it.
    """
    found: list[str] = []
    for path, name in modules_beside(module):
        text = text_of(path)
        is_other = name != module and _DECORATES.search(text) is not None
        if is_other and _defines_tasks(text, name, path.name == "__init__.py", module, variable):
            found.append(name)
    return found


def _parsed(text: str) -> ast.Module | None:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _defines_tasks(text: str, name: str, is_package: bool, module: str, variable: str) -> bool:
    """Return whether a file decorates functions with the app, by whatever name it has imported that."""
    tree = _parsed(text)
    if tree is None:
        return False
    parents = module.split(".")
    apps = {".".join([*parents[:end], variable]) for end in range(len(parents) + 1)}
    known: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for each in node.names:
                known[each.asname or each.name.partition(".")[0]] = (
                    each.name if each.asname else each.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom):
            package = name if is_package else name.rpartition(".")[0]
            try:
                source = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            except ImportError:
                continue
            known |= {each.asname or each.name: f"{source}.{each.name}" for each in node.names}
    for node in ast.walk(tree):
        for decorator in getattr(node, "decorator_list", ()):
            named = decorator.func if isinstance(decorator, ast.Call) else decorator
            if not isinstance(named, ast.Attribute) or named.attr not in _DECORATORS:
                continue
            first, _, rest = ast.unparse(named.value).partition(".")
            if first in known and f"{known[first]}.{rest}".rstrip(".") in apps:
                return True
    return False


def matching_modules(pattern: str, beside: str | None) -> list[str]:
    """Return the modules whose names fit a pattern: `*` is one part of a name, `**` any number of them.

    Args:
        pattern: Such as `shop.*.tasks` or `shop.**`; if it begins with a star, it is about the modules
            that are imported from the folder of another.
        beside: That other module.
    """
    parts = pattern.split(".")
    return [name for name in _names_below(literal_head(pattern), beside) if _fits(name.split("."), parts)]


def literal_head(pattern: str) -> str:
    """Return the package that all modules which fit a pattern lie below; empty if that is open."""
    return ".".join(takewhile(lambda part: "*" not in part, pattern.split(".")))


def _names_below(package: str, beside: str | None) -> Iterator[str]:
    if not package:
        root = import_root(beside or "")
        places = [root] if root is not None else []
    else:
        try:
            spec = importlib.util.find_spec(package)
        except (ImportError, AttributeError, ValueError):
            return
        places = [Path(each) for each in (spec.submodule_search_locations or ())] if spec is not None else []
    for place in places:
        for path in python_files(place):
            relative = path.relative_to(place).with_suffix("")
            names = relative.parts[:-1] if relative.name == "__init__" else relative.parts
            yield ".".join([*([package] if package else []), *names])


def _fits(names: list[str], parts: list[str]) -> bool:
    if not parts:
        return not names
    if parts[0] == "**":
        return any(_fits(names[start:], parts[1:]) for start in range(len(names) + 1))
    if not names:
        return False
    one = re.escape(parts[0]).replace(r"\*", "[^.]*")
    return re.fullmatch(one, names[0]) is not None and _fits(names[1:], parts[1:])


def makes_app(path: Path) -> bool:
    """Return whether a module makes an app and names it, or names pynenc and cannot be parsed."""
    text = text_of(path)
    if "pynenc" not in text.lower():
        return False
    tree = _parsed(text)
    if tree is None:
        return True
    classes = {"Pynenc", "PynencBuilder"}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "pynenc":
            classes |= {each.asname for each in node.names if each.name in classes and each.asname}
    return any(_makes(node, classes) for node in _statements(tree.body))


def _statements(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """Return the statements of a module, those in its conditions included, but not those of functions."""
    for node in body:
        yield node
        if isinstance(node, (ast.If, ast.Try, ast.With)):
            blocks = [getattr(node, name, []) for name in ("body", "orelse", "finalbody")]
            blocks += [handler.body for handler in getattr(node, "handlers", [])]
            for block in blocks:
                yield from _statements(block)


def _makes(node: ast.stmt, classes: set[str]) -> bool:
    if not isinstance(node, (ast.Assign, ast.AnnAssign)) or node.value is None:
        return False
    called = (each.func for each in ast.walk(node.value) if isinstance(each, ast.Call))
    return any(
        (isinstance(func, ast.Name) and func.id in classes)
        or (isinstance(func, ast.Attribute) and func.attr in classes)
        for func in called
    )
