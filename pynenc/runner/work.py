"""One run of a body that is carried out in another process, wherever that is."""

from __future__ import annotations

import contextlib
import contextvars
import os
import pickle
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

import msgspec

from pynenc.calls.interfaces import App
from pynenc.context import RunnerContext, Running
from pynenc.exceptions import InvocationCancelledError
from pynenc.identifiers.texts import error_text
from pynenc.invocation.claim import Claim
from pynenc.lifecycle.execution import Finished
from pynenc.runner.frames import Begun, CannotBegin, Ended, Frames, GoOn, Stop, WaitIsOver, Waits
from pynenc.runner.invoking import current_claim, ended_by_force
from pynenc.runner.running_set import RunningBody
from pynenc.runner.worker_recipe import set_up_here, task_modules

LONGEST_START_S = 300.0
"""How long a process may take until its body begins, in seconds."""
_LINGER_S = 5.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 15.0


@dataclass(frozen=True, slots=True)
class Order:
    """Instructions for the process that runs a body.

    Attributes:
        app: Whose invocation.
        modules: Modules with tasks, to import before the body runs.
        set_up: Functions, as `module:name`, to call before that.
        identity: The runner.
        claim: The invocation, RUNNING under the claim of the runner.
    """

    app: App
    modules: tuple[str, ...]
    set_up: tuple[str, ...]
    identity: RunnerContext
    claim: Claim

    def to_bytes(self) -> bytes:
        """Return it in a form for a process that may have other folders."""
        return pickle.dumps((list(sys.path), pickle.dumps(self)))

    @staticmethod
    def from_bytes(content: bytes) -> Order:
        """Return the order; folders in which modules are searched are added, where they exist."""
        path, inner = pickle.loads(content)
        sys.path.extend(each for each in path if each not in sys.path and os.path.isdir(each))
        order = pickle.loads(inner)
        if not isinstance(order, Order):
            raise TypeError(f"{type(order).__name__} was sent in place of an order")
        return order


class Work:
    """One run of a body, to be carried out by a process that the runner starts somewhere.

    Attributes:
        command: What that process runs: `python -m pynenc.runner.body_process`, with the Python of this one.
            It reads its standard input and writes its standard output; what the body prints goes to
            standard error. Pynenc, the plugins that the app uses, and the modules with its tasks have to be
            installed there, and its settings have to lead to the same stores.
        invocation_id: The invocation.
        task_id: The key of its task.
        attempt: The number of the attempt, from 1.
        has_begun: Whether the process has read its order and begun the body.
        problem: Why the body could not begin, or was lost, as far as that is known.
    """

    command = (sys.executable, "-m", "pynenc.runner.body_process")

    def __init__(self, engine: Running, app: App, identity: RunnerContext, body: RunningBody) -> None:
        state = body.claim.state
        self.invocation_id = state.invocation_id
        self.task_id = state.task_id
        self.attempt = state.retries + 1
        self._engine = engine
        self._app = app
        self._identity = identity
        self._body = body
        self._lock = threading.Lock()
        self._enders: list[Callable[[], object]] = []
        self._is_over = False
        self._timers: list[threading.Timer] = []
        self.has_begun = False
        self.problem = ""
        self.finished: Finished | None = None

    def converse(self, reader: IO[bytes], writer: IO[bytes]) -> None:
        """Send the order, and listen until the body has ended or its process is gone.

        Args:
            reader: The standard output of the process.
            writer: Its standard input.
        """
        frames = Frames(reader, writer)
        order = Order(self._app, task_modules(self._app), set_up_here(), self._identity, self._body.claim)
        try:
            frames.send_bytes(order.to_bytes())
            with self._body.interruption.waking(lambda: self._ask_to_stop(frames)):
                contextvars.copy_context().run(self._listen, frames)
        except (OSError, EOFError) as error:
            self.problem = self.problem or f"its process is gone: {error}"
        finally:
            if self.finished is not None:  # what lingers on keeps no slot
                self._after(_LINGER_S, self.end)

    def _listen(self, frames: Frames) -> None:
        current_claim.set(self._body.claim)
        while True:
            message = frames.receive_from_body()
            if isinstance(message, Begun):
                self.has_begun = True
            if isinstance(message, CannotBegin):
                self.problem = message.reason
                return
            if isinstance(message, Waits):
                with self._engine.waiting(message.invocation_ids):
                    frames.send(GoOn())
                    message = frames.receive_from_body()
                if not isinstance(message, Ended):  # a thread that the body has left behind may still wait
                    frames.send(GoOn())
            if isinstance(message, Ended):
                self.finished = _finished(self._body.claim, message)
                return

    def _ask_to_stop(self, frames: Frames) -> None:
        error = self._body.interruption.error
        with contextlib.suppress(OSError):
            frames.send(Stop(isinstance(error, InvocationCancelledError), str(error)))

    @contextmanager
    def ended_by(self, end: Callable[[], object]) -> Iterator[None]:
        """Call `end`, from any thread, if the body does not end when it is asked to; at once if it was late.

        Args:
            end: Ends the process, such as `kill` of a `subprocess.Popen`; then `converse` returns.
        """
        with self._lock:
            self._enders.append(end)
            is_late = self._is_over
        try:
            if is_late:
                end()
            yield
        finally:
            with self._lock:
                self._enders.remove(end)

    def _after(self, seconds: float, act: Callable[[], None]) -> None:
        """Do something after a while, unless the process has ended by then."""
        timer = threading.Timer(seconds, act)
        timer.daemon = True
        self._timers.append(timer)
        timer.start()

    def watch_start(self) -> None:
        """End the process if the body has not begun after minutes."""

        def look() -> None:
            if not self.has_begun:
                self.problem = f"it has not begun within {LONGEST_START_S:g} s"
                self.end()

        self._after(LONGEST_START_S, look)

    def close(self) -> None:
        """End the watch over the process."""
        for timer in self._timers:
            timer.cancel()

    def end(self) -> None:
        """End the process that runs the body."""
        with self._lock:
            self._is_over = True
            enders = list(self._enders)
        for end in enders:
            end()


def _finished(claim: Claim, ended: Ended) -> Finished:
    fields = {name: getattr(ended, name) for name in ended.__struct_fields__}
    return Finished(claim, **fields)


class Elsewhere:
    """Has bodies run as a `BodyRunner` says.

    Args:
        app: The app.
        identity: The runner.
        run_body: Carries out one piece of work.
    """

    def __init__(self, app: App, identity: RunnerContext, run_body: Callable[[Work], object]) -> None:
        self._app = app
        self._identity = identity
        self._run_body = run_body
        self._works: dict[RunningBody, Work] = {}
        self._pause_s = _FIRST_PAUSE_S
        self._is_leaving = threading.Event()

    def run(self, engine: Running, body: RunningBody) -> Finished | None:
        """Run a body; return how it ended, None if nobody knows."""
        work, began = Work(engine, self._app, self._identity, body), time.monotonic()
        self._works[body] = work
        try:
            work.watch_start()
            self._run_body(work)
        except BaseException as error:
            work.problem = work.problem or error_text(error)
            self._app.logger.debug("running a body has failed", exc_info=True)
            work.end()
        finally:
            work.close()
            del self._works[body]
        finished = work.finished
        if finished is None and body.hard_at is not None and time.monotonic() >= body.hard_at:
            finished = ended_by_force(self._app, body)
        if finished is not None:
            self._pause_s = _FIRST_PAUSE_S
            return msgspec.structs.replace(finished, seconds=time.monotonic() - began)
        body.problem = work.problem or "'run_body' has returned, and no process has run it"
        body.has_begun = work.has_begun
        return None

    def rest(self, body: RunningBody) -> None:
        """Pause after a body that could not begin, so that a broken command does not burn all that waits."""
        if body.has_begun or self._is_leaving.is_set():
            return
        pause_s, self._pause_s = self._pause_s, min(2 * self._pause_s, _LONGEST_PAUSE_S)
        told = (
            "invocation %s of task %s could not begin and is handed back; the next try follows in %.1f s: %s"
        )
        state = body.claim.state
        self._app.logger.error(told, state.invocation_id, state.task_id, pause_s, body.problem)
        self._is_leaving.wait(pause_s)

    def end(self, body: RunningBody) -> None:
        """End a body by force."""
        work = self._works.get(body)
        if work is not None:
            work.end()

    def leave(self) -> None:
        """Begin nothing more that could not be begun."""
        self._is_leaving.set()

    def end_all(self) -> None:
        """End all bodies by force."""
        for work in list(self._works.values()):
            work.end()


class WaitsAtRunner:
    """The runner, as the process of a body sees it.

    Args:
        app_id: The app.
        frames: The streams to it.
        answers: Gives its answers, None once it is gone.
    """

    def __init__(self, app_id: str, frames: Frames, answers: Callable[[], object]) -> None:
        self.app_id = app_id
        self._frames = frames
        self._answers = answers
        self._lock = threading.Lock()
        self._waiting = 0

    @contextmanager
    def waiting(self, invocation_ids: Sequence[str]) -> Iterator[None]:
        """Give up the slot of the running invocation while it waits for others."""
        with self._lock:
            self._waiting += 1
            if self._waiting == 1:
                self._frames.send(Waits(list(invocation_ids)))
                self._answers()
        try:
            yield
        finally:
            with self._lock:
                self._waiting -= 1
                if self._waiting == 0:
                    self._frames.send(WaitIsOver())
                    self._answers()
