"""An outage is told when it begins, every half minute, and when it is over; other errors each time."""

from __future__ import annotations

import logging
import threading

import pytest

from pynenc.exceptions import StorageUnavailableError
from pynenc.lifecycle.outages import Outages


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def _told(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [each.getMessage() for each in caplog.records]
    caplog.clear()
    return found


def test_an_outage_is_told_now_and_then(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    outages = Outages(logging.getLogger("outages"), clock)
    outages.back()
    assert _told(caplog) == []
    for seconds in (0, 1, 29, 31, 32, 62):
        clock.now = seconds
        outages.tell(StorageUnavailableError("x"), "a heartbeat failed")
    assert _told(caplog) == [
        "the store does not answer: x",
        "the store does not answer yet: x",
        "the store does not answer yet: x",
    ]
    clock.now = 70
    outages.back()
    outages.back()
    assert _told(caplog) == ["the store answers again, after 70 s"]
    outages.lost(StorageUnavailableError("y"))
    assert _told(caplog) == ["the store does not answer: y"]


def test_other_errors_are_told_each_time_with_their_tracebacks(caplog: pytest.LogCaptureFixture) -> None:
    outages = Outages(logging.getLogger("outages"))
    for _ in range(2):
        try:
            raise ValueError("50 % \ud800")
        except ValueError as error:
            outages.tell(error, "it failed; next try in %.1f s", 0.5)
    first, second = _told(caplog)
    assert first == second
    assert first.startswith("it failed; next try in 0.5 s: Traceback")
    assert "ValueError: 50 %" in first


def test_many_threads_tell_it_once(caplog: pytest.LogCaptureFixture) -> None:
    outages = Outages(logging.getLogger("outages"))
    together = threading.Barrier(8)

    def lose() -> None:
        together.wait()
        outages.lost(StorageUnavailableError("x"))

    threads = [threading.Thread(target=lose) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(_told(caplog)) == 1
