"""A plain broker whose author has overlooked something: it is told, and nothing is lost."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any

import pytest
from plain_brokers import DequeBroker

from pynenc import Pynenc
from pynenc.broker.plain_broker import Incoming, Outgoing
from pynenc.exceptions import StorageError
from pynenc.lifecycle.claiming import claim


class OddBroker(DequeBroker):
    """Returns and raises what a test says."""

    gives: Any = None
    counts: Any = 0
    confirming: Exception | None = None
    receives = 0

    def receive(self, queues: Sequence[str], limit: int, timeout_s: float) -> list[Incoming]:
        type(self).receives += 1
        return super().receive(queues, limit, timeout_s) if self.gives is None else self.gives  # type: ignore[no-any-return]

    def confirm(self, receipts: Sequence[str]) -> None:
        if self.confirming is not None:
            raise self.confirming
        super().confirm(receipts)

    def count(self, queue: str) -> Any:
        return self.counts


def add(x: int) -> int:
    return x


@pytest.fixture
def app() -> Pynenc:
    app = Pynenc({"app_id": "odd-broker", "broker_cls": f"{__name__}.OddBroker"})
    app.task(add)
    return app


def odd(app: Pynenc, **more: Any) -> OddBroker:
    broker = app.broker
    assert isinstance(broker, OddBroker)
    vars(broker).update(more)
    return broker


@pytest.mark.parametrize("given", ["text", 5, [b"bytes"], [None], {"a": 1}, (b"x" for _ in range(1))])
def test_what_is_not_a_list_of_messages_is_told(app: Pynenc, given: Any) -> None:
    odd(app, gives=given)
    with pytest.raises(StorageError, match="`receive` of OddBroker has to return a list of Incoming"):
        app.broker.take(["default"], 1, 0)


@pytest.mark.parametrize("body", ["text", None, 5, memoryview(b"{")])
def test_a_body_that_is_not_one_is_dropped(app: Pynenc, body: Any, caplog: pytest.LogCaptureFixture) -> None:
    odd(app, gives=[Incoming(body, "1")])
    assert app.broker.take(["default"], 1, 0) == []
    assert "is dropped" in caplog.text


def test_one_that_does_not_wait_keeps_no_processor_busy(app: Pynenc) -> None:
    broker = odd(app, gives=[])
    before, began = OddBroker.receives, time.monotonic()
    assert broker.take(["default"], 1, 0.3) == []
    assert time.monotonic() - began >= 0.29
    assert OddBroker.receives - before < 40


def test_a_flood_of_foreign_messages_is_told_once_a_minute(
    app: Pynenc, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = odd(app)
    broker.send([Outgoing("default", b"junk") for _ in range(500)])
    while broker.queued["default"]:
        broker.take(["default"], 7, 0)
    assert len([each for each in caplog.records if each.levelno >= logging.WARNING]) == 1
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 61)
    broker.send([Outgoing("default", b"junk")])
    broker.take(["default"], 7, 0)
    assert "500 since the last time" in caplog.records[-1].getMessage()


def test_what_cannot_be_confirmed_runs_all_the_same(app: Pynenc, caplog: pytest.LogCaptureFixture) -> None:
    odd(app, confirming=RuntimeError("no channel"))
    call = app.tasks[next(each for each in app.tasks if each.func_name == "add")](1)
    (claimed,) = claim(app.components, "r1", ["default"], 5, 0)
    assert claimed.data.invocation_id == call.invocation_id
    assert "messages could not be confirmed and may come again" in caplog.text
    assert "no channel" in caplog.text


@pytest.mark.parametrize("counted", ["many", float("nan"), -1, [1], None])
def test_a_count_that_is_not_one_counts_for_nothing(app: Pynenc, counted: Any) -> None:
    broker = odd(app, counts=counted)
    assert broker.backlog("default") is None
    assert broker.depth(["default"])["default"].ready == 0
