"""Invocations that wait for each other in a circle would wait for ever.

Each notes what it waits for on its record before it looks for a circle, so of those that close
one at the same moment at least the last to look sees it.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pynenc.exceptions import WaitCycleError
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle.components import Components

MOST_NOTED = 256
"""Of a larger group, so many are noted: what one waits for besides does not matter for long."""


def note(invocation_ids: Sequence[str]) -> str:
    """Return what an invocation waits for, as its record holds it."""
    return msgspec.json.encode(list(invocation_ids[:MOST_NOTED])).decode()


def check_cycle(components: Components, invocation_id: str, awaited: Sequence[str]) -> None:
    """Refuse a wait that closes a circle.

    Raises:
        WaitCycleError: Names the invocations of the circle.
    """
    came_from: dict[str, str] = dict.fromkeys(awaited, invocation_id)
    frontier = list(awaited)
    while frontier:
        if invocation_id in came_from:
            raise WaitCycleError(_circle(invocation_id, came_from))
        states = components.orchestrator.read_states(frontier)
        frontier = []
        for state in states:
            if state is None or state.status != InvocationStatus.PAUSED or state.waits_for is None:
                continue
            for following in msgspec.json.decode(state.waits_for, type=list[str]):
                if following not in came_from:
                    came_from[following] = state.invocation_id
                    frontier.append(following)


def _circle(start: str, came_from: dict[str, str]) -> list[str]:
    circle = [start]
    while (before := came_from[circle[-1]]) != start:
        circle.append(before)
    return [start, *reversed(circle[1:])]
