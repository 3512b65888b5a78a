"""When housekeeping is due."""

from __future__ import annotations

import pytest

from pynenc import Pynenc
from pynenc.exceptions import ConfigError
from pynenc.runner.housekeeping import Schedule

NOON = 1_700_049_600.0  # 2023-11-15 12:00:00 UTC


def test_an_interval_is_due_at_once_and_then_each_time_it_has_passed() -> None:
    schedule = Schedule(10.0)
    due = [second for second in range(40) if schedule.is_due(NOON + second)]
    assert due == [0, 8, 16, 24, 32]


def test_a_cron_expression_is_due_at_its_times_only() -> None:
    schedule = Schedule(10.0, "*/5 * * * *")
    due = [second for second in range(30, 1000) if schedule.is_due(NOON + second)]
    assert due == [300, 600, 900]


def test_a_cron_expression_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"recover_pending_invocations_cron.*must be a cron expression"):
        Pynenc({"app_id": "x", "recover_pending_invocations_cron": "every day"})


def test_minutes_of_the_older_names_set_the_same_bounds() -> None:
    app = Pynenc(
        {
            "app_id": "older",
            "atomic_service_interval_minutes": 2,
            "runner_considered_dead_after_minutes": 10,
        }
    )
    assert (app.conf.housekeeping_seconds, app.conf.dead_after_seconds) == (120, 600)
