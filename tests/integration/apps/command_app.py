"""An app whose bodies run in processes of their own, by a command."""

from __future__ import annotations

import contextvars
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import ClassVar

from pynenc import Pynenc
from pynenc.conf.base_config import PynencConfig
from pynenc.conf.config_runner import ConfigRunner
from pynenc.runner import BodyRunner, Work

app = Pynenc()
WAYS: dict[str, object] = {"command": Work.command}


class CommandRunner(BodyRunner):
    """Runs two bodies at a time by the command that a test names."""

    config_class: ClassVar[type[PynencConfig]] = ConfigRunner
    slots = 2

    def run_body(self, work: Work) -> None:
        if WAYS["command"] is None:
            return
        process = subprocess.Popen(WAYS["command"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        with work.ended_by(process.kill), process:
            work.converse(process.stdout, process.stdin)


@app.task
def add(x: int, y: int) -> int:
    return x + y


@app.task
def die_first(folder: str) -> str:
    """End the process the first time, and say so the second."""
    mark = Path(folder, "died")
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"


@app.task
def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@app.task
def mess_up_streams() -> str:
    """Do to the standard streams whatever a body may do."""
    print("\x00\xff" * 1000)
    os.write(1, b"\xff" * 100)
    sys.stdin.close()
    os.close(0)
    os.close(1)
    sys.stdout.close()
    return "done"


@app.task
def fork() -> str:
    """Leave a child behind that lives on."""
    if os.fork() == 0:
        time.sleep(1)
        os._exit(0)
    return "parent"


@app.task
def fork_and_go_on() -> str:
    """Return in both processes."""
    os.fork()
    return "both"


@app.task
def log(text: str) -> str:
    logging.getLogger("command_app").error("it says %s", text)
    return text


@app.task
def large(size: int) -> str:
    return "x" * size


@app.task
def leave_a_waiter(seconds: float) -> str:
    """Return while a thread of this body still waits for another invocation."""
    other = sleep_for(seconds)
    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(other.wait, 60), daemon=True)
    thread.start()
    time.sleep(0.3)
    return "left"


@app.task
def sleep_for(seconds: float) -> str:
    time.sleep(seconds)
    return "slept"


@app.task
def odd() -> object:
    return lambda: None


@app.task
def begin(folder: str) -> None:
    """Go on for ever, deaf to everything."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    Path(folder, f"pid-{os.getpid()}").touch()
    while True:
        time.sleep(0.01)
