"""A synchronous app: every call has run when it returns, with all that production does to its values."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pynenc.app import Pynenc
from pynenc.calls.interfaces import current_invocation
from pynenc.plugins.hookspecs import hookimpl
from pynenc.plugins.registry import plugin_registry
from pynenc.testing.rehearsal import Rehearsal, rehearsing


class _RunsAtOnce:
    """Runs what is submitted outside of bodies, and lets time pass as far as it waits for that."""

    def __init__(self, rehearsal: Rehearsal) -> None:
        self._rehearsal = rehearsal
        self._lock = threading.RLock()
        self._is_running = False
        self._thread = threading.get_ident()

    @hookimpl
    def pynenc_after_submit(self, app_id: str) -> None:
        """Run what was submitted, and what follows from it, to its end or to a wait for an event."""
        if app_id == self._rehearsal.app.app_id:
            self._run()

    def wait_for(self, invocation_ids: Sequence[str]) -> None:
        """Run what a wait is for; if it has not ended then, nothing will end it while the test waits.

        Raises:
            AssertionError: Says what it waits for.
        """
        if current_invocation.get() is not None:
            return
        self._run()
        states = self._rehearsal.app.orchestrator.read_states(invocation_ids)
        open_ = [state for state in states if state is not None and not state.status.final]
        if open_ and threading.get_ident() == self._thread:  # a coroutine of the test may still bring it
            raise AssertionError(
                f"invocation {open_[0].invocation_id} of task {open_[0].task_id} has not ended: it is "
                f"{open_[0].status} and waits for {open_[0].waits_for or 'nothing that is due'}"
            )

    def _run(self) -> None:
        if current_invocation.get() is not None:
            return
        with self._lock:
            if self._is_running:
                return
            self._is_running = True
            try:
                self._rehearsal.run()
            finally:
                self._is_running = False


@contextmanager
def synchronous(app: Pynenc) -> Iterator[Rehearsal]:
    """Run every call of an app where it is made, in the thread of the test, inside the block.

    Arguments, results and exceptions go through the serializer, handles have all their members, and
    everything is stored, so that `app.find_invocations`, events, triggers and workflows work. A
    task's `timeout` is in force. Sleeps of workflows, delays and pauses between retries take no time:
    the clock of the rehearsal is put forward. After an event, an update or a cancel that a workflow waits
    for, call `run` on the rehearsal.

    Raises:
        WorkflowUsageError: The components are neither in memory nor SQLite; put `in_memory(app)` around.
    """
    registry = plugin_registry()
    with rehearsing(app) as rehearsal:
        rehearsal.skips_time = True
        at_once = _RunsAtOnce(rehearsal)
        registry.manager.register(at_once, f"synchronous {app.app_id} {id(at_once)}")
        app.serving.instead = at_once.wait_for
        try:
            yield rehearsal
        finally:
            app.serving.instead = None
            registry.manager.unregister(at_once)
