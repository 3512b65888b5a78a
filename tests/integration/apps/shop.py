"""The app of the tests with several processes; its settings come from the environment."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from pynenc import Pynenc

app = Pynenc({"app_id": "shop"})


@app.task
def add(x: int, y: int) -> int:
    return x + y


@app.task
def where() -> int:
    """The process that runs it."""
    return os.getpid()


@app.task
def touch_and_wait(folder: str) -> int:
    """Tell that it runs, then wait until a file says that it may end; the process that ran it."""
    Path(folder, f"running-{os.getpid()}").touch()
    while not Path(folder, "go").exists():
        time.sleep(0.01)
    return os.getpid()


@app.task
def fibonacci(number: int) -> int:
    if number < 2:
        return number
    return fibonacci(number - 1).result + fibonacci(number - 2).result


@app.task
def give_lock() -> object:
    """A result that cannot be serialized."""
    return threading.Lock()


@app.task
def leave() -> None:
    """End the worker process without a word."""
    os._exit(3)


@app.task(timeout=0.1, timeout_grace=0.1)
def listen_to_nobody(folder: str) -> None:
    """Ignore every request to end."""
    Path(folder, f"running-{os.getpid()}").touch()
    while True:
        time.sleep(0.01)
