"""The app and the tasks of `pynenc demo`."""

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


@app.task(max_retries=2, retry_for=(ConnectionError,))
def fetch(url: str, luck: float) -> str:
    """Fail now and then: with a luck below a third always, below two thirds at the first attempt."""
    if luck < 1 / 3 or (luck < 2 / 3 and fetch.invocation.num_retries == 0):
        raise ConnectionError(f"no route to {url}")
    return url


@app.workflow
def order(name: str) -> str:
    """Reserve something, wait until it is paid, and send it."""
    order.wf.step("reserve", lambda: name)
    order.wf.wait_event("paid", timeout=600)
    return order.wf.step("send", lambda: f"{name} is on its way")
