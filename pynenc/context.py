"""The context of the running code: its runner and its invocation.

Context variables follow threads and asyncio tasks alike.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from pynenc.identifiers.ids import new_id

if TYPE_CHECKING:
    import asyncio


@dataclass(frozen=True, slots=True)
class RunnerContext:
    """The identity of a runner, of one of its worker processes, or of a plain client.

    Attributes:
        runner_cls: Class name of the runner, `ExternalRunner` for code outside of any.
        runner_id: Unique id of this runner or worker.
        pid: Process id.
        hostname: Name of the machine.
        parent_id: The runner that started this one, if any.
    """

    runner_cls: str
    runner_id: str = field(default_factory=new_id)
    pid: int = field(default_factory=os.getpid)
    hostname: str = field(default_factory=socket.gethostname)
    parent_id: str | None = None


current_invocation_id: ContextVar[str | None] = ContextVar("pynenc_invocation_id", default=None)
"""The invocation whose body runs in this context."""

current_task_key: ContextVar[str | None] = ContextVar("pynenc_task_key", default=None)
"""The name of the task whose body runs in this context, as it is stored."""


class RunContext(NamedTuple):
    """Facts about the run of a body, for its log records.

    Attributes:
        workflow_id: The workflow that it belongs to.
        attempt: The number of the attempt, from 1.
    """

    workflow_id: str
    attempt: int


current_run: ContextVar[RunContext | None] = ContextVar("pynenc_run", default=None)
"""The run of the body in this context."""

current_headers: ContextVar[str | None] = ContextVar("pynenc_headers", default=None)
"""The headers of the invocation whose body runs in this context, as they are stored."""

current_trigger_depth: ContextVar[int] = ContextVar("pynenc_trigger_depth", default=0)
"""How many triggers in a row led to the invocation whose body runs in this context."""

current_runner: ContextVar[RunnerContext | None] = ContextVar("pynenc_runner", default=None)
"""The runner that executes in this context."""

_external_lock = threading.Lock()
_external: RunnerContext | None = None


def external_runner() -> RunnerContext:
    """Return the context of code outside of any runner: one per process, renewed after a fork."""
    global _external
    known = _external
    if known is None:
        with _external_lock:
            if _external is None:
                _external = RunnerContext("ExternalRunner")
            known = _external
    return known


def _after_fork_in_child() -> None:
    global _external, _external_lock
    _external, _external_lock = None, threading.Lock()


os.register_at_fork(after_in_child=_after_fork_in_child)


def get_current_runner() -> RunnerContext:
    """Return the runner of this context, or the external one of this process."""
    return current_runner.get() or external_runner()


class Running(Protocol):
    """A runner that executes invocations of an app."""

    @property
    def app_id(self) -> str:
        """The app whose invocations are executed."""

    def waiting(self, invocation_ids: Sequence[str]) -> AbstractContextManager[None]:
        """Give up the slot of the running invocation while it waits for others."""


running_runner: ContextVar[Running | None] = ContextVar("pynenc_running_runner", default=None)
"""The runner whose worker this context is."""


body_task: ContextVar[asyncio.Task[object] | None] = ContextVar("pynenc_body_task", default=None)
"""The task of the event loop in which a coroutine is the body of an invocation."""
