"""Packages that hand on names of modules which are imported only when a name is used.

A package's `__init__.pyi` beside it tells type checkers and editors the types.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module


def lazy_door(
    package: str, places: Mapping[str, str]
) -> tuple[Callable[[str], object], Callable[[], list[str]], list[str]]:
    """Return `__getattr__`, `__dir__` and `__all__` for a package.

    Args:
        package: The name of the package.
        places: For each name the module that defines it.
    """

    def find(name: str) -> object:
        if name not in places:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        found: object = getattr(import_module(places[name]), name)
        return found

    return find, lambda: sorted(places), list(places)
