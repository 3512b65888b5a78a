"""A signal is acted on at once, and only by the process that it was sent to."""

from __future__ import annotations

import subprocess
import sys

BLOCKED = """
import signal, threading
from pynenc.runner.signal_watch import SignalWatch

blocked = threading.Lock()
blocked.acquire()
with SignalWatch(blocked.release):
    # Another thread takes the signal, so nothing wakes the main thread from its wait.
    taker = threading.Thread(target=lambda: signal.pthread_kill(threading.get_ident(), signal.SIGTERM))
    taker.start()
    blocked.acquire()
assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
print("acted")
"""

FORKED = """
import os, signal
from pynenc.runner.signal_watch import SignalWatch

arrived = []
with SignalWatch(lambda: arrived.append(1)):
    child = os.fork()
    if child == 0:
        os.kill(os.getpid(), signal.SIGTERM)
        os._exit(9)
    _, status = os.waitpid(child, 0)
assert os.WTERMSIG(status) == signal.SIGTERM, status
assert arrived == []
print("died alone")
"""


def run(script: str) -> str:
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout


def test_it_acts_while_the_main_thread_waits_for_a_lock() -> None:
    assert run(BLOCKED) == "acted\n"


def test_a_forked_child_has_its_own_signals() -> None:
    assert run(FORKED) == "died alone\n"
