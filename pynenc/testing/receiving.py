"""Receiving in the suites for brokers, with a bound for every wait."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from pynenc.broker.base_broker import Delivery
from pynenc.broker.plain_broker import Incoming, PlainBroker
from pynenc.exceptions import StorageError
from pynenc.testing.promises import PATIENCE_S, ends


def received(broker: PlainBroker, queues: Sequence[str], limit: int, timeout_s: float) -> list[Incoming]:
    """Receive, and fail if that does not return."""
    found: list[Incoming] = []
    errors: list[BaseException] = []

    def receive() -> None:
        try:
            found.extend(broker.receive(queues, limit, timeout_s))
        except BaseException as error:  # noqa: BLE001 - it is raised in the thread of the test
            errors.append(error)

    thread = threading.Thread(target=receive, daemon=True)
    thread.start()
    ends(
        thread,
        "a wait for nothing ends after `timeout_s`",
        f"receive from {', '.join(map(repr, queues))} for {timeout_s:g} s",
        "how `receive` bounds its wait",
        broker.wake,
    )
    for error in errors:
        raise error
    return found


def some_of(broker: PlainBroker, queues: Sequence[str], limit: int) -> list[Incoming]:
    """Receive once, as soon as there is something."""
    end = time.monotonic() + PATIENCE_S
    while not (found := received(broker, queues, limit, 1.0)) and time.monotonic() < end:
        pass
    return found


def all_of(broker: PlainBroker, queues: Sequence[str], count: int, limit: int = 10) -> list[Incoming]:
    """Receive so many messages, each once, or what there is when patience ends."""
    found: dict[str, Incoming] = {}
    end = time.monotonic() + PATIENCE_S
    while len(found) < count and time.monotonic() < end:
        found.update((each.receipt, each) for each in received(broker, queues, limit, 0.2))
    return list(found.values())


def until(is_so: Callable[[], Any]) -> None:
    """Wait until something is so, or patience ends."""
    end = time.monotonic() + PATIENCE_S
    while not is_so() and time.monotonic() < end:
        time.sleep(0.01)


def together(acts: Sequence[Callable[[], None]], errors: list[BaseException]) -> None:
    """Do several things in threads at the same time; what they raise is appended to `errors`."""

    def guarded(act: Callable[[], None]) -> None:
        try:
            act()
        except (StorageError, OSError, RuntimeError, ValueError, TypeError) as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(act,), daemon=True) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * PATIENCE_S)


def taken_from(broker: PlainBroker, queue: str, count: int, limit: int = 10) -> list[Delivery]:
    """Take so many messages, or what there is when patience ends."""
    found: list[Delivery] = []
    end = time.monotonic() + PATIENCE_S
    while len(found) < count and time.monotonic() < end:
        found += broker.take([queue], limit, 0.2)
    return found
