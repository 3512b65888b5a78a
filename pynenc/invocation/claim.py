"""A claim: an invocation that a runner owns."""

from __future__ import annotations

import msgspec

from pynenc.invocation.data import InvocationData
from pynenc.invocation.state import InvocationState


class Claim(msgspec.Struct, frozen=True):
    """An invocation that a runner owns.

    Attributes:
        data: What it is.
        state: Its record, PENDING or RUNNING under this claim.
    """

    data: InvocationData
    state: InvocationState
