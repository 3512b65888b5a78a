"""Random operations of several runners, checked against what the promise says at every step."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pynenc import ConcurrencyControlType, Pynenc
from pynenc.identifiers.ids import new_id
from pynenc.invocation.status import InvocationStatus
from pynenc.orchestrator import recovery
from pynenc.orchestrator.cancellation import cancel
from pynenc.orchestrator.claim import Claim
from pynenc.orchestrator.claiming import claim, give_back
from pynenc.orchestrator.execution import advance, pause, resume, surrender
from pynenc.testing.crash_scenarios import QUEUES, Life
from pynenc.testing.crash_suite import check, let_zombie_finish, put_faulty, settle

S = InvocationStatus
RUNNERS = st.sampled_from(["r1", "r2", "r3"])
CHOICES = st.integers(0, 5)


class RandomLives(RuleBasedStateMachine):
    """Runners claim, start, end, pause, give back and die in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.app = Pynenc({"app_id": f"random-{new_id()}", "logging_level": "critical"})
        self.plan = put_faulty(self.app)
        self.life = Life(self.app)
        self.pending: dict[str, list[Claim]] = {}
        self.running: dict[str, list[Claim]] = {}
        self.tasks: list[Any] = []

    @initialize(mode=st.sampled_from(ConcurrencyControlType), waits=st.booleans())
    def define(self, mode: ConcurrencyControlType, waits: bool) -> None:
        keys = ("x",) if mode == ConcurrencyControlType.KEYS else ()
        options: dict[str, Any] = {"running_concurrency": mode, "key_arguments": keys}
        self.task = self.life.task(max_retries=9, reroute_on_concurrency_control=waits, **options)

    @rule(x=st.integers(0, 2), y=st.integers(0, 1))
    def submit(self, x: int, y: int) -> None:
        self.life.submit(self.task, x, y)

    @rule(runner=RUNNERS, limit=st.integers(1, 4))
    def claim(self, runner: str, limit: int) -> None:
        claims = claim(self.app.ports, runner, QUEUES, limit, 0)
        self.pending.setdefault(runner, []).extend(claims)

    def _one_of(self, claims: dict[str, list[Claim]], runner: str, choice: int) -> list[Claim]:
        held = claims.get(runner, [])
        return [held.pop(choice % len(held))] if held else []

    @rule(runner=RUNNERS, choice=CHOICES)
    def start(self, runner: str, choice: int) -> None:
        started = advance(self.app.ports, runner, [], self._one_of(self.pending, runner, choice)).started
        self.running.setdefault(runner, []).extend(started)
        self.life.held += started

    @rule(runner=RUNNERS, choice=CHOICES, status=st.sampled_from([S.SUCCESS, S.FAILED, S.RETRY]))
    def end(self, runner: str, choice: int, status: InvocationStatus) -> None:
        for each in self._one_of(self.running, runner, choice):
            advance(self.app.ports, runner, [self.life.finished(each, status)], [])

    @rule(runner=RUNNERS, choice=CHOICES)
    def pause_and_resume(self, runner: str, choice: int) -> None:
        held = self.running.get(runner, [])
        if held:
            paused = pause(self.app.ports, held[choice % len(held)], runner)
            if paused is not None:
                resume(self.app.ports, paused, runner)

    @rule(runner=RUNNERS, choice=CHOICES)
    def give_back(self, runner: str, choice: int) -> None:
        give_back(self.app.ports, self._one_of(self.pending, runner, choice), runner)

    @rule(runner=RUNNERS)
    def stop(self, runner: str) -> None:
        surrender(self.app.ports, self.running.pop(runner, []), runner)
        give_back(self.app.ports, self.pending.pop(runner, []), runner)

    @rule(runner=RUNNERS)
    def die(self, runner: str) -> None:
        """It is noticed at once, but what it held stays in hand: it may come back as a zombie."""
        recovery.recover_runners(self.app.ports, [runner], "boss")

    @rule(choice=CHOICES)
    def cancel(self, choice: int) -> None:
        if self.life.accepted:
            cancel(self.app.ports, [self.life.accepted[choice % len(self.life.accepted)]], "client")

    @rule()
    def time_passes(self) -> None:
        self.plan.clock_offset_s += 1000
        recovery.recover(self.app.ports, "boss")

    @invariant()
    def no_two_run_that_count_as_the_same(self) -> None:
        running = [
            state.slot_key
            for status in (S.RUNNING, S.PAUSED)
            for state in self.app.orchestrator.find(status, limit=1000)
            if state.slot_key is not None
        ]
        assert max(Counter(running).values(), default=0) <= 1

    def teardown(self) -> None:
        settle(self.life, self.plan)
        let_zombie_finish(self.life)
        check(self.life, "random lives")
        Pynenc.discard(self.app.app_id)


RandomLives.TestCase.settings = settings(
    max_examples=150,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.timeout(300)
class TestRandomLives(RandomLives.TestCase):  # type: ignore[name-defined, misc]
    """Collected by pytest."""
