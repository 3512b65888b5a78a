"""One runner at a time does the housekeeping of an app.

The lease is a slot that names its holder and a number that every change of holder raises. It is
in force as long as its holder sends heartbeats; whoever finds it expired takes it by compare and
set. Two leaders at once, for a moment, do no harm: every write of housekeeping is a compare and set.
"""

from __future__ import annotations

from pynenc.lifecycle.components import Components
from pynenc.orchestrator.base_orchestrator import Slot, SlotSwap

_LEASE = "lease:housekeeping"
_NOBODY = ""


def lead(components: Components, runner_id: str) -> bool:
    """Hold or take the lease; return whether this runner leads now."""
    orchestrator = components.orchestrator
    (lease,) = orchestrator.read_slots([_LEASE])
    if lease is not None and lease.invocation_id == runner_id:
        return True
    if lease is not None and lease.invocation_id != _NOBODY:
        (beat,) = orchestrator.last_heartbeats([lease.invocation_id])
        if beat is not None and beat >= orchestrator.now() - components.conf.dead_after_seconds:
            return False
    taken = Slot(_LEASE, runner_id, (lease.claim if lease else 0) + 1)
    return orchestrator.swap_slots([SlotSwap(lease, taken)])[0]


def leader(components: Components) -> str | None:
    """Return the runner that holds the lease and is alive, None if there is none."""
    orchestrator = components.orchestrator
    (lease,) = orchestrator.read_slots([_LEASE])
    if lease is None or lease.invocation_id == _NOBODY:
        return None
    (beat,) = orchestrator.last_heartbeats([lease.invocation_id])
    is_alive = beat is not None and beat >= orchestrator.now() - components.conf.dead_after_seconds
    return lease.invocation_id if is_alive else None


def resign(components: Components, runner_id: str) -> None:
    """Release the lease, if this runner holds it."""
    (lease,) = components.orchestrator.read_slots([_LEASE])
    if lease is not None and lease.invocation_id == runner_id:
        components.orchestrator.swap_slots([SlotSwap(lease, Slot(_LEASE, _NOBODY, lease.claim))])
