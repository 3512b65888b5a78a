"""What a process knows of the stored triggers, and for how long."""

from __future__ import annotations

import time
from typing import Any

import plain_tasks
import pytest

from pynenc import Pynenc
from pynenc.storage.group import Group
from pynenc.trigger import on_event, on_success


@pytest.fixture
def app() -> Pynenc:
    return Pynenc({"app_id": "catalogs"})


def define(app: Pynenc, trigger: Any) -> None:
    app._store_deferred_trigger(app.task(plain_tasks.echo), trigger)
    app.register_deferred_triggers()


def test_it_is_quiet_while_no_trigger_waits_for_a_status(app: Pynenc) -> None:
    define(app, on_event("paid").with_arguments({"value": 1}))
    app.catalog.stage(Group(), [])
    assert app.catalog.quiet_until > time.monotonic()


def test_it_is_never_quiet_while_a_trigger_waits_for_a_status(app: Pynenc) -> None:
    define(app, on_success(app.task(plain_tasks.add)).with_arguments({"value": 1}))
    app.catalog.stage(Group(), [])
    assert app.catalog.quiet_until < time.monotonic()


def test_what_is_stored_while_it_reads_is_known_at_the_next_use(
    app: Pynenc, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = app.trigger.find_definitions

    def find_and_store() -> Any:
        found = find()
        monkeypatch.undo()
        define(app, on_success(app.task(plain_tasks.add)).with_arguments({"value": 1}))
        return found

    monkeypatch.setattr(app.trigger, "find_definitions", find_and_store)
    app.catalog.refresh()
    assert app.catalog.quiet_until < time.monotonic()
    app.catalog.stage(Group(), [])
    assert len(app.catalog.stored()) == 1
