"""Classes by their paths, `module:Qualified.Name`, without running any code of theirs."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Collection, Mapping
from types import ModuleType
from typing import cast

from pynenc.identifiers.texts import described, type_name
from pynenc.serializer.kinds import RefusedError, user_call
from pynenc.serializer.stored_names import STORED_NAMES, present_path


def path_of(cls: type, allows_main: bool = False) -> str:
    """Return the path by which a reader finds a class.

    Args:
        cls: The class.
        allows_main: Whether all readers are in this process, so that a class of its script is found.

    Raises:
        RefusedError: No other process could find it.
    """
    module: str = type.__getattribute__(cls, "__module__")
    qualname: str = type.__getattribute__(cls, "__qualname__")
    if "<locals>" in qualname:
        raise RefusedError(f"the class {qualname} is defined inside a function; define it in a module")
    if module == "__main__" and not allows_main:
        raise RefusedError(
            f"the class {qualname} is defined in the script that is being run, where no runner finds it; "
            f"move it to a module"
        )
    if _look_up(module, qualname) is not cls:
        raise RefusedError(f"the class {type_name(cls)} is not what a reader finds under that name")
    return f"{module}:{qualname}"


def find_class(path: str, allowed_modules: Collection[str]) -> type:
    """Return a class by its path.

    Only modules that this process has imported are looked at, and those below the allowed
    packages, which are imported. Names are looked up in the dictionaries of modules and classes,
    so neither a module's `__getattr__` nor a descriptor runs.

    Raises:
        RefusedError: There is no such class here.
    """
    module, colon, qualname = present_path(path).partition(":")
    if not (module and colon and qualname):
        raise RefusedError(f"{described(path)} is not the path of a class")
    if module not in sys.modules:
        is_ours = path.replace(":", ".") in STORED_NAMES
        if not is_ours and not any(f"{module}.".startswith(f"{each}.") for each in allowed_modules):
            raise RefusedError(
                f"the module '{module}' of {path} is not imported in this process: import it, or name it "
                f"in the setting 'serializer_modules'"
            )
        user_call(f"importing '{module}'", importlib.import_module, module)
    found = cast("type | None", _look_up(module, qualname))
    if found is None:
        raise RefusedError(f"the class {described(path)} does not exist here")
    return found


def _look_up(module: str, qualname: str) -> object:
    names: Mapping[str, object] = {}
    found: object = sys.modules.get(module)
    if isinstance(found, ModuleType):
        names = object.__getattribute__(found, "__dict__")
    for name in qualname.split("."):
        found = names.get(name)
        if not issubclass(type(found), type):  # `isinstance` would ask the object itself
            return None
        names = type.__getattribute__(cast("type", found), "__dict__")
    return found


def attribute_of(cls: type, name: str) -> object:
    """Return what a class or its nearest base defines under a name, without running code; or None."""
    bases = type.__getattribute__(cls, "__mro__")
    return next((vars(base)[name] for base in bases if name in vars(base)), None)


def defines(cls: type, name: str) -> bool:
    """Return whether a class or one of its bases defines an attribute, without looking it up."""
    return any(name in vars(base) for base in type.__getattribute__(cls, "__mro__"))
