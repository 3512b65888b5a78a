"""Tasks of the example."""

import threading
import time

from pynenc import ConcurrencyControlType, Pynenc

app = Pynenc(
    {
        "app_id": "example_one_at_a_time",
        "runner_cls": "ThreadRunner",
        "runner": {"max_threads": 8},
        "logging_level": "warning",
    }
)
balances = {"Ada": 0, "Bob": 0}
running: set[str] = set()
lock = threading.Lock()


@app.task(
    running_concurrency=ConcurrencyControlType.KEYS,
    key_arguments=("account",),
    reroute_on_concurrency_control=True,
)
def book(account: str, amount: int) -> int:
    """No two bookings of one account run at the same time, so this needs no lock of its own."""
    with lock:
        assert account not in running
        running.add(account)
    balance = balances[account]
    time.sleep(0.005)
    balances[account] = balance + amount
    with lock:
        running.discard(account)
    return balances[account]
