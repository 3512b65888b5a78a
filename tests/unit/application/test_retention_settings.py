"""What belongs to invocations is kept no longer than they are, unless the settings say so."""

from __future__ import annotations

import pytest

from pynenc import Pynenc


@pytest.mark.parametrize(
    ("settings", "window_minutes", "runner_hours"),
    [
        ({"auto_final_invocation_purge_hours": 0.5}, 30.0, 0.5),
        ({"auto_final_invocation_purge_hours": 1e-9}, 1 / 60, 1e-9),
        ({"auto_final_invocation_purge_hours": 1000}, 60.0, 168.0),
        ({"auto_final_invocation_purge_hours": 0}, 60.0, 168.0),
        (
            {
                "auto_final_invocation_purge_hours": 0.5,
                "sharing_window_minutes": 45,
                "runner_retention_hours": 2,
            },
            45.0,
            2.0,
        ),
    ],
)
def test_shorter_retention_is_followed_where_nothing_is_said(
    settings: dict[str, float], window_minutes: float, runner_hours: float
) -> None:
    app = Pynenc({"app_id": "retention_settings", **settings})
    try:
        assert app.components.values is not None
        assert app.client_data_store.conf.sharing_window_minutes == window_minutes
        assert app.state_backend.conf.runner_retention_hours == runner_hours
    finally:
        Pynenc.discard("retention_settings")
