"""Ends that are too large for the storage become failures that say so."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pynenc.exceptions import ValueTooLargeError
from pynenc.invocation.claim import Claim
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle.components import Components
from pynenc.lifecycle.execution import Finished, StepResult, finish_and_start


def finish_apart(
    components: Components, runner_id: str, finished: Sequence[Finished], starting: Sequence[Claim]
) -> StepResult:
    """Finish claims one by one after `finish_and_start` was refused because a value is too large.

    An end whose payload cannot be stored is written as FAILED; trying it again would never help.
    """
    lost = [each for end in finished for each in _finish(components, runner_id, end)]
    return StepResult(finish_and_start(components, runner_id, [], starting).started, lost)


def _finish(components: Components, runner_id: str, end: Finished) -> list[Finished]:
    try:
        return finish_and_start(components, runner_id, [end], []).lost
    except ValueTooLargeError as error:
        components.logger.error("the end of invocation %s is too large", end.claim.state.invocation_id)
        payload = components.values.pack_error(error)
        failed = msgspec.structs.replace(end, status=InvocationStatus.FAILED, payload=payload)
        return finish_and_start(components, runner_id, [failed], []).lost
