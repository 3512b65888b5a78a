"""Ending bodies that do not listen, together with their process."""

from __future__ import annotations

from collections.abc import Sequence

from pynenc.calls.interfaces import App
from pynenc.invocation.claim import Claim
from pynenc.lifecycle.execution import finish_and_start, hand_back_running
from pynenc.runner.invoking import ended_by_force
from pynenc.runner.running_set import RunningBody


def end_by_force(
    app: App, runner_id: str, unresponsive: Sequence[RunningBody], running: Sequence[Claim]
) -> None:
    """Write the end of bodies that did not end when asked, and hand back the others that run beside them.

    Args:
        app: The app.
        runner_id: Under which id they were claimed.
        unresponsive: The bodies that did not listen.
        running: The claims of all bodies that run in the process, which is about to end.
    """
    ended = [ended_by_force(app, body) for body in unresponsive]
    app.logger.error("%d invocation(s) did not end when asked; this worker process ends", len(ended))
    finish_and_start(app.components, runner_id, ended, [])
    gone = {body.invocation_id for body in unresponsive}
    others = [each for each in running if each.state.invocation_id not in gone]
    hand_back_running(app.components, others, runner_id)
