"""Waiting for what happens in runners."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from pynenc import Pynenc


def until(condition: Callable[[], Any]) -> Any:
    """Wait for something to be true; the time limit of the test ends a wait in vain."""
    while not (found := condition()):
        time.sleep(0.005)
    return found


def until_parked(app: Pynenc, invocation: Any, words: str = "") -> None:
    """Wait until an invocation is parked."""

    def is_parked() -> bool:
        (state,) = app.orchestrator.read_states([invocation.invocation_id])
        return state is not None and state.is_parked and words in (state.waits_for or "")

    until(is_parked)
