"""Fixtures that the suites for components share."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from pynenc.app import Pynenc
from pynenc.identifiers.ids import new_id

MakeApp = Callable[..., Pynenc]
"""Makes an app by its id; further settings may be given by name."""


class AppFixtures:
    """Override `make_app` with a function that makes an app on the components under test."""

    @pytest.fixture
    def make_app(self) -> MakeApp:
        """Return a function that makes an app on the components under test."""
        raise NotImplementedError("override the fixture 'make_app'")

    @pytest.fixture
    def app(self, make_app: MakeApp) -> Iterator[Pynenc]:
        """An app with an id that no other test uses; purged and forgotten at the end."""
        app = make_app(f"kit-{new_id()}")
        app.conf.embedded_runner = False  # the tests say themselves when something runs
        yield app
        app.purge()
        Pynenc.discard(app.app_id)


@contextmanager
def running(app: Pynenc) -> Iterator[None]:
    """Run the app's runner in a thread meanwhile."""
    runner = app.runner
    thread = threading.Thread(target=runner.run, name="kit-runner")
    thread.start()
    try:
        yield
    finally:
        runner.stop_runner_loop()
        thread.join()
