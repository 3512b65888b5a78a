"""A clock that tests of triggers set."""

from __future__ import annotations

import pytest

from pynenc import Pynenc


class Clock:
    """The clock of the trigger store of an app.

    Args:
        app: Whose.
        patch: Puts the clock in place.
        now: The first moment, in seconds since the epoch.
    """

    def __init__(self, app: Pynenc, patch: pytest.MonkeyPatch, now: float = 1_800_000_000.0) -> None:
        self.now = now
        patch.setattr(app.trigger.storage, "now", self)  # type: ignore[attr-defined]

    def __call__(self) -> float:
        return self.now
