"""Apps on one file, as different processes have them, and what their tests look at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pynenc import Pynenc
from pynenc.invocation.status import InvocationStatus
from pynenc.storage.operations import Patch
from pynenc.testing.app_fixtures import running
from pynenc.testing.inline_runner import InlineRunner

SIGNING, OTHER = "a key for signatures of length 35 ok", "another key of the very same length!!"


def make(path: Path, **settings: Any) -> Pynenc:
    """Return the app of another process, on the same file."""
    Pynenc.discard("sealed")
    return Pynenc(
        {
            "app_id": "sealed",
            "backend": "sqlite",
            "sqlite_db_path": str(path),
            "runner_cls": "ThreadRunner",
            "max_threads": 2,
            "logging_level": "critical",
            **settings,
        }
    )


def ended(app: Pynenc, call: Any) -> Any:
    with running(app):
        try:
            return call.result
        except Exception as error:  # noqa: BLE001 - is what is looked at
            return error


def failure(app: Pynenc, invocation_id: str) -> str:
    """Run what is due, and return the text of the error with which an invocation has ended."""
    for _ in range(5):
        InlineRunner(app).run_due()
    (state,) = app.orchestrator.read_states([invocation_id])
    assert state is not None
    assert state.status == InvocationStatus.FAILED
    (outcome,) = app.state_backend.read_outcomes([state.outcome_id or ""])
    assert outcome is not None
    return str(app.components.values.unpack_error(outcome.payload))


def patch(app: Pynenc, store: str, table_name: str, key: str, **values: Any) -> None:
    """Change a stored record, as somebody would who can write to the store."""
    component: Any = getattr(app, store)
    table = next(each for each in component.tables if each.name == table_name)
    (outcome,) = component.storage.execute([Patch(table, key, values)])
    assert outcome.applied
