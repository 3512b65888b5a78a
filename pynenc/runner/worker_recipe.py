"""The instructions that a runner gives to a worker process which it starts."""

from __future__ import annotations

import importlib
import pickle
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO, cast

from pynenc.calls.interfaces import App
from pynenc.conf.queues import DEFAULT_QUEUE
from pynenc.context import RunnerContext
from pynenc.identifiers.texts import traceback_text
from pynenc.lifecycle.runner_registry import Service
from pynenc.logs import log_everything
from pynenc.plugins.registry import import_object

HURRY = b"!"
"""Sent to a worker: the grace of what it runs is over."""
EXITED = b"=%d\n"
"""Written by a fork server to the socket of a worker that has ended: its exit code."""
EXITED_PATTERN = re.compile(rb"=(-?[0-9]+)\n")
"""Finds the exit code in what came by the socket of a worker that has ended."""
LARGEST_MESSAGE = 65_536
"""Most bytes of what a fork server is told."""
_NOT_FOR_WORKERS = ("pynenc.cli", "pynenc.testing", "pynenc.__main__")
UP = b"+"
"""Sent by a worker when it begins to work."""
FAREWELL = b"."
"""Sent by a worker that ends because its quota is spent, or nothing was left to do."""


@dataclass(frozen=True, slots=True)
class WorkerRecipe:
    """Instructions for working for an app in a new process.

    Attributes:
        app: Whose invocations.
        modules: Modules with tasks, to import before anything is claimed.
        identity: Under which runner id the worker claims; the process id is the child's own.
        slots: How many invocations it runs at the same time.
        quota: After how many invocations it ends, or None for no bound.
        idle_timeout_s: After how many idle seconds it ends, or None for never.
        queues: Queues that it consumes.
        set_up: Functions, as `module:name`, to call before the modules with tasks are imported.
    """

    app: App
    modules: tuple[str, ...]
    identity: RunnerContext
    slots: int
    quota: int | None = None
    idle_timeout_s: float | None = None
    queues: tuple[str, ...] = (DEFAULT_QUEUE,)
    set_up: tuple[str, ...] = ()

    def send(self, stream: BinaryIO) -> None:
        """Write it for the child: the import path first, which the rest needs to be read."""
        for part in (sys.path, pickle.dumps(self)):
            pickle.dump(part, stream)
        stream.flush()

    @staticmethod
    def receive(stream: BinaryIO) -> WorkerRecipe:
        """Read what the parent wrote."""
        sys.path[:] = pickle.load(stream)
        recipe = pickle.loads(pickle.load(stream))
        if not isinstance(recipe, WorkerRecipe):
            raise TypeError(f"a worker was sent {type(recipe).__name__} in place of its recipe")
        return recipe


def service_of(app: App, queues: Sequence[str]) -> Service:
    """Return what a runner of an app publishes about itself."""
    return Service(queues, sorted(task_id.key for task_id in list(app.tasks)), app.conf.code_version)


def set_up_here() -> tuple[str, ...]:
    """Return what was called in this process before tasks were imported, and a worker must call as well.

    A program of a Django project, such as a management command, sets Django up before it imports tasks.
    """
    registry = getattr(sys.modules.get("django.apps"), "apps", None)
    return ("django:setup",) if getattr(registry, "ready", False) else ()


def make_ready(app: App, set_up: Sequence[str], modules: Sequence[str]) -> None:
    """Prepare this process for running bodies of an app.

    What fails is told. Tasks that are missing then fail with a clear error of their own, and others run.

    Args:
        app: The app.
        set_up: Functions to call first, as `module:name`.
        modules: Modules with tasks to import.
    """
    acts: list[tuple[str, Callable[[], object]]] = [
        (f"calling {each}", partial(_call_named, each)) for each in set_up
    ]
    acts += [(f"importing '{each}'", partial(importlib.import_module, each)) for each in modules]
    for what, act in acts:
        try:
            act()
        except BaseException as error:  # noqa: BLE001 - a module may raise anything when it is imported
            app.logger.error("%s in a worker failed: %s", what, traceback_text(error))
    app.import_task_modules()
    log_everything(app.conf)


def _call_named(function: str) -> None:
    cast("Callable[[], object]", import_object(function))()


def task_modules(app: App) -> tuple[str, ...]:
    """Return the modules that define the tasks which an app knows of."""
    return tuple(sorted({task.func.__module__ for task in list(app.tasks.values())}))


def library_modules(with_tasks: Iterable[str]) -> tuple[str, ...]:
    """Return the modules of pynenc and its plugins that this process uses.

    Args:
        with_tasks: Modules that define tasks; packages with such modules are left out, but for pynenc's.
    """
    own = {module.partition(".")[0] for module in with_tasks} - {"pynenc"}

    def is_library(module: str) -> bool:
        root = module.partition(".")[0]
        return root == "pynenc" or (root.startswith("pynenc_") and root not in own)

    found = (each for each in sys.modules if is_library(each) and not each.startswith(_NOT_FOR_WORKERS))
    return tuple(sorted(found))
