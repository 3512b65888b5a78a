"""The components of an app, as the rules of an invocation's life use them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from pynenc.broker.base_broker import BaseBroker
from pynenc.conf.config_pynenc import ConfigPynenc
from pynenc.context import RunnerContext
from pynenc.invocation.state import Change, ChangeOutcome, InvocationState, Registration
from pynenc.lifecycle.hooks import LifeCycleHooks
from pynenc.lifecycle.outages import Outages
from pynenc.lifecycle.progress import ProgressReports
from pynenc.lifecycle.runner_registry import RunnerRegistry
from pynenc.lifecycle.values import ValueCodec
from pynenc.orchestrator.base_orchestrator import BaseOrchestrator
from pynenc.recording.recorder import Recorder
from pynenc.state_backend.base_state_backend import BaseStateBackend
from pynenc.storage.group import Group, Pending
from pynenc.trigger.base_trigger import BaseTrigger


class WatchesStatus(Protocol):
    """Notes changes of status that a trigger waits for.

    Attributes:
        quiet_until: Until when there is nothing to note (monotonic seconds).
    """

    quiet_until: float

    def stage(self, group: Group, targets: Sequence[InvocationState]) -> None:
        """Note that records are about to get these states, as a step before the change itself."""


class Serving(Protocol):
    """Knows what executes the invocations of the app."""

    def begin(self, invocation_ids: Sequence[str] = ()) -> None:
        """Start the embedded runner, if there is to be one and nothing executes yet.

        Args:
            invocation_ids: What is waited for.
        """

    def advice(self, queue: str | None = None) -> str:
        """Return how to start a runner that sees what this process submits."""


@dataclass(frozen=True, slots=True)
class Components:
    """The components of one app, as the rules of an invocation's life use them.

    Attributes:
        app_id: The id of the app.
        conf: Its settings.
        values: Packs arguments and results.
        hooks: The life-cycle hooks of plugins.
        runners: Which runners and clients are registered.
        client_identity: Who calls outside of any runner: this process.
        now: Returns the time of the clock that all runners share, in seconds since the epoch.
        first_look_s: Seconds after which a waiter looks by itself, in case a wake-up was lost.
        watch: Notes the changes of status that triggers wait for.
        serving: What executes the invocations.
        recorder: Counts what the runners of this process do.
        outages: Tells of a store that does not answer.
        progress: The reports of bodies on how far they have come.
    """

    app_id: str
    conf: ConfigPynenc
    orchestrator: BaseOrchestrator
    broker: BaseBroker
    state_backend: BaseStateBackend
    trigger: BaseTrigger
    values: ValueCodec
    hooks: LifeCycleHooks
    logger: logging.Logger
    runners: RunnerRegistry
    client_identity: RunnerContext
    now: Callable[[], float]
    first_look_s: float
    watch: WatchesStatus
    serving: Serving
    recorder: Recorder
    outages: Outages
    progress: ProgressReports

    def stage_change(
        self,
        group: Group,
        changes: Sequence[Change],
        actor_id: str | None,
        known: Callable[[], Sequence[InvocationState | None]] | None = None,
    ) -> Pending[list[ChangeOutcome]]:
        """Change records as a step of a group, and note before it what somebody waits for.

        Args:
            group: The group.
            changes: The changes.
            actor_id: Who makes them.
            known: Returns the records as a later step of the group reads them, if the changes do not
                hold all of it.
        """
        if time.monotonic() >= self.watch.quiet_until:
            self.watch.stage(group, [each.target for each in changes])
        replies = self.orchestrator.stage_change(group, changes, actor_id)
        hooks = self.hooks
        if hooks.changed.get_hookimpls() or hooks.statuses_changed.get_hookimpls():
            group.after(
                lambda: hooks.changes_applied(changes, replies.get(), actor_id, known() if known else None)
            )
        return replies

    def stage_register(
        self, group: Group, states: Sequence[InvocationState], actor_id: str | None
    ) -> Pending[list[ChangeOutcome]]:
        """Register records as a step of a group, and note before it what somebody waits for."""
        if time.monotonic() >= self.watch.quiet_until:
            self.watch.stage(group, states)
        changes = [Registration(each) for each in states]
        replies = self.orchestrator.stage_change(group, changes, actor_id)
        self.report_registered(group, changes, replies, actor_id)
        return replies

    def report_registered(
        self,
        group: Group,
        changes: Sequence[Registration],
        replies: Pending[list[ChangeOutcome]],
        actor_id: str | None,
    ) -> None:
        """Tell the hooks of registrations, once the group was sent, if somebody listens."""
        if self.hooks.reports_changes:
            group.after(lambda: self.hooks.changes_applied(changes, replies.get(), actor_id))
