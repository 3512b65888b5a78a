"""What a broker loses or cannot hold back is sent again from the records, and not more often than needed."""

from __future__ import annotations

import threading
from collections import Counter
from itertools import pairwise

import pytest
from plain_brokers import DequeBroker, SilentBroker, WorstBroker

from pynenc import Pynenc
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle import resending
from pynenc.lifecycle.claiming import claim
from pynenc.lifecycle.resending import Resending
from pynenc.testing.app_fixtures import running
from pynenc.testing.faulty_storage import CrashPlan, put_faulty

HOUR_S = 3600.0


def made(broker: type[DequeBroker], **more: object) -> Pynenc:
    settings = {"app_id": "resending", "broker_cls": f"plain_brokers.{broker.__name__}", **more}
    return Pynenc({"runner_cls": "ThreadRunner", "logging_level": "critical", **settings})


def nothing(number: int) -> int:
    return number


RUNS: Counter[int] = Counter()
_lock = threading.Lock()


def counted(number: int) -> int:
    with _lock:
        RUNS[number] += 1
    return number


class World:
    """An app, its broker, and a clock."""

    def __init__(self, broker: type[DequeBroker]) -> None:
        self.app = made(broker)
        assert isinstance(self.app.broker, broker)
        self.broker: DequeBroker = self.app.broker
        self.task = self.app.task(nothing)
        self.plan: CrashPlan = put_faulty(self.app)
        self.resending = Resending(self.app.components)

    def passes(self, seconds: float, every_s: float = 5.0) -> int:
        """Let time pass with a pass of the leader from time to time; return how many were sent."""
        before = self.broker.sent
        for _ in range(int(seconds / every_s)):
            self.plan.clock_offset_s += every_s
            now = self.app.orchestrator.now()
            self.resending.push_due(now)
            self.resending.push_lost(now)
        return self.broker.sent - before


@pytest.fixture
def counting() -> World:
    return World(DequeBroker)


@pytest.fixture
def silent() -> World:
    return World(SilentBroker)


def test_what_waits_in_a_long_queue_is_sent_again_a_few_times_only(counting: World) -> None:
    counting.task(1)
    assert counting.passes(HOUR_S) == len([80, 160, 320, 640, 1280, 2560])


@pytest.mark.parametrize("broker", [DequeBroker, SilentBroker])
def test_the_time_between_two_sendings_doubles(broker: type[DequeBroker]) -> None:
    world = World(broker)
    world.passes(10)
    world.task(1)
    moments = []
    for step in range(int(HOUR_S / 5)):
        if world.passes(5):
            moments.append(5 * step)
    assert 5 <= len(moments) <= 10
    assert all(later >= 1.8 * earlier for earlier, later in pairwise(moments))


def test_what_was_lost_from_an_empty_queue_is_soon_back(counting: World) -> None:
    counting.passes(10)
    for number in range(3):
        counting.task(number)
    counting.broker.queued.clear()
    assert counting.passes(10) == 3
    assert counting.broker.count("default") == 3


def test_a_thousand_lost_messages_are_back_after_one_pass(counting: World) -> None:
    list(counting.task.parallelize([(number,) for number in range(1000)]))
    counting.broker.queued.clear()
    assert counting.passes(10) == 1000


def test_what_is_lost_again_and_again_does_not_multiply(counting: World) -> None:
    counting.task(1)
    for _ in range(20):
        counting.broker.queued.clear()
        counting.passes(5)
    assert 6 <= counting.broker.sent <= 12


def test_one_that_leads_anew_sends_what_is_lost_at_once(silent: World) -> None:
    silent.task(1)
    silent.broker.queued.clear()
    silent.plan.clock_offset_s += HOUR_S
    assert silent.passes(5) >= 1
    assert len(silent.broker.queued["default"]) >= 1


def test_a_delayed_call_is_sent_once_when_it_is_due(counting: World) -> None:
    counting.task.options(delay=100)(1)
    assert counting.broker.sent == 0
    assert counting.passes(95) == 0
    assert counting.passes(10) == 1
    (claimed,) = claim(counting.app.components, "r1", ["default"], 5, 0)
    assert claimed.state.status == InvocationStatus.PENDING


def test_a_delayed_call_that_became_due_under_another_leader_is_sent(counting: World) -> None:
    counting.task.options(delay=10)(1)
    counting.plan.clock_offset_s += 25
    assert counting.passes(5) == 1


def test_an_exact_broker_is_sent_nothing_twice() -> None:
    app = made(DequeBroker, broker_cls="MemBroker")
    app.task(nothing)(1)
    plan = put_faulty(app)
    plan.clock_offset_s += 100
    again = Resending(app.components)
    assert again.push_due(app.orchestrator.now()) == 0
    assert again.push_lost(app.orchestrator.now()) == 0


@pytest.mark.timeout(120)
def test_the_worst_broker_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resending, "_UNKNOWN_S", 0.2)
    monkeypatch.setattr(resending, "SETTLE_S", 0.1)
    app = made(WorstBroker, recovery_interval_seconds=0.1)
    RUNS.clear()
    with running(app):
        results = list(app.task(counted).parallelize([(number,) for number in range(1000)]).results)
    assert sorted(results) == list(range(1000))
    assert Counter(range(1000)) == RUNS
