"""Writes that the storage refuses together are carried out one by one, so that only the refused one fails."""

from __future__ import annotations

from collections.abc import Sequence

from pynenc.exceptions import InvocationError, StorageUnavailableError
from pynenc.identifiers.texts import error_text
from pynenc.invocation.claim import Claim
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle.components import Components
from pynenc.lifecycle.execution import Finished, StepResult, finish_and_start
from pynenc.lifecycle.run_log import Failure
from pynenc.serializer.exception_data import ExceptionData

LAST_RESORT = (
    '{"type_name":"pynenc.exceptions.InvocationError","message":"the invocation has ended in a way that '
    'cannot be stored","traceback":"","payload":null}'
)
"""A stored exception made of constants only."""

_CANNOT_BE_STORED = ExceptionData(
    "pynenc.exceptions.InvocationError", "the invocation has ended in a way that cannot be stored", "", None
)


def one_by_one(
    components: Components, runner_id: str, finished: Sequence[Finished], starting: Sequence[Claim]
) -> StepResult:
    """Finish some claims and start others, after the storage has refused to do it together.

    An end that the storage refuses by itself is written as FAILED, with the reason.

    Raises:
        StorageUnavailableError: The storage may accept it later; doing it again is harmless.
    """
    lost = [each for end in finished for each in _finish(components, runner_id, end)]
    started = [each for claim in starting for each in _start(components, runner_id, claim)]
    return StepResult(started, lost)


def _finish(components: Components, runner_id: str, end: Finished) -> list[Finished]:
    reason: Exception = InvocationError("its end cannot be stored")
    try:
        return finish_and_start(components, runner_id, [end], []).lost
    except StorageUnavailableError:
        raise
    except Exception as error:  # noqa: BLE001 - see above
        reason = error
    invocation_id = end.claim.state.invocation_id
    components.logger.error("the storage refuses the end of %s: %s", invocation_id, error_text(reason))
    try:
        failure = components.values.failure_of(reason)
        failed = _failed(end, components.values.pack_failure(failure), failure)
        return finish_and_start(components, runner_id, [failed], []).lost
    except StorageUnavailableError:
        raise
    except Exception as error:  # noqa: BLE001 - see above
        components.logger.error("the storage refuses the failure of %s: %s", invocation_id, error_text(error))
    return finish_and_start(components, runner_id, [_failed(end, LAST_RESORT, _CANNOT_BE_STORED)], []).lost


def _failed(end: Finished, payload: str, error: ExceptionData) -> Finished:
    return Finished(
        end.claim,
        InvocationStatus.FAILED,
        payload,
        has_steps=end.has_steps,
        failure=Failure(error),
        seconds=end.seconds,
    )


def _start(components: Components, runner_id: str, claim: Claim) -> list[Claim]:
    try:
        return finish_and_start(components, runner_id, [], [claim]).started
    except StorageUnavailableError:
        raise
    except Exception as error:  # noqa: BLE001 - see above
        components.logger.error(
            "the storage refuses the start of invocation %s: %s",
            claim.state.invocation_id,
            error_text(error),
        )
        return []
