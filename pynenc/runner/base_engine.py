"""The base of engines: the dealings with invocations that all of them have, however they run bodies."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Protocol

from pynenc.calls.interfaces import App
from pynenc.conf.config_runner import ConfigRunner
from pynenc.context import RunnerContext, Running
from pynenc.exceptions import StorageUnavailableError
from pynenc.identifiers.texts import error_text
from pynenc.invocation.claim import Claim
from pynenc.lifecycle import recovery
from pynenc.lifecycle.cancellation import cancelled_among
from pynenc.lifecycle.claiming import claim, hand_back_claimed
from pynenc.lifecycle.execution import Finished, StepResult, finish_and_start, hand_back_running
from pynenc.lifecycle.storage_retry import retry_while_unavailable
from pynenc.runner.heartbeat import Heartbeat
from pynenc.runner.invoking import current_claim
from pynenc.runner.pausing import paused
from pynenc.runner.refused_writes import one_by_one
from pynenc.runner.running_set import RunningBody, RunningSet, grace_s

LONGEST_TAKE_S = 30.0
"""The longest wait for something to claim, in seconds."""


class RunsElsewhere(Protocol):
    """Runs bodies outside of the process of the engine."""

    def run(self, engine: Running, body: RunningBody) -> Finished | None:
        """Run a body; return how it ended, None if nobody knows. Never raises."""

    def rest(self, body: RunningBody) -> None:
        """Pause after a body that was lost, if that is called for."""

    def end(self, body: RunningBody) -> None:
        """End a body by force, so that its `run` returns."""


class BaseEngine(ABC):
    """Claims invocations, writes their starts and ends, and hands back what it does not run.

    A subclass decides when to claim and where bodies run, by this walk: `claim` some, `write` their starts,
    `begin` each that was started, run its body (with `pynenc.runner.invoking.invoke`, for example), and
    `write` its end together with the next starts. While it lives, `heartbeat` gives signs of life under
    `identity.runner_id`, calls `look_after`, and calls `drain` when the runner is to claim nothing more.
    All methods may be called from any thread. A `StorageUnavailableError` of any of them means: again later.

    Args:
        app: Whose invocations.
        identity: Under which id they are claimed.
        conf: Settings of the runner.
        slots: How many run at the same time.
        is_sound: Whether it works or looks for work; while it does neither, it gives no signs of life.

    Attributes:
        running: The bodies that run now.
        heartbeat: Its signs of life, to be started and stopped with it.
    """

    def __init__(
        self,
        app: App,
        identity: RunnerContext,
        conf: ConfigRunner,
        slots: int,
        is_sound: Callable[[], bool] = lambda: True,
    ) -> None:
        self.app = app
        self.identity = identity
        self._conf = conf
        self._slots = slots
        self.running = RunningSet(partial(grace_s, app))
        self.heartbeat = Heartbeat(app.components, [identity.runner_id], self.look_after, is_sound)
        self.heartbeat.activity = partial(self.running.activity, slots)
        self.heartbeat.follow = self.drain

    @property
    def app_id(self) -> str:
        """The id of the app whose invocations it executes."""
        return self.app.app_id

    # --- what a subclass decides -------------------------------------------------------

    @abstractmethod
    def start(self) -> None:
        """Begin to work; return at once."""

    @abstractmethod
    def stop(self, grace_s: float, hurry: threading.Event) -> None:
        """Claim nothing more, let what runs finish, then hand back the rest.

        Args:
            grace_s: How long running invocations may take, in seconds.
            hurry: Ends the grace when it is set.
        """

    @abstractmethod
    def drain(self, is_draining: bool) -> None:
        """Claim nothing more, or claim again; what runs is finished."""

    @abstractmethod
    def waiting(self, invocation_ids: Sequence[str]) -> AbstractContextManager[None]:
        """Give up the slot of the running invocation while it waits for others."""

    @abstractmethod
    def look_after(self, may_be_cancelled: bool) -> float | None:
        """Look after what runs, after each rest of the heartbeat; see `ask_to_end`.

        Args:
            may_be_cancelled: Whether there may be a request to cancel.

        Returns:
            How long the next rest may be at most, in seconds, or None for no bound.
        """

    # --- what all have in common -------------------------------------------------------

    def claim(self, queues: Sequence[str], limit: int, timeout_s: float | None = None) -> list[Claim]:
        """Claim invocations, and wait for the first; `interrupt` of the broker ends the wait.

        Args:
            queues: Where to look, most important first.
            limit: The most to claim.
            timeout_s: The longest wait, in seconds; None for that of all engines.

        Returns:
            What is PENDING for this engine now; it may be empty.
        """
        bound_s = LONGEST_TAKE_S if timeout_s is None else timeout_s
        return claim(self.app.components, self.identity.runner_id, queues, limit, bound_s)

    def write(self, ended: Sequence[Finished], starting: Sequence[Claim]) -> StepResult:
        """Write ends of bodies, and the starts of others, in one go.

        Returns:
            Which were started, and the ends that do not count because others have taken over.
        """
        components, runner_id = self.app.components, self.identity.runner_id
        try:
            return finish_and_start(components, runner_id, ended, starting)
        except StorageUnavailableError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever else a driver raises, it would raise again
            self.app.logger.warning("ends and starts are written one by one: %s", error_text(error))
            return one_by_one(components, runner_id, ended, starting)

    def begin(self, running: Claim) -> RunningBody:
        """Note that a body begins, so that its timeout counts and it can be cancelled."""
        body = self.running.add(running)
        if body.soft_at is not None:
            self.heartbeat.hurry()
        return body

    def take_back(self, body: RunningBody) -> None:
        """Let others run a body that was lost: as after the crash of a worker if it had begun.

        One that has not begun is handed back, and does not count as having taken down anybody.
        """
        components, claim, runner_id = self.app.components, body.claim, self.identity.runner_id
        if not body.has_begun:
            retry_while_unavailable(
                components.logger, lambda: hand_back_running(components, [claim], runner_id)
            )
        else:
            told = "invocation %s of task %s was lost where it ran, and is taken back: %s"
            level = logging.INFO if body.interruption.is_requested else logging.ERROR
            self.app.logger.log(level, told, claim.state.invocation_id, claim.state.task_id, body.problem)
            retry_while_unavailable(
                components.logger, lambda: recovery.reroute(components, [claim.state], runner_id)
            )
        self.running.remove(claim)

    def hand_back(self, claimed: Sequence[Claim], started: Sequence[Claim] = ()) -> None:
        """Hand back what no body has begun for.

        Args:
            claimed: What was claimed. The start of some may have been written without an answer.
            started: What was started.
        """
        components, runner_id = self.app.components, self.identity.runner_id
        started = [*started, *hand_back_claimed(components, claimed, runner_id)]
        if started:
            hand_back_running(components, started, runner_id)

    def hand_back_running(self) -> None:
        """Hand back what still runs; whatever its bodies return does not count any more."""
        left = self.running.claims()
        if left:
            self.app.logger.warning("%d running invocation(s) are handed back", len(left))
            hand_back_running(self.app.components, left, self.identity.runner_id)

    @contextmanager
    def paused(self, invocation_ids: Sequence[str]) -> Iterator[list[Claim] | None]:
        """Have the invocation of this context PAUSED inside the block, while it waits for others.

        Gives what of the awaited ones was claimed past the queue, to be run first; None where it keeps its
        slot.
        """
        running = current_claim.get()
        if running is None or not self.app.components.orchestrator.conf.blocking_control:
            yield None
            return
        with paused(self.app.components, running, self.identity.runner_id, invocation_ids) as awaited:
            yield awaited

    def ask_to_end(self, may_be_cancelled: bool) -> list[RunningBody]:
        """Ask bodies to end that were cancelled, or whose time is over.

        Args:
            may_be_cancelled: Whether there may be a request to cancel.

        Returns:
            Those that were asked and have not ended within their grace.
        """
        running = self.running.ids() if may_be_cancelled else []
        if running:
            self.running.cancel(cancelled_among(self.app.components, running))
        return self.running.expire()
