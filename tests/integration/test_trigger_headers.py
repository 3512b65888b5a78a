"""Headers go on through triggers: what a trigger starts has those of the invocation that has led to it."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from pynenc import Pynenc
from pynenc.testing.app_fixtures import running
from pynenc.trigger import TriggerBuilder

APPS: dict[str, Pynenc] = {}
STARTED = threading.Event()


def emits() -> None:
    APPS["app"].trigger.emit_event("ordered", {"number": 1})


def fails() -> None:
    raise KeyError("broken")


def late() -> None:
    STARTED.set()


@pytest.fixture(params=["ThreadRunner", "AsyncRunner"])
def app(request: pytest.FixtureRequest) -> Pynenc:
    STARTED.clear()
    APPS["app"] = Pynenc(
        {"app_id": "trigger_headers", "runner_cls": request.param, "logging_level": "critical"}
    )
    return APPS["app"]


def _started_by(app: Pynenc, task: Any) -> Any:
    """Return the invocation that a trigger starts, once it is there."""
    with running(app):
        assert STARTED.wait(30)
    (found,) = app.find_invocations(task=task)
    return found


@pytest.mark.parametrize("kind", ["event", "status", "result", "exception", "all"])
def test_what_is_started_has_the_headers_of_its_source(app: Pynenc, kind: str) -> None:
    source = app.task(fails if kind == "exception" else emits)
    conditions = {
        "event": lambda trigger: trigger.on_event("ordered"),
        "status": lambda trigger: trigger.on_status(source, "success"),
        "result": lambda trigger: trigger.on_any_result(source),
        "exception": lambda trigger: trigger.on_exception(source, "KeyError"),
        "all": lambda trigger: trigger.on_status(source, "success").on_event("ordered").with_logic("and"),
    }
    started = app.task(triggers=conditions[kind](TriggerBuilder()))(late)
    source.options(headers={"trace": "t1", "tenant": "blue"})()
    assert _started_by(app, started).headers == {"trace": "t1", "tenant": "blue"}


def test_what_nobody_in_an_invocation_has_emitted_has_none(app: Pynenc) -> None:
    started = app.task(triggers=TriggerBuilder().on_event("outside"))(late)
    app.trigger.emit_event("outside", {})
    assert _started_by(app, started).headers == {}


def test_a_source_that_is_gone_is_no_obstacle(app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> None:
    started = app.task(triggers=TriggerBuilder().on_event("ordered"))(late)
    source = app.task(emits)
    read = app.state_backend.read_invocations
    call = source.options(headers={"trace": "t1"})()

    def without(ids: Any) -> Any:
        return [
            None if each == call.invocation_id else found for each, found in zip(ids, read(ids), strict=True)
        ]

    monkeypatch.setattr(app.state_backend, "read_invocations", without)
    with running(app):
        assert STARTED.wait(30)
    assert len(app.find_invocations(task=started)) == 1
