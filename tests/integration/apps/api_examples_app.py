"""The app of the examples of the API document."""

from __future__ import annotations

from pynenc import Pynenc

app = Pynenc({"app_id": "api_examples", "runner_cls": "ThreadRunner", "max_threads": 2, "warn_threshold": 0})
