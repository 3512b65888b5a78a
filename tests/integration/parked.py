"""Waiting for workflows to be parked."""

from __future__ import annotations

import time
from typing import Any

from pynenc import Pynenc


def until_parked(app: Pynenc, invocation: Any, words: str = "") -> None:
    """Wait until an invocation is parked; the time limit of the test ends a wait in vain."""
    while True:
        (state,) = app.orchestrator.read_states([invocation.invocation_id])
        if state is not None and state.is_parked and words in (state.waits_for or ""):
            return
        time.sleep(0.005)
