"""An app in the memory of the test process, whatever its settings say, and a runner in a thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pynenc.app import Pynenc
from pynenc.exceptions import WorkflowUsageError
from pynenc.plugins.kinds import STORES

_STOP_S = 30.0


@contextmanager
def in_memory(app: Pynenc, **settings: object) -> Iterator[Pynenc]:
    """Have an app keep everything in memory inside the block; it begins empty, and nothing is left of it.

    What the app is connected to otherwise is not touched. Nothing runs by itself: `working`,
    `rehearsing` and `synchronous` run things.

    Args:
        app: The app of your project.
        settings: Further settings of `ConfigPynenc` for the block.

    Example:
        with in_memory(app), working(app):
            assert add(1, 2).result == 3
    """
    stores = {kind.setting: f"Mem{kind.words.title().replace(' ', '')}" for kind in STORES}
    with app.other_settings({**stores, "runner_cls": "ThreadRunner", "embedded_runner": False, **settings}):
        yield app


@contextmanager
def working(app: Pynenc) -> Iterator[Pynenc]:
    """Run a runner of the app in a thread of this process inside the block.

    It is the runner that the settings select, if that runs in threads or an event loop.

    Raises:
        WorkflowUsageError: The settings select one that executes nothing, or it cannot start.
    """
    runner, failed = app.runner, list[BaseException]()
    started = threading.Event()

    def run() -> None:
        try:
            runner.run()
        except BaseException as error:  # noqa: BLE001 - raised in the thread of the test
            failed.append(error)
        finally:
            started.set()

    thread = threading.Thread(target=run, name="pynenc-test-runner", daemon=True)
    thread.start()
    while not started.wait(0.005):
        if app.orchestrator.live_runners(app.components.now() - app.conf.dead_after_seconds, 1):
            break
    if failed:
        raise WorkflowUsageError(
            f"the {type(runner).__name__} of app '{app.app_id}' cannot work in this process: {failed[0]}"
        ) from failed[0]
    try:
        yield app
    finally:
        runner.stop_runner_loop()
        runner.hurry()
        thread.join(_STOP_S)
