"""One runner at a time does the housekeeping of an app.

The lease is a slot that names its holder and a token which every change of holder raises. It is
in force as long as its holder gives signs of life; whoever finds it out of force takes it by
compare and set. What must not be done by a leader that lost its lease carries the token along:
a store that has seen a higher one refuses it.
"""

from __future__ import annotations

from pynenc.lifecycle.components import Components
from pynenc.orchestrator.base_orchestrator import Slot, SlotSwap

_LEASE = "lease:housekeeping"
_NOBODY = ""


def lead(components: Components, runner_id: str) -> int | None:
    """Hold or take the lease.

    Returns:
        The fencing token if this runner leads now, otherwise None.
    """
    orchestrator = components.orchestrator
    (lease,) = orchestrator.read_slots([_LEASE])
    if lease is not None and lease.invocation_id == runner_id:
        return lease.claim
    if lease is not None and lease.invocation_id != _NOBODY:
        (beat,) = orchestrator.last_heartbeats([lease.invocation_id])
        if beat is not None and beat >= orchestrator.now() - components.conf.dead_after_seconds:
            return None
    taken = Slot(_LEASE, runner_id, (lease.claim if lease else 0) + 1)
    return taken.claim if orchestrator.swap_slots([SlotSwap(lease, taken)])[0] else None


def resign(components: Components, runner_id: str) -> None:
    """Let go of the lease, if this runner holds it; its token stays used."""
    (lease,) = components.orchestrator.read_slots([_LEASE])
    if lease is not None and lease.invocation_id == runner_id:
        components.orchestrator.swap_slots([SlotSwap(lease, Slot(_LEASE, _NOBODY, lease.claim))])
