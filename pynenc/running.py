"""Which runner executes in a context. The runner floor sets it, the app looks it up."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Protocol


class Running(Protocol):
    """A runner that executes invocations of an app."""

    @property
    def app(self) -> object:
        """Whose invocations."""

    def waiting(self, invocation_ids: Sequence[str]) -> AbstractContextManager[None]:
        """Give up the slot of the running invocation while it waits for others."""


running_runner: ContextVar[Running | None] = ContextVar("pynenc_running_runner", default=None)
"""The runner whose worker this context is."""
