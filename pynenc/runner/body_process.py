"""The process that runs one body for a runner elsewhere: `python -m pynenc.runner.body_process`.

Its order comes by standard input, and what becomes of the body goes by standard output; see
`pynenc.runner.frames`. What the body itself prints goes to standard error. It ends when its runner is gone.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import queue
import signal
import sys
import threading
from typing import IO

from pynenc.calls.interfaces import App
from pynenc.exceptions import InvocationCancelledError, InvocationTimeoutError, StorageError
from pynenc.identifiers.texts import error_text
from pynenc.interruption import Interruption
from pynenc.invocation.claim import Claim
from pynenc.runner.frames import Begun, CannotBegin, Ended, Frames, GoOn, Stop
from pynenc.runner.invoking import invoke
from pynenc.runner.leaving import leave_in_time
from pynenc.runner.log_keeping import LogKeeper
from pynenc.runner.work import Order, WaitsAtRunner
from pynenc.runner.worker_recipe import make_ready

_ORPHANED = 71
_LARGEST_ORDER = 1 << 30


def main() -> None:
    """Entry point of the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the runner decides what it means
    reader, writer = _own_streams()
    frames = Frames(reader, writer)
    try:
        order = Order.from_bytes(frames.receive_bytes(_LARGEST_ORDER))
    except EOFError:
        return  # whoever started this process is gone already
    run(order, frames)
    leave_in_time()


def _own_streams() -> tuple[IO[bytes], IO[bytes]]:
    """Take standard input and output away from the body: it reads nothing, and prints to standard error."""
    reader = os.fdopen(os.dup(0), "rb", buffering=0)
    writer = os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    return reader, writer


def run(order: Order, frames: Frames) -> None:
    """Run the body of an order, and tell how it ended."""
    app, claim = order.app, order.claim
    make_ready(app, order.set_up, order.modules)
    identity = dataclasses.replace(order.identity, pid=os.getpid())
    interruption, answers = Interruption(), queue.SimpleQueue[object]()
    listener = threading.Thread(
        target=_listen, args=(frames, interruption, answers), name="pynenc-runner-watch", daemon=True
    )
    listener.start()
    reason = _why_not(app, claim)
    if reason is not None:
        with contextlib.suppress(OSError):
            frames.send(CannotBegin(reason))
        return
    frames.send(Begun())
    logs = LogKeeper(app.components, identity.runner_id)
    logs.start()
    finished = invoke(app, claim, WaitsAtRunner(app.app_id, frames, answers.get), identity, interruption)
    logs.stop()
    app.components.progress.flush()
    for stream in (sys.stdout, sys.stderr):  # once the end is told, the process may be ended at any moment
        with contextlib.suppress(Exception):
            stream.flush()
    fields = {name: getattr(finished, name) for name in Ended.__struct_fields__}
    with contextlib.suppress(OSError):
        frames.send(Ended(**fields))
    app.close()


def _why_not(app: App, claim: Claim) -> str | None:
    """Return why the body cannot run here: this process has to see the same stores as its runner."""
    place = type(app.components.orchestrator).__name__
    try:
        (state,) = app.components.orchestrator.read_states([claim.state.invocation_id])
    except StorageError as error:
        return f"its store cannot be read there: {error_text(error)}"
    if state is None:
        line = app.components.orchestrator.ping()
        return (
            f"the process does not see the invocation in its {place} ({line}): do its environment and its "
            f"settings lead to the same store as those of the runner?"
        )
    return None


def _listen(frames: Frames, interruption: Interruption, answers: queue.SimpleQueue[object]) -> None:
    """Follow what the runner says; end the process if it is gone, for what the body does would not count."""
    while True:
        try:
            message = frames.receive_for_body()
        except EOFError:
            os._exit(_ORPHANED)
        if isinstance(message, GoOn):
            answers.put(message)
        elif isinstance(message, Stop):
            cls = InvocationCancelledError if message.is_cancelled else InvocationTimeoutError
            interruption.request(cls(message.reason))


if __name__ == "__main__":
    main()
