"""Looks at an app at moments of a clock that a test moves."""

from __future__ import annotations

import dataclasses
from typing import Any

from pynenc import Pynenc
from pynenc.alerts.rules import RULES
from pynenc.alerts.watching import watch
from pynenc.lifecycle.components import Components
from pynenc.state_backend.alert_records import AlertData

app = Pynenc({"app_id": "watched"})


@app.task
def work() -> int:
    return 1


class Watch:
    """Looks at the app at moments of a clock that the test moves."""

    def __init__(self) -> None:
        self.components = app.components
        self.begin = self.components.now()
        self.told: list[AlertData] = []
        self.settings: dict[str, Any] = {}

    def at(self, seconds: float, *rules: str) -> list[tuple[str, str]]:
        """Look so many seconds after the begin; return what was told at that look."""
        self.told.clear()
        assert watch(self.shifted(seconds), self.told.append, rules or tuple(RULES)) == {}
        return [(each.alert_id, each.state.value) for each in self.told]

    def shifted(self, seconds: float) -> Components:
        conf = self.components.conf.model_copy(update=self.settings)
        return dataclasses.replace(self.components, conf=conf, now=lambda: self.begin + seconds)

    def rules(self, **rules: Any) -> None:
        self.settings["alert_rules"] = Pynenc({"app_id": "x", "alert_rules": rules}).conf.alert_rules
