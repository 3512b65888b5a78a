"""Calls the life-cycle hooks of plugins, at no cost where nobody listens."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pluggy

from pynenc.identifiers.texts import traceback_text
from pynenc.interruption import is_key_press
from pynenc.invocation.state import InvocationState

logger = logging.getLogger("pynenc.plugins")


class LifeCycleHooks:
    """The hooks of one app.

    Attributes:
        before_submit: The callers of the hooks, to be asked whether anybody listens.
        after_submit: Likewise.
        before_execution: Likewise.
        after_execution: Likewise.
        changed: Likewise, of `status_changed`.
    """

    def __init__(self, manager: pluggy.PluginManager, app_id: str) -> None:
        self._manager = manager
        self._app_id = app_id
        self.before_submit: pluggy.HookCaller = manager.hook.pynenc_before_submit
        self.after_submit: pluggy.HookCaller = manager.hook.pynenc_after_submit
        self.before_execution: pluggy.HookCaller = manager.hook.pynenc_before_execution
        self.after_execution: pluggy.HookCaller = manager.hook.pynenc_after_execution
        self.changed: pluggy.HookCaller = manager.hook.pynenc_status_changed

    def call(self, name: str, **arguments: object) -> None:
        """Call every implementation of a hook; one that raises is logged and skipped."""
        caller: pluggy.HookCaller = getattr(self._manager.hook, f"pynenc_{name}")
        implementations = caller.get_hookimpls()
        if not implementations:
            return
        known = {"app_id": self._app_id, **arguments}
        for implementation in implementations:
            try:
                implementation.function(*(known[argument] for argument in implementation.argnames))
            except BaseException as error:
                if is_key_press(error):
                    raise
                logger.error(
                    "hook %s of plugin %s failed: %s", name, implementation.plugin_name, traceback_text(error)
                )

    def status_changed(self, states: Sequence[InvocationState]) -> None:
        """Tell that this process changed records."""
        if not self.changed.get_hookimpls():
            return
        for state in states:
            self.call(
                "status_changed",
                invocation_id=state.invocation_id,
                task_id=state.task_id,
                record=state.record,
            )
