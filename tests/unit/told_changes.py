"""Keeping what the hook for changes of statuses is told, and comparing it with the stored histories."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

from pynenc import Pynenc, hookimpl
from pynenc.invocation.status import InvocationStatus


class Changes:
    """Keeps the changes of statuses."""

    def __init__(self) -> None:
        self.told: Counter[tuple[str, str, str]] = Counter()
        self.order: dict[str, list[InvocationStatus]] = {}
        self.lock = threading.Lock()

    @hookimpl
    def pynenc_statuses_changed(self, changes: Any) -> None:
        with self.lock:
            for each in changes:
                assert each.task_id
                self.told[each.invocation_id, str(each.before), str(each.after)] += 1
                self.order.setdefault(each.invocation_id, []).append(each.after)

    def compare(self, app: Pynenc, invocation_id: str) -> int:
        """Return how many changes in the history of an invocation were not told; none else may be told."""
        history = [entry.status for entry in app.orchestrator.history(invocation_id)]
        pairs = Counter(
            (str(before), str(after)) for before, after in zip([None, *history], history, strict=False)
        )
        told = Counter({key[1:]: count for key, count in self.told.items() if key[0] == invocation_id})
        assert told <= pairs, (told - pairs, history)
        return (pairs - told).total()
