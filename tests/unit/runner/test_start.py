"""What a runner refuses before it begins."""

from __future__ import annotations

from typing import Any

import pytest

from pynenc import Pynenc
from pynenc.exceptions import ConfigError, RunnerError


@pytest.mark.parametrize(("heartbeat_s", "dead_after_s"), [(10, 10), (10, 19.9), (3, 1)])
def test_runners_that_would_count_as_dead_between_heartbeats_are_refused(
    heartbeat_s: float, dead_after_s: float
) -> None:
    app = Pynenc(
        {
            "app_id": "times",
            "runner_cls": "ThreadRunner",
            "heartbeat_interval_seconds": heartbeat_s,
            "runner_considered_dead_seconds": dead_after_s,
        }
    )
    with pytest.raises(RunnerError, match="at least twice 'heartbeat_interval_seconds'"):
        app.runner.run()


@pytest.mark.parametrize("name", ["heartbeat_interval_seconds", "cached_status_time", "max_pending_seconds"])
@pytest.mark.parametrize("value", ["nan", "inf", "-inf", float("nan"), float("inf")], ids=repr)
def test_numbers_that_are_not_finite_are_refused(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=name):
        _ = Pynenc({"app_id": "numbers", name: value})
