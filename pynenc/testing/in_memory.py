"""An app in the memory of the test process, whatever its settings say, and a runner in a thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pynenc.app import Pynenc
from pynenc.plugins.kinds import STORES

_BODIES = ("pynenc-worker", "pynenc-body", "pynenc-loop")
_LEAVING_S = 2.0


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
    """Run a runner of the app in threads of this process inside the block.

    It is the runner that the settings select, if that runs in threads or an event loop, else a
    ThreadRunner, and it consumes all queues. At the end of the block, bodies that run may finish
    within `shutdown_grace_seconds`.

    Raises:
        AssertionError: A body runs on after that; it would work on what the next test stores.
    """
    before = set(threading.enumerate())
    embeds, app.conf.embedded_runner = app.conf.embedded_runner, True
    app.serving.stop()
    app.serving.start()
    try:
        yield app
    finally:
        app.conf.embedded_runner = embeds
        app.serving.stop(is_patient=True)
        left = [each for each in threading.enumerate() if each not in before and each.name in _BODIES]
        for each in left:
            each.join(_LEAVING_S)
        if any(each.is_alive() for each in left):
            raise AssertionError(
                f"a task of app '{app.app_id}' runs on after the end of the test: give it a timeout and let "
                "it call check_interruption(), or wait for its result"
            )
