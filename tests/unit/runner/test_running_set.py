"""The bodies that run in an engine: two attempts of one invocation do not get into each other's way."""

from __future__ import annotations

import msgspec

from pynenc.exceptions import InvocationCancelledError
from pynenc.invocation.claim import Claim
from pynenc.invocation.data import InvocationData
from pynenc.invocation.state import InvocationState
from pynenc.invocation.status import InvocationStatus
from pynenc.runner.running_set import RunningSet


def claim_of(number: int) -> Claim:
    state = InvocationState("i", "m.f", InvocationStatus.RUNNING, "r", claim=number)
    data = InvocationData("i", "m.f", "{}", 0.0, "i", "m.f", None, None, "client", timeout=60.0)
    return Claim(data, state)


def test_the_end_of_one_attempt_leaves_the_next_its_time_limit_and_its_cancelling() -> None:
    running = RunningSet(lambda claim: 1.0)
    first = running.add(claim_of(1))
    second = running.add(claim_of(2))
    assert running.ids() == ["i"]
    running.remove(first.claim)
    assert running.claims() == [second.claim]
    assert running.next_due_s() is not None
    running.cancel(["i", "other"])
    assert isinstance(second.interruption.error, InvocationCancelledError)
    assert first.interruption.error is None
    running.remove(msgspec.structs.replace(second.claim))
    assert (running.ids(), running.claims()) == ([], [])
