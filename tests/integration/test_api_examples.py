"""Every example of the API document, executed."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from pynenc import Pynenc
from pynenc.invocation.status import InvocationStatus
from pynenc.testing.app_fixtures import running
from pynenc.testing.evaluating import Evaluating, fired
from pynenc.trigger.conditions.composite import CompositeLogic
from pynenc.trigger.conditions.cron import CronCondition
from pynenc.trigger.conditions.event import EventCondition
from pynenc.trigger.conditions.status import StatusCondition
from pynenc.trigger.records import RunState

MODULES = ("api_examples_app", "api_examples_tasks", "api_examples_direct")


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pynenc]:
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "apps"))
    yield importlib.import_module("api_examples_app").app
    for name in MODULES:
        sys.modules.pop(name, None)


def load(name: str) -> ModuleType:
    return importlib.import_module(name)


def test_the_task_examples_define_register_and_build(app: Pynenc) -> None:
    module = load("api_examples_tasks")
    assert module.simple_task.conf.max_retries == 3
    app.register_deferred_triggers()

    def stored(name: str) -> int:
        return len(app.trigger.find_definitions(f"api_examples_tasks.{name}"))

    assert [stored(name) for name in ("simple_task", "daily_report", "process_important_payment")] == [
        0,
        1,
        2,
    ]
    assert stored("process_payment") == 1
    (daily,) = app.task_registry.deferred_triggers[module.daily_report.task_id]
    assert daily.conditions == (CronCondition("0 0 * * *"),)
    event, status = app.task_registry.deferred_triggers[module.process_important_payment.task_id]
    assert event.conditions == (EventCondition("payment.completed", {"amount": {"$gt": 1000}}),)
    wanted = StatusCondition("api_examples_tasks.validate_data", (InvocationStatus.SUCCESS,))
    assert status.conditions == (wanted,)
    (both,) = app.task_registry.deferred_triggers[module.process_payment.task_id]
    assert both.logic == CompositeLogic.AND
    assert [type(condition) for condition in both.conditions] == [EventCondition, StatusCondition]
    with running(app):
        assert module.simple_task(1, 2).result == 3


VALIDATIONS = """
@app.task
def validate_data(payment_id):
    return True

@app.task
def validate_payment(payment_id):
    return True
"""


def test_the_trigger_examples_start_their_tasks(app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load("api_examples_tasks")
    exec(VALIDATIONS, vars(module))  # the tasks that the examples watch, in the same module
    app.purge()
    app.register_deferred_triggers()
    clock = Clock(app)
    monkeypatch.setattr(app.trigger.storage, "now", clock)  # type: ignore[attr-defined]
    evaluating = Evaluating(app)
    evaluating.work()

    def started(name: str) -> list[dict[str, str]]:
        evaluating.work()
        runs = fired(app, getattr(module, name))
        return [app.get_invocation(run.invocation_id).arguments.kwargs for run in runs]

    assert started("daily_report") == []
    clock.offset_s = 86400.0
    assert started("daily_report") == [{}]
    for amount in (1000, 1001):
        app.trigger.emit_event("payment.completed", {"payment_id": f"p{amount}", "amount": amount})
    assert started("process_important_payment") == [{"payment_id": "p1001"}]
    app.trigger.emit_event("payment.received", {"id": "p7"})
    assert started("process_payment") == []
    with running(app):
        assert module.validate_data("p2").result is True
        assert module.validate_payment("p7").result is True
        while len(started("process_important_payment")) < 2 or not started("process_payment"):
            pass
        assert started("process_important_payment") == [{"payment_id": "p1001"}, {"payment_id": "p2"}]
        assert started("process_payment") == [{"payment_id": "p7"}]
        for run in app.trigger.find_runs(state=RunState.FIRED):
            assert app.get_invocation(run.invocation_id).result is None


class Clock:
    """The clock of a storage, put forward by a test."""

    def __init__(self, app: Pynenc) -> None:
        self.offset_s = 0.0
        self._real = app.trigger.storage.now  # type: ignore[attr-defined]

    def __call__(self) -> float:
        return float(self._real() + self.offset_s)


def test_the_direct_task_examples_give_their_results(app: Pynenc) -> None:
    with running(app):
        module = load("api_examples_direct")
    assert module.first_result == 3
    assert module.second_result == sum(i + i + 1 for i in range(5))
    assert module.result == 100 * 20 * 1024 * 1024 + sum(range(100))


def test_shared_data_is_serialized_and_stored_once(app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    serialized: list[int] = []
    put, serialize = app.client_data_store.put, app.serializer.serialize

    def counting_put(blobs: dict[str, bytes]) -> None:
        written.extend(map(len, blobs.values()))
        put(blobs)

    def counting_serialize(value: object) -> str:
        text = serialize(value)
        serialized.append(len(text))
        return text

    monkeypatch.setattr(app.client_data_store, "put", counting_put)
    monkeypatch.setattr(app.serializer, "serialize", counting_serialize)
    with running(app):
        load("api_examples_direct")
    large = 20 * 1024 * 1024
    assert [size for size in written if size > 1000] == [large + 3]
    assert [size for size in serialized if size > 1000] == [large + 2]
