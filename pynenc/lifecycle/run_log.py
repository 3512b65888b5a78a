"""Log records of runs: each failed attempt once, and starts and ends for those who look closely."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import msgspec

from pynenc.conf.config_pynenc import FailureLog
from pynenc.identifiers.texts import bare_name
from pynenc.invocation.claim import Claim
from pynenc.invocation.data import InvocationData
from pynenc.invocation.state import InvocationState
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle.components import Components
from pynenc.logs import write_record
from pynenc.serializer.exception_data import ExceptionData

_SHORT = 500


class Failure(msgspec.Struct, frozen=True):
    """The failure of an attempt, as people read it.

    Attributes:
        error: The exception.
        most: The largest number of attempts that the task allows; None if that is not known.
    """

    error: ExceptionData
    most: int | None = None

    @property
    def type_name(self) -> str:
        """The name of the exception's class without its module, cut if it is very long."""
        return bare_name(self.error.type_name)


def log_failure(
    components: Components, claim: Claim, target: InvocationState, failure: Failure, seconds: float
) -> None:
    """Log an attempt that has failed, after its end was applied: as an error if that is final.

    Args:
        components: The components.
        claim: The attempt.
        target: The record after it.
        failure: The exception that it raised.
        seconds: The time that it took.
    """
    mode, is_final = components.conf.log_failures, target.status == InvocationStatus.FAILED
    if mode == FailureLog.OFF:
        return
    attempt = claim.state.retries + 1
    tries = f"attempt {attempt}" if failure.most is None else f"attempt {attempt} of {failure.most}"
    message, _, more = failure.error.message.strip().partition("\n")
    cut = "..." if more or len(message) > _SHORT else ""
    text = f"{failure.type_name}: {message[:_SHORT]}{cut}" if message else failure.type_name
    follows = ""
    if not is_final:
        wait_s = target.not_before - target.changed_at if target.not_before else 0.0
        due = datetime.fromtimestamp(max(target.not_before, target.changed_at), UTC)
        follows = f"; tried again in {wait_s:.1f} s, at {due.isoformat(timespec='seconds')}"
    write_record(
        components.logger,
        logging.ERROR if is_final else logging.WARNING,
        f"task {target.task_id} failed ({tries}, invocation {target.invocation_id}, {seconds:.3g} s): "
        f"{text}{follows}",
        context_of(components, claim.data, attempt, claim.state.runner_id),
        failure.error if is_final and mode == FailureLog.TRACEBACK else None,
    )


def log_run(components: Components, what: str, claim: Claim, seconds: float | None = None) -> None:
    """Log at debug level that a run has begun or ended; `what` says how."""
    took = "" if seconds is None else f", {seconds:.3g} s"
    attempt = claim.state.retries + 1
    text = (
        f"task {claim.data.task_id} {what} (attempt {attempt}, invocation {claim.data.invocation_id}{took})"
    )
    context = context_of(components, claim.data, attempt, claim.state.runner_id)
    write_record(components.logger, logging.DEBUG, text, context)


def log_recovered(
    components: Components, state: InvocationState, target: InvocationState, actor_id: str
) -> None:
    """Log that an invocation was taken from a lost runner; `actor_id` says who has taken it."""
    most = components.conf.max_recoveries
    context = {
        "invocation_id": state.invocation_id,
        "task_id": state.task_id,
        "attempt": state.retries + 1,
        **_runner(components, actor_id),
    }
    text = f"task {state.task_id} (invocation {state.invocation_id}) has lost its runner {state.runner_id}"
    if target.status == InvocationStatus.FAILED:
        text += f"; it has lost {target.recoveries} and is not run again ('max_recoveries' is {most})"
        write_record(components.logger, logging.ERROR, text, context)
    else:
        text += f" and is queued again ({target.recoveries} of at most {most} times)"
        write_record(components.logger, logging.WARNING, text, context)


def context_of(
    components: Components, data: InvocationData, attempt: int, runner_id: str | None
) -> dict[str, object]:
    """Return what the records of a run carry."""
    return {
        "invocation_id": data.invocation_id,
        "task_id": data.task_id,
        "workflow_id": data.workflow_id,
        "attempt": attempt,
        **_runner(components, runner_id),
    }


def _runner(components: Components, runner_id: str | None) -> dict[str, object]:
    return {"runner_id": runner_id, "runner_cls": components.runners.class_of(runner_id)}
