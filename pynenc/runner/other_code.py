"""Invocations that the code of this runner cannot run: they are left to runners with other code.

During a deploy old and new code run side by side, and now and then a wrong deploy is taken back. So a
task that is not known here, and a workflow whose record does not fit the code, do not fail at once: the
invocation is parked, tried again with growing pauses, and fails only when its grace is over.
"""

from __future__ import annotations

import random

from pynenc.calls.interfaces import App
from pynenc.exceptions import CodeVersionError, NonDeterminismError, TaskNotFoundError
from pynenc.identifiers.texts import error_text
from pynenc.invocation.claim import Claim
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle.cancellation import end_children
from pynenc.lifecycle.execution import Finished
from pynenc.lifecycle.parking import Parking

_FIRST_PAUSE_S, _LAST_PAUSE_S = 0.2, 30.0
_SHORT = 300


def left_to_others(app: App, claim: Claim, error: BaseException, has_steps: bool = False) -> Finished | None:
    """Return how a run ends which other code may be able to make.

    Args:
        app: The app.
        claim: What was to run.
        error: What kept it from running.
        has_steps: Whether its body has recorded steps.

    Returns:
        The end of this run; None if the error is not of that kind, or the grace is over.
    """
    if not isinstance(error, (TaskNotFoundError, NonDeterminismError, CodeVersionError)):
        return None
    state, now = claim.state, app.components.now()
    if state.cancel_requested:
        end_children(app.components, claim.data.invocation_id, state.runner_id or "")
        return Finished(claim, InvocationStatus.CANCELLED, "", has_steps=has_steps)
    since = state.blocked_since or now
    has_begun = bool(has_steps or state.has_steps or state.is_pinned)
    grace_s = app.conf.blocked_workflow_grace if has_begun else app.conf.unknown_task_grace
    left_s = since + grace_s - now
    if left_s <= 0:
        return None
    what, _, _ = error_text(error).partition("\n")
    reason = f"code that can run it: {what[:_SHORT]}"
    tell = app.logger.debug if state.blocked_since else app.logger.warning
    tell(
        "invocation %s of task %s is left to runners with other code: %s",
        claim.data.invocation_id,
        claim.data.task_id,
        error_text(error),
    )
    # Half of the time that has passed, so that the pauses grow; at random, so that it meets other runners.
    longest_s = min(_LAST_PAUSE_S, max(_FIRST_PAUSE_S, (now - since) / 2))
    pause_s = min(left_s, longest_s * random.uniform(0.5, 1.0))
    parking = Parking(now + pause_s, reason, None, state.generation, blocked_since=since)
    return Finished(claim, InvocationStatus.RETRY, "", parking=parking, has_steps=has_steps)


def check_version(app: App, claim: Claim) -> None:
    """Refuse a workflow that is pinned to another version of the code than that of this runner.

    Raises:
        CodeVersionError: It is.
    """
    began, here = claim.state.code_version, app.conf.code_version
    if began is not None and began != here:
        raise CodeVersionError(
            f"workflow {claim.data.invocation_id} of task {claim.data.task_id} began with code version "
            f"'{began}' and is pinned to that; here it is {'not told' if here is None else repr(here)} "
            f"(setting 'code_version')"
        )
