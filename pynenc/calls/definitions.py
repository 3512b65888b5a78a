"""Functions that can be tasks: what is wrong with the others is told where they are defined."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pynenc.exceptions import TaskDefinitionError


def check_function(func: Callable[..., Any], runs_here: Callable[[], bool]) -> None:
    """Refuse a function that a runner could not find, or whose results could not be carried.

    Args:
        func: What is to be a task.
        runs_here: Returns whether calls run in this process, where nothing needs to be imported.

    Raises:
        TaskDefinitionError: Says why, and the way out.
    """
    name = getattr(func, "__qualname__", None)
    if not inspect.isroutine(func) or name is None:
        raise TaskDefinitionError(
            f"{func!r} cannot be a task because it is not a function{_way_to_a_function(func)}"
        )
    if inspect.isgeneratorfunction(func) or inspect.isasyncgenfunction(func):
        raise TaskDefinitionError(
            f"the function '{name}' at {place_of(func)} cannot be a task, because it is a generator and its "
            f"items cannot be carried one by one. Return a list, or give each item to a task of its own with "
            f"'parallelize'."
        )
    if "<lambda>" in name:
        raise TaskDefinitionError(
            f"the lambda at {place_of(func)} cannot be a task, because workers find tasks by module and "
            f"name. Define it with 'def' at the top level of a module."
        )
    if "<locals>" in name or "." in name:
        raise TaskDefinitionError(
            f"the function '{name}' at {place_of(func)} cannot be a task, because it is defined inside a "
            f"function or class and workers could not import it. Move it to the top level of a module. If a "
            f"decorator of yours has made it, write '@functools.wraps(func)' above the function that the "
            f"decorator returns."
        )
    if func.__module__ == "__main__" and not runs_here():
        raise TaskDefinitionError(
            f"the function '{name}' at {place_of(func)} cannot be a task, because it is defined in "
            f"{_way_out_of_main(name)} The setting 'dev_mode_force_sync_tasks', or components in memory, "
            f"run tasks in this process, where they can stay."
        )


def place_of(func: Callable[..., Any]) -> str:
    """Return file and line of a function."""
    code = getattr(func, "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else "an unknown place"


def is_interactive() -> bool:
    """Return whether this process is a notebook or a prompt, where each input defines things anew."""
    return not hasattr(sys.modules["__main__"], "__file__") or "ipykernel" in sys.modules


def _way_to_a_function(func: object) -> str:
    if isinstance(func, functools.partial):
        return ". Define a function with 'def' that calls it, or give the arguments in the call"
    if isinstance(func, (staticmethod, classmethod)) or inspect.isclass(func) or callable(func):
        return ". Define a function with 'def' at the top level of a module that calls it"
    return ""


def _way_out_of_main(name: str) -> str:
    if is_interactive():
        return (
            f"a notebook or at a prompt (__main__) and workers could not import it. Write it to a file, in a "
            f"notebook with '%%writefile tasks.py' as the first line of the cell, and import it from there: "
            f"'from tasks import {name}'."
        )
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    module = spec.name if spec is not None else Path(getattr(main, "__file__", "script.py")).stem
    return (
        f"the script that is being run (__main__) and workers could not import it. Move the tasks to a "
        f"module of their own, such as tasks.py, and import them: 'from tasks import {name}'; or leave this "
        f"file as it is and run another one that has 'from {module} import {name}'."
    )


def is_defined_twice(before: Callable[..., Any], now: Callable[..., Any]) -> bool:
    """Return whether two functions of one name stand side by side in one run of their module.

    The same function once more is not meant, nor is a cell that was run again.
    """
    code_before, code_now = getattr(before, "__code__", None), getattr(now, "__code__", None)
    if before is now or code_before is None or code_now is None:
        return False
    if before.__module__ == "__main__" and is_interactive():
        return False
    if getattr(before, "__globals__", None) is not getattr(now, "__globals__", None):
        return False
    is_same_place = (code_before.co_filename, code_before.co_firstlineno) == (
        code_now.co_filename,
        code_now.co_firstlineno,
    )
    return not is_same_place
