"""One stored record that cannot be read never stops the others, wherever it is."""

from __future__ import annotations

from typing import Any

import plain_tasks
import pytest

from pynenc import Pynenc
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle import recovery, retention
from pynenc.lifecycle.resending import push_forgotten
from pynenc.orchestrator.base_orchestrator import Slot
from pynenc.storage import records
from pynenc.storage.operations import Insert, Table
from pynenc.storage.record_store import Remove
from pynenc.testing.app_fixtures import running
from pynenc.testing.evaluating import Evaluating, fired
from pynenc.trigger import on_event

STORES = ("orchestrator", "state_backend", "trigger")
FIXED = {"status": "registered", "is_open": 1, "kind": "event", "code": "paid", "task_id": "plain_tasks.add"}
"""What leads to the records."""

DAMAGES: dict[str, Any] = {"text": "\x1b[31mdamaged", "number": 1, "nothing": None}


def tables() -> list[Any]:
    app = Pynenc({"app_id": "tables"})
    found = [(store, table.name) for store in STORES for table in getattr(app, store).tables]
    Pynenc.discard("tables")
    return found


@pytest.fixture
def app() -> Pynenc:
    return Pynenc({"app_id": "damaged", "runner_cls": "ThreadRunner", "logging_level": "critical"})


def damage(app: Pynenc, store: str, name: str, value: Any) -> None:
    """Store records whose fields all hold the same odd value, but are found by lookups."""
    component: Any = getattr(app, store)
    table: Table = next(each for each in component.tables if each.name == name)
    orders = {index.order for index in table.indexes}
    values = {field: 0.0 if field in orders else value for field in table.fields if field != "key"}
    values |= {field: FIXED[field] for field in table.fields if field in FIXED}
    for number in range(3):
        component.storage.execute([Insert(table, f"damaged-{number}", values, {})])


@pytest.mark.parametrize("value", DAMAGES)
@pytest.mark.parametrize(("store", "name"), tables())
def test_everything_else_goes_on(app: Pynenc, store: str, name: str, value: str) -> None:
    echo, add = app.task(plain_tasks.echo), app.task(plain_tasks.add)
    app._store_deferred_trigger(echo, on_event("paid").with_arguments({"value": 1}))
    app.register_deferred_triggers()
    before = add(1, 2)
    damage(app, store, name, DAMAGES[value])
    app.catalog.expire()
    app.trigger.emit_event("paid")
    Evaluating(app).work()
    assert len(fired(app, echo)) == 1
    assert before.invocation_id in {each.invocation_id for each in app.find_invocations()}
    push_forgotten(app.components, app.orchestrator.now() + 60)
    recovery.recover(app.components, "r1")
    with running(app):
        assert before.wait(60) == 3
        assert add(3, 4).wait(60) == 7
    retention.purge_ended(app.components, app.orchestrator.now() + 60)


def test_what_cannot_be_read_is_shown_with_its_reason(app: Pynenc) -> None:
    damage(app, "orchestrator", "status", "x")
    good = app.task(plain_tasks.add)(1, 2)
    found = app.orchestrator.find_states(InvocationStatus.REGISTERED, limit=2)
    assert [state.invocation_id for state in found] == [good.invocation_id]
    place = "status 'damaged-0'"
    assert "Expected" in records.unreadable[place]


def test_a_slot_that_cannot_be_read_is_taken_by_the_next(app: Pynenc) -> None:
    add = app.task(
        running_concurrency="task",
        registration_concurrency="arguments",
        reroute_on_concurrency_control=True,  # while the first runs, the second has to wait
    )(plain_tasks.add)
    first = add(1, 2)
    component: Any = app.orchestrator
    table = next(each for each in component.tables if each.name == "slot")
    (state,) = app.orchestrator.read_states([first.invocation_id])
    assert state is not None
    for key in (state.slot_key, state.registration_key):
        component.write([Remove(Slot, key)])
        component.storage.execute([Insert(table, key, dict.fromkeys(table.fields, "x"), {})])
    second = add(1, 2)
    with running(app):
        assert [first.wait(60), second.wait(60)] == [3, 3]
