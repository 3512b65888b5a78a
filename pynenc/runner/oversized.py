"""Ends that are too large for the storage become failures that say so."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pynenc.exceptions import ValueTooLargeError
from pynenc.invocation.claim import Claim
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle.components import Ports
from pynenc.lifecycle.execution import Advanced, Finished, advance


def advance_patched(
    ports: Ports, runner_id: str, finished: Sequence[Finished], starting: Sequence[Claim]
) -> Advanced:
    """Like `advance`, but an end whose payload cannot be stored is written as FAILED.

    Trying such a write again would never help.
    """
    try:
        return advance(ports, runner_id, finished, starting)
    except ValueTooLargeError:
        if not finished:
            raise
    lost = [each for end in finished for each in _finish(ports, runner_id, end)]
    return Advanced(advance(ports, runner_id, [], starting).started, lost)


def _finish(ports: Ports, runner_id: str, end: Finished) -> list[Finished]:
    try:
        return advance(ports, runner_id, [end], []).lost
    except ValueTooLargeError as error:
        ports.logger.error("the end of invocation %s is too large", end.claim.state.invocation_id)
        payload = ports.values.pack_error(error)
        failed = msgspec.structs.replace(end, status=InvocationStatus.FAILED, payload=payload)
        return advance(ports, runner_id, [failed], []).lost
