"""Rehearsals: workflows and triggers in the thread of a test, with a clock that the test puts forward."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from pynenc.app import Pynenc
from pynenc.calls.interfaces import BaseInvocation
from pynenc.exceptions import WorkflowUsageError
from pynenc.invocation.state import InvocationState
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle.parking import NEVER
from pynenc.storage.drivers import StorageComponent
from pynenc.storage.operations import Cursor
from pynenc.testing.evaluating import Evaluating
from pynenc.testing.faulty_storage import CrashPlan, put_faulty, take_faulty_away
from pynenc.testing.inline_runner import InlineRunner
from pynenc.workflow import waiting_operations

_LONGEST = timedelta(days=3653)
_MOST_STEPS = 100_000
_MARGIN_S = 0.001


class Rehearsal:
    """The rehearsal of an app: nothing runs, and no time passes, but when the test says so.

    Attributes:
        app: The app.
        plan: The clock, and for those that explore crashes when the process dies.
        runner_id: The id under which bodies run.
        skips_time: Whether `run` lets time pass for what only waits for that.
    """

    def __init__(self, app: Pynenc, plan: CrashPlan) -> None:
        self.app = app
        self.plan = plan
        self._evaluating = Evaluating(app)
        self._until_tick: float | None = None
        self.runner_id = "rehearsal"
        self.skips_time = False

    @property
    def now(self) -> datetime:
        """The time by the clock of the rehearsal (UTC, aware)."""
        return datetime.fromtimestamp(self.app.components.now(), UTC)

    def run(self) -> int:
        """Run all that is due, what follows from it included; return how many bodies ran.

        A synchronous app lets time pass, too, until nothing but an event or a cron is waited for. The
        timeout of a wait for an event does not count as something to wait for.
        """
        ran = self._run()
        if self.skips_time:
            last = self.app.components.now() + _LONGEST.total_seconds()
            while (due := self._next_due(is_for_time_only=True)) is not None and due < last:
                self._put_forward(due)
                ran += self._run()
        return ran

    def _run(self) -> int:
        ran = 0
        for _ in range(_MOST_STEPS):
            self._until_tick = self._evaluating.work()
            runner = _Waiting(self)
            runner.run_due(_MOST_STEPS)
            queues = self.app.broker.queues()
            if not runner.ran and not any(depth.ready for depth in self.app.broker.depth(queues).values()):
                return ran
            ran += runner.ran
            if ran >= _MOST_STEPS:
                break
        raise AssertionError(f"after {ran} bodies something is still due: does a task start itself for ever?")

    def advance(self, duration: float | timedelta) -> int:
        """Let time pass, and run each thing when it is due; return how many bodies ran.

        Args:
            duration: Seconds or timedelta.
        """
        seconds = duration.total_seconds() if isinstance(duration, timedelta) else float(duration)
        if not 0 <= seconds < NEVER:
            raise ValueError(f"time goes on by seconds or a timedelta that is not negative, not {duration!r}")
        until = self.app.components.now() + seconds
        ran = self.run()
        for _ in range(_MOST_STEPS):
            due = self._next_due()
            if due is None or due > until:
                break
            self._put_forward(due)
            ran += self.run()
        self._put_forward(until)
        return ran + self.run()

    def finish(self, invocation: BaseInvocation[Any, Any], within: timedelta = _LONGEST) -> Any:
        """Let time pass until an invocation has ended, and return its result.

        Args:
            invocation: Which.
            within: The longest time by the clock of the rehearsal.

        Raises:
            AssertionError: It waits for something that time alone does not bring, or for longer.
            Exception: What `invocation.result` raises.
        """
        until = self.app.components.now() + within.total_seconds()
        self.run()
        for _ in range(_MOST_STEPS):
            state = self.state_of(invocation)
            if state.status.final:
                return self.app.get_invocation(state.invocation_id).wait(0)
            due = self._next_due()
            if due is None or due > until:
                waits_for = state.waits_for or "nothing that is due"
                raise AssertionError(
                    f"{invocation!r} has not ended: it is {state.status} and waits for {waits_for}"
                )
            self._put_forward(due)
            self.run()
        raise AssertionError(f"{invocation!r} has not ended after {_MOST_STEPS} steps")

    def pass_time(self) -> bool:
        """Put the clock forward to what is due next; return whether anything is."""
        due = self._next_due()
        if due is not None:
            self._put_forward(due)
        return due is not None

    def state_of(self, invocation: BaseInvocation[Any, Any]) -> InvocationState:
        """Return the record of an invocation."""
        (state,) = self.app.orchestrator.read_states([invocation.invocation_id])
        assert state is not None, f"{invocation!r} is not stored"
        return state

    def _put_forward(self, moment: float) -> None:
        self.plan.clock_offset_s += max(0.0, moment + _MARGIN_S - self.app.components.now())

    def _next_due(self, is_for_time_only: bool = False) -> float | None:
        now = self.app.components.now()
        found: list[float] = []
        limit = _MOST_STEPS if is_for_time_only else 1
        for status in [each for each in InvocationStatus if each.is_available]:
            for state in self.app.orchestrator.find_states(status, None, limit, Cursor(now, "\U0010ffff")):
                if not (is_for_time_only and "event '" in (state.waits_for or "")):
                    found.append(state.since)
        if self._until_tick is not None and not is_for_time_only:
            found.append(now + self._until_tick)
        return min((each for each in found if each < NEVER), default=None)


class _Waiting(InlineRunner):
    """A runner that lets time pass while a body waits for what is not due."""

    def __init__(self, rehearsal: Rehearsal) -> None:
        super().__init__(rehearsal.app, rehearsal.runner_id)
        self._rehearsal = rehearsal

    @contextmanager
    def waiting(self, invocation_ids: Sequence[str]) -> Iterator[None]:
        with super().waiting(invocation_ids):
            for _ in range(_MOST_STEPS):
                states = self._app.orchestrator.read_states(invocation_ids)
                if any(state is None or state.status.final or state.is_parked for state in states):
                    break
                if not self._rehearsal.pass_time():
                    raise AssertionError(
                        f"a body waits for {', '.join(invocation_ids)}, and nothing is due that ends that"
                    )
                self.run_due()
            yield


@contextmanager
def rehearsing(app: Pynenc) -> Iterator[Rehearsal]:
    """Rehearse an app inside the block; a workflow that sleeps for a month takes milliseconds.

    The components must be the in-memory ones or SQLite, and no runner of the app may be running. The
    bodies run in the thread of the test, one after the other.

    Raises:
        WorkflowUsageError: The components are of another kind.

    Example:
        with rehearsing(app) as rehearsal:
            order = place_order("o1")
            rehearsal.advance(timedelta(days=30))
            assert rehearsal.finish(order) == "reminded"
    """
    check_rehearsable(app, (app.broker, app.orchestrator, app.state_backend, app.trigger))
    plan = put_faulty(app)
    plan.arm(None)
    park_after_s, soon_s = app.conf.workflow_park_after_seconds, waiting_operations.SOON_S
    app.conf.workflow_park_after_seconds, waiting_operations.SOON_S = 0.0, 0.002
    cached_s, app.conf.cached_status_time = app.conf.cached_status_time, 0.0
    embeds, app.conf.embedded_runner = app.conf.embedded_runner, False
    app.serving.stop()
    try:
        app.import_task_modules()
        app.register_deferred_triggers()
        yield Rehearsal(app, plan)
    finally:
        app.conf.workflow_park_after_seconds, waiting_operations.SOON_S = park_after_s, soon_s
        app.conf.cached_status_time, app.conf.embedded_runner = cached_s, embeds
        app.serving.stop()
        take_faulty_away(app)


def check_rehearsable(app: Pynenc, components: Sequence[object], only_memory: bool = False) -> None:
    """Refuse an app whose components cannot be rehearsed.

    Raises:
        WorkflowUsageError: Names the component.
    """
    for component in components:
        is_fit = isinstance(component, StorageComponent) and (
            not only_memory or not component.shared_between_processes
        )
        if not is_fit:
            needed = "in memory, because they are purged" if only_memory else "in memory or SQLite"
            raise WorkflowUsageError(
                f"{type(component).__name__} of app '{app.app_id}' cannot be used here: the components have "
                f"to be {needed}; give the app other settings for tests"
            )
