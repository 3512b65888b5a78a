"""Nothing grows for ever: what was needed once leaves nothing behind."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from leftovers import Everything

from pynenc import Pynenc

COUNTS = {"process_counts"}
"""The sums of what this process has counted: one record, until it is added to the totals."""


def rows(path: Path) -> dict[str, int]:
    """Return how many rows each table of a database has."""
    with sqlite3.connect(path) as connection:
        names = [
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        counts = {name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names}
    connection.close()
    return {name: count for name, count in counts.items() if count}


def test_nothing_is_left_in_a_sqlite_file(tmp_path: Path) -> None:
    path = tmp_path / "left.db"
    app = Pynenc(
        {
            "app_id": "left",
            "backend": "sqlite",
            "sqlite_db_path": str(path),
            "runner_cls": "ThreadRunner",
            "max_threads": 2,
            "logging_level": "critical",
        }
    )
    everything = Everything(app)
    everything.live(0)
    assert {name.removeprefix("left/") for name in rows(path)} >= {
        *("status", "slot", "invocation", "outcome", "runner", "blob", "large_value", "large_value_use"),
        *("progress", "workflow_step", "workflow_value", "workflow_event", "occurrence", "trigger_run"),
    }
    everything.clean()
    left = rows(path)
    assert {name.removeprefix("left/") for name in left} - COUNTS == {
        "pynenc_meta",
        "trigger",
        "trigger_mark",
    }
    for number in range(1, 4):
        everything.live(number)
    everything.clean()
    assert rows(path) == left
    app.close()


def test_nothing_is_left_in_memory() -> None:
    settings = {"app_id": "left", "runner_cls": "ThreadRunner", "max_threads": 2, "logging_level": "critical"}
    app = Pynenc(settings)
    everything = Everything(app)
    counts = []
    for number in range(2):
        everything.live(number)
        everything.clean()
        counts.append(kept(app))
    assert counts[0] == counts[1]
    assert set(counts[0]) - COUNTS == {"trigger", "trigger_mark"}


def kept(app: Pynenc) -> dict[str, int]:
    """Return how many records each table in memory has."""
    storage: Any = app.orchestrator.storage.inner  # type: ignore[attr-defined]
    counts = {name: len(table._records) for name, table in storage._tables.items()}
    assert storage._blobs == {}
    return {name: count for name, count in counts.items() if count}
