"""An idle system is silent."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pynenc import Pynenc
from pynenc.storage.operations import Operation, Reply, Taken
from pynenc.storage.sqlite_storage import SQLiteStorage
from pynenc.testing import kit_functions
from pynenc.testing.app_fixtures import running


def test_an_idle_runner_does_at_most_one_storage_operation_a_second(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    app = Pynenc(
        {
            "app_id": "idle",
            "backend": "sqlite",
            "sqlite_db_path": str(tmp_path / "idle.db"),
            "runner_cls": "ThreadRunner",
            "max_threads": 4,
            "logging_level": "critical",
            # Heartbeats and housekeeping have intervals of their own.
            "heartbeat_interval_seconds": 3600,
            "runner_considered_dead_seconds": 7200,
            "recovery_interval_seconds": 3600,
        }
    )
    add = app.task(kit_functions.add)
    operations: list[float] = []
    execute, take = SQLiteStorage.execute, SQLiteStorage.take

    def counting_execute(self: SQLiteStorage, group: Sequence[Operation]) -> list[Reply]:
        operations.append(time.monotonic())
        return execute(self, group)

    def counting_take(self: SQLiteStorage, *args: Any) -> Taken:
        operations.append(time.monotonic())
        return take(self, *args)

    with running(app):
        assert add(1, 2).result == 3
        # The runner has looked once more in vain when it blocks; count from there.
        while app.broker.storage._wakeups.topic("queue")._waiting == 0:  # type: ignore[attr-defined]
            threading.Event().wait(0.01)
        monkeypatch.setattr(SQLiteStorage, "execute", counting_execute)
        monkeypatch.setattr(SQLiteStorage, "take", counting_take)
        begun = time.monotonic()
        threading.Event().wait(3.0)
        seconds = time.monotonic() - begun
        assert len(operations) <= seconds + 1
        monkeypatch.undo()
