"""Whether a failed run is tried again, and when."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pynenc import Pynenc
from pynenc.calls.retries import next_pause
from pynenc.exceptions import ConfigError, NonDeterminismError, RetryError, TaskDefinitionError
from pynenc.invocation.status import InvocationStatus
from pynenc.testing import in_memory, rehearsing


class QuotaError(Exception):
    """An error with a pause of its own."""


class HardQuotaError(QuotaError):
    """A nearer class."""


def body(number: int) -> int:
    return number


def hopeless(error: BaseException) -> bool:
    return "hopeless" in str(error)


def broken(error: BaseException) -> bool:
    raise KeyError("a bug in give_up")


def leaving(error: BaseException) -> bool:
    raise SystemExit(1)


OPTIONS: dict[str, Any] = {"max_retries": 2, "retry_delay": 7.0, "retry_for": (ValueError,)}


def pause(error: BaseException, retries: int = 0, age_s: float = 0.0, **options: Any) -> float | None:
    app = Pynenc({"app_id": "retries", "logging_level": "critical"})
    try:
        return next_pause(app.task(**{**OPTIONS, **options})(body), error, retries, age_s)
    finally:
        Pynenc.discard("retries")


def test_the_options_of_the_task_decide() -> None:
    assert pause(ValueError()) == 7.0
    assert pause(KeyError()) is None
    assert pause(ValueError(), retries=2) is None
    assert pause(NonDeterminismError("x"), retry_for=(Exception,)) is None


@pytest.mark.parametrize(
    ("after", "expected"), [(0, 0.0), (30, 30.0), (timedelta(minutes=2), 120.0), (None, 7.0)]
)
def test_a_body_can_say_when(after: Any, expected: float) -> None:
    assert pause(RetryError("later", after=after)) == expected
    assert pause(RetryError("later", after=after), retries=2) is None


def test_the_longest_pause_is_a_year() -> None:
    assert pause(RetryError(after=1e300)) == 366 * 86400.0
    assert pause(QuotaError(), retry_delays={QuotaError: 100 * 365 * 86400}) == 366 * 86400.0


@pytest.mark.parametrize("after", [-1, float("nan"), float("inf"), True, "5", timedelta(seconds=-1), [1]])
def test_a_moment_that_is_not_one_is_refused_where_it_is_raised(after: Any) -> None:
    with pytest.raises(ValueError, match="after=.* is not a number of seconds"):
        RetryError("later", after=after)


def test_exceptions_have_pauses_of_their_own() -> None:
    delays = {QuotaError: 60, HardQuotaError: 600, OSError: 0}
    assert pause(QuotaError(), retry_delays=delays) == 60.0
    assert pause(HardQuotaError(), retry_delays=delays) == 600.0
    assert pause(ConnectionError(), retry_delays=delays) == 0.0
    assert pause(ValueError(), retry_delays=delays) == 7.0
    assert pause(KeyError(), retry_delays=delays) is None


def test_who_gives_up_is_asked() -> None:
    assert pause(ValueError("hopeless"), give_up=hopeless) is None
    assert pause(ValueError("fine"), give_up=hopeless) == 7.0
    assert pause(RetryError("hopeless"), give_up=hopeless) == 7.0


def test_a_predicate_that_fails_decides_nothing(caplog: pytest.LogCaptureFixture) -> None:
    assert pause(ValueError(), give_up=broken) == 7.0
    with pytest.raises(SystemExit):
        pause(ValueError(), give_up=leaving)


def test_all_attempts_have_a_bound_together() -> None:
    assert pause(ValueError(), age_s=92.0, retry_within=100) == 7.0
    assert pause(ValueError(), age_s=94.0, retry_within=100) is None
    assert pause(RetryError(after=200), retry_within=100) is None


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"retry_delays": {"nonsense": 5}}, "nonsense"),
        ({"retry_delays": {int: 5}}, "is not an exception class"),
        ({"retry_delays": {ValueError: -1}}, "retry_delays"),
        ({"retry_delays": {ValueError: float("nan")}}, "retry_delays"),
        ({"retry_delays": [ValueError]}, "is not a mapping of exceptions to seconds"),
        ({"retry_within": 0}, "retry_within"),
        ({"give_up": 5}, "cannot be called"),
        ({"give_up": "not.there"}, "is not a function that can be imported"),
        ({"giveup": hopeless}, "give_up"),
    ],
)
def test_wrong_options_are_refused_at_the_definition(options: dict[str, Any], told: str) -> None:
    with pytest.raises((ConfigError, TaskDefinitionError), match=told):
        pause(ValueError(), **options)


def test_options_can_come_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYNENC__RETRY_DELAYS", '{"ConnectionError": 5}')
    monkeypatch.setenv("PYNENC__GIVE_UP", f"{__name__}.hopeless")
    assert pause(ConnectionError()) == 5.0
    assert pause(ConnectionError("hopeless")) is None


def later(seconds: float) -> str:
    if task_of["later"].invocation.num_retries < 2:
        raise RetryError("not yet", after=seconds)
    return "now"


task_of: dict[str, Any] = {}


def test_a_retry_waits_as_long_as_the_body_says() -> None:
    app = Pynenc({"app_id": "retries", "logging_level": "critical"})
    task_of["later"] = task = app.task(max_retries=5)(later)
    with in_memory(app), rehearsing(app) as rehearsal:
        call = task(100.0)
        began = app.orchestrator.now()
        rehearsal.run()
        assert call.status == InvocationStatus.RETRY
        while not call.status.final:
            rehearsal.pass_time()
            rehearsal.run()
        assert call.result == "now"
        assert app.orchestrator.now() - began == pytest.approx(200, abs=5)
