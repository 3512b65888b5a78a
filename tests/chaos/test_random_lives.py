"""Random operations of several runners, checked against what the promise says at every step."""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pynenc import ConcurrencyControlType, Pynenc
from pynenc.identifiers.ids import new_id
from pynenc.invocation.claim import Claim
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle import recovery
from pynenc.lifecycle.cancellation import cancel
from pynenc.lifecycle.claiming import claim, hand_back_claimed
from pynenc.lifecycle.execution import finish_and_start, hand_back_running, pause, resume
from pynenc.testing.crash_scenarios import QUEUES, Life
from pynenc.testing.crash_suite import check, let_zombie_finish, settle
from pynenc.testing.faulty_storage import SimulatedCrash, put_faulty

S = InvocationStatus
RUNNERS = st.sampled_from(["r1", "r2", "r3"])
CHOICES = st.integers(0, 9)


class RandomLives(RuleBasedStateMachine):
    """Runners claim, start, end, pause, give back and die in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.app = Pynenc({"app_id": f"random-{new_id()}", "logging_level": "critical"})
        self.plan = put_faulty(self.app)
        self.life = Life(self.app, self.plan)
        self.pending: list[Claim] = []
        self.running: list[Claim] = []

    @initialize(mode=st.sampled_from(ConcurrencyControlType), waits=st.booleans())
    def define(self, mode: ConcurrencyControlType, waits: bool) -> None:
        keys = ("x",) if mode == ConcurrencyControlType.KEYS else ()
        options: dict[str, Any] = {"running_concurrency": mode, "key_arguments": keys}
        self.task = self.life.task(max_retries=9, reroute_on_concurrency_control=waits, **options)

    @rule(calls=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1)), min_size=1, max_size=4))
    def submit(self, calls: list[tuple[int, int]]) -> None:
        for call in calls:
            self.life.submit(self.task, *call)

    @precondition(lambda self: self.life.accepted)
    @rule(runner=RUNNERS, limit=st.integers(1, 6), at_once=st.booleans())
    def claim(self, runner: str, limit: int, at_once: bool) -> None:
        claims = claim(self.app.components, runner, QUEUES, limit, 0)
        if at_once:
            self._start(claims, runner)
        else:
            self.pending += claims

    def _start(self, claims: list[Claim], runner: str) -> None:
        started = finish_and_start(self.app.components, runner, [], claims).started
        self.running += started
        self.life.held += started

    def _one_of(self, claims: list[Claim], choice: int) -> tuple[Claim, str]:
        each = claims.pop(choice % len(claims))
        return each, each.state.runner_id or ""

    @precondition(lambda self: self.pending)
    @rule(choice=CHOICES)
    def start(self, choice: int) -> None:
        each, runner = self._one_of(self.pending, choice)
        self._start([each], runner)

    @precondition(lambda self: self.running)
    @rule(choice=CHOICES, status=st.sampled_from([S.SUCCESS, S.FAILED, S.RETRY]))
    def end_and_go_on(self, choice: int, status: InvocationStatus) -> None:
        """Like a worker: the end of one, and the start of the next that its runner claimed."""
        each, runner = self._one_of(self.running, choice)
        following = [other for other in self.pending if other.state.runner_id == runner][:1]
        for other in following:
            self.pending.remove(other)
        started = finish_and_start(
            self.app.components, runner, [self.life.finished(each, status)], following
        ).started
        self.running += started
        self.life.held += started

    @precondition(lambda self: self.running)
    @rule(choice=CHOICES)
    def pause_and_resume(self, choice: int) -> None:
        each = self.running[choice % len(self.running)]
        paused = pause(self.app.components, each, each.state.runner_id or "")
        if paused is not None:
            resume(self.app.components, paused, each.state.runner_id or "")

    @precondition(lambda self: self.pending)
    @rule(choice=CHOICES)
    def hand_back_claimed(self, choice: int) -> None:
        each, runner = self._one_of(self.pending, choice)
        hand_back_claimed(self.app.components, [each], runner)

    @precondition(lambda self: self.running)
    @rule(choice=CHOICES)
    def stop(self, choice: int) -> None:
        each, runner = self._one_of(self.running, choice)
        hand_back_running(self.app.components, [each], runner)

    @precondition(lambda self: self.running or self.pending)
    @rule(runner=RUNNERS, heir=RUNNERS)
    def die(self, runner: str, heir: str) -> None:
        """It is noticed at once and another goes on, but it may come back as a zombie."""
        recovery.recover_runners(self.app.components, [runner], "boss")
        self._start(claim(self.app.components, heir, QUEUES, 6, 0), heir)

    @rule(runner=RUNNERS, operation=st.integers(0, 16), after=st.booleans())
    def die_on_the_way(self, runner: str, operation: int, after: bool) -> None:
        """A whole life that ends half way, and nobody notices yet."""
        self.plan.arm(operation, after)
        with contextlib.suppress(SimulatedCrash):
            self.life.submit(self.task, operation % 2, 0)
            claims = claim(self.app.components, runner, QUEUES, 3, 0)
            started = finish_and_start(self.app.components, runner, [], claims[:1]).started
            self.life.held += started
            ended = [self.life.finished(each) for each in started]
            started = finish_and_start(self.app.components, runner, ended, claims[1:]).started
            self.life.held += started
            hand_back_running(self.app.components, started, runner)
        self.plan.arm(None)

    @precondition(lambda self: len(self.running) > 2)
    @rule(choice=CHOICES)
    def cancel(self, choice: int) -> None:
        cancel(self.app.components, [self.life.accepted[-1 - choice % len(self.life.accepted)]], "client")

    @precondition(lambda self: len(self.running) > 2)
    @rule(seconds=st.sampled_from([1, 10, 1000]))
    def time_passes(self, seconds: int) -> None:
        self.plan.clock_offset_s += seconds
        recovery.recover(self.app.components, "boss")

    @invariant()
    def no_two_run_that_count_as_the_same(self) -> None:
        running = [
            state.slot_key
            for status in (S.RUNNING, S.PAUSED)
            for state in self.app.orchestrator.find_states(status, limit=1000)
            if state.slot_key is not None
        ]
        assert max(Counter(running).values(), default=0) <= 1

    def teardown(self) -> None:
        settle(self.life, self.plan)
        let_zombie_finish(self.life)
        check(self.life, "random lives")
        Pynenc.discard(self.app.app_id)


RandomLives.TestCase.settings = settings(
    max_examples=300,
    stateful_step_count=50,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.timeout(300)
class TestRandomLives(RandomLives.TestCase):  # type: ignore[name-defined, misc]
    """Collected by pytest."""
