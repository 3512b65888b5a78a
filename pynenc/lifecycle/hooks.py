"""Calls the life-cycle hooks of plugins and middleware, at no cost where nobody listens."""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager
from typing import Any, cast

import pluggy

from pynenc.interruption import is_key_press
from pynenc.invocation.state import Change, ChangeOutcome, InvocationState, Registration, is_done
from pynenc.invocation.status import InvocationStatus
from pynenc.logs import write_record
from pynenc.plugins.middleware import StatusChange
from pynenc.plugins.registry import OF_APP, own_prefix
from pynenc.recording.recorder import HOOK_FAILED, Recorder
from pynenc.serializer.exception_data import readable

logger = logging.getLogger("pynenc.plugins")
_TOLD_AGAIN_S = 60.0
_LONGEST_MESSAGE, _LONGEST_TRACE = 500, 8000


class LifeCycleHooks:
    """The hooks of one app.

    Attributes:
        recorder: Counts those that fail.
        before_submit: The callers of the hooks, to be asked whether anybody listens.
        after_submit: Likewise.
        before_execution: Likewise.
        after_execution: Likewise.
        changed: Likewise, of `status_changed`.
        submitting: Likewise.
        executing: Likewise.
        step: Likewise.
        statuses_changed: Likewise.
        alert: Likewise.
    """

    def __init__(self, manager: pluggy.PluginManager, app_id: str) -> None:
        self._manager = manager
        self._app_id = app_id
        self.recorder = Recorder()
        self._own = own_prefix(app_id)
        self._told: dict[tuple[str, str], float] = {}
        self.before_submit: pluggy.HookCaller = manager.hook.pynenc_before_submit
        self.after_submit: pluggy.HookCaller = manager.hook.pynenc_after_submit
        self.before_execution: pluggy.HookCaller = manager.hook.pynenc_before_execution
        self.after_execution: pluggy.HookCaller = manager.hook.pynenc_after_execution
        self.changed: pluggy.HookCaller = manager.hook.pynenc_status_changed
        self.submitting: pluggy.HookCaller = manager.hook.pynenc_submitting
        self.executing: pluggy.HookCaller = manager.hook.pynenc_executing
        self.step: pluggy.HookCaller = manager.hook.pynenc_step
        self.statuses_changed: pluggy.HookCaller = manager.hook.pynenc_statuses_changed
        self.alert: pluggy.HookCaller = manager.hook.pynenc_alert

    @property
    def reports_changes(self) -> bool:
        """True if somebody is to be told of changes of statuses."""
        return bool(self.changed.get_hookimpls() or self.statuses_changed.get_hookimpls())

    def _listening(self, name: str) -> list[pluggy.HookImpl]:
        caller: pluggy.HookCaller = getattr(self._manager.hook, f"pynenc_{name}")
        return [
            each
            for each in caller.get_hookimpls()
            if not each.plugin_name.startswith(OF_APP) or each.plugin_name.startswith(self._own)
        ]

    def call(self, name: str, **arguments: object) -> None:
        """Call every implementation of a hook; one that raises is logged and skipped."""
        known = {"app_id": self._app_id, **arguments}
        for implementation in self._listening(name):
            try:
                implementation.function(*(known[argument] for argument in implementation.argnames))
            except BaseException as error:
                if is_key_press(error):
                    raise
                self.note_failure(name, implementation.plugin_name, error)

    def enter(self, name: str, **arguments: object) -> Entered:
        """Enter every implementation of a hook that is a context manager.

        One that raises is logged, at most once a minute, and skipped.

        Args:
            name: Of the hook.
            arguments: What an implementation may ask for.

        Returns:
            What was entered, to be left in the same thread or task.
        """
        known, entered = {"app_id": self._app_id, **arguments}, Entered(self, name)
        for implementation in self._listening(name):
            try:
                made = implementation.function(*(known[argument] for argument in implementation.argnames))
                entered.add(implementation.plugin_name, made)
            except BaseException as error:
                if is_key_press(error):
                    raise
                self.note_failure(name, implementation.plugin_name, error)
        return entered

    def note_failure(self, name: str, plugin: str, error: BaseException) -> None:
        """Log that a hook of a plugin has failed, at most once a minute."""
        self.recorder.note((HOOK_FAILED, "", "", plugin, 0.0))
        now, place = time.monotonic(), (name, plugin)
        if now - self._told.get(place, -_TOLD_AGAIN_S) >= _TOLD_AGAIN_S:
            self._told[place] = now
            told = readable(error, _LONGEST_MESSAGE, _LONGEST_TRACE)
            text = f"hook {name} of {plugin} failed: {told.message or told.type_name}"
            write_record(logger, logging.ERROR, text, {}, told)

    def changes_applied(
        self,
        changes: Sequence[Change | Registration],
        replies: Sequence[ChangeOutcome],
        actor_id: str | None,
        known: Sequence[InvocationState | None] | None = None,
    ) -> None:
        """Tell which changes were applied.

        Args:
            changes: The changes.
            replies: Their outcomes.
            actor_id: Who made them.
            known: The records as they were read after the changes, where the changes do not hold all of it.
        """
        told: list[StatusChange] = []
        states: list[InvocationState] = []
        for at, (change, reply) in enumerate(zip(changes, replies, strict=True)):
            before = change.current.status if isinstance(change, Change) else None
            if before == change.target.status or not _was_applied(change, reply):
                continue
            whole = known[at] if known is not None else None
            state = change.target if whole is None else whole
            after = change.target
            told.append(
                StatusChange(
                    after.invocation_id,
                    state.task_id,
                    before,
                    after.status,
                    after.claim,
                    actor_id,
                    after.changed_at,
                )
            )
            states.append(state)
        if told and self.statuses_changed.get_hookimpls():
            self.call("statuses_changed", changes=told)
        if self.changed.get_hookimpls():
            for state in states:
                self.call(
                    "status_changed",
                    invocation_id=state.invocation_id,
                    task_id=state.task_id,
                    record=state.record,
                )


def _was_applied(change: Change | Registration, reply: ChangeOutcome) -> bool:
    if reply.applied or not isinstance(change, Change):
        return reply.applied
    # Else a reply may have been lost; a claim is not of that kind, see `is_done`.
    return change.target.status != InvocationStatus.PENDING and is_done(change, reply)


class Entered:
    """The context managers that were entered around something.

    Args:
        hooks: The hooks of the app.
        name: The name of the hook.
    """

    def __init__(self, hooks: LifeCycleHooks, name: str) -> None:
        self._hooks = hooks
        self._name = name
        self._leave: list[tuple[str, Callable[[BaseException | None], object]]] = []

    def add(self, plugin: str, made: object) -> None:
        """Enter what a hook gave: a context manager, a generator that yields once, or None.

        Raises:
            TypeError: It is none of these.
        """
        if made is None:
            return
        if inspect.isgenerator(made):
            generator = cast("Generator[object, None, None]", made)
            next(generator)
            self._leave.append((plugin, lambda error: _finish(generator, error)))
        elif hasattr(made, "__enter__") and hasattr(made, "__exit__"):
            manager = cast("AbstractContextManager[Any]", made)
            manager.__enter__()
            self._leave.append((plugin, lambda error: _exit(manager, error)))
        else:
            if inspect.iscoroutine(made):
                made.close()
            raise TypeError(f"it gave {made!r}, which is neither a context manager nor a generator")

    def leave(self, error: BaseException | None = None) -> None:
        """Leave all of them, the last first; an error that they swallow or raise changes nothing."""
        while self._leave:
            plugin, leave = self._leave.pop()
            try:
                leave(error)
            except BaseException as raised:
                if raised is error:
                    continue
                if is_key_press(raised):
                    raise
                self._hooks.note_failure(self._name, plugin, raised)


def _finish(generator: Generator[object, None, None], error: BaseException | None) -> None:
    try:
        if error is None:
            next(generator)
        else:
            generator.throw(error)
    except StopIteration:
        return
    generator.close()
    raise RuntimeError("the generator of a hook yields more than once")


def _exit(manager: AbstractContextManager[Any], error: BaseException | None) -> None:
    if error is None:
        manager.__exit__(None, None, None)
    else:
        manager.__exit__(type(error), error, error.__traceback__)
