"""Pausing a body that waits for other invocations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pynenc.invocation.claim import Claim
from pynenc.lifecycle.claiming import claim_awaited
from pynenc.lifecycle.components import Components
from pynenc.lifecycle.execution import pause, resume
from pynenc.lifecycle.storage_retry import retry_while_unavailable

_CANDIDATES = 8


@contextmanager
def paused(
    components: Components, running: Claim, runner_id: str, invocation_ids: Sequence[str]
) -> Iterator[list[Claim]]:
    """Have an invocation PAUSED inside the block.

    Gives what of the awaited ones was claimed past the queue, to be run first. A storage that is
    away for a while is not the body's fault.
    """
    noted = retry_while_unavailable(
        components.logger, lambda: pause(components, running, runner_id, invocation_ids)
    )
    awaited = retry_while_unavailable(
        components.logger, lambda: claim_awaited(components, runner_id, invocation_ids[:_CANDIDATES], 1)
    )
    try:
        yield awaited
    finally:
        if noted is not None:
            retry_while_unavailable(components.logger, lambda: resume(components, noted, runner_id))
