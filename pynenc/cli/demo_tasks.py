"""The app and the task of `pynenc demo`."""

from __future__ import annotations

import os
import time

from pynenc.app import Pynenc

app = Pynenc({"app_id": "pynenc_demo"})


@app.task
def count_primes(below: int, seconds: float) -> tuple[int, int]:
    """Count the primes below a number, taking at least some seconds; the count and the process id."""
    end = time.monotonic() + seconds
    sieve = bytearray([1]) * max(below, 2)
    sieve[:2] = b"\0\0"
    for number in range(2, int(below**0.5) + 1):
        if sieve[number]:
            sieve[number * number :: number] = bytes(len(range(number * number, below, number)))
    while (rest := end - time.monotonic()) > 0:
        time.sleep(rest)
    return sum(sieve[:below]), os.getpid()
