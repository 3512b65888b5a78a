"""An invocation that is about to be submitted."""

from __future__ import annotations

import msgspec

from pynenc.invocation.data import InvocationData
from pynenc.invocation.state import InvocationState


class NewInvocation(msgspec.Struct, frozen=True):
    """An invocation to submit: what it is, and its record as it will be registered."""

    data: InvocationData
    state: InvocationState
