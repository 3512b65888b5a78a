"""Stretches of an invocation's life that the crash-point suite interrupts everywhere.

Each is a function of a `Life`. What the doomed runner `r1` does is done through the app; where
a second runner takes part, it acts between the steps of the first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pynenc.app import Pynenc
from pynenc.conf.config_task import ConcurrencyControlType
from pynenc.invocation.claim import Claim
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle import recovery, retention
from pynenc.lifecycle.cancellation import cancel
from pynenc.lifecycle.claiming import claim, claim_awaited, hand_back_claimed
from pynenc.lifecycle.execution import Finished, finish_and_start, hand_back_running, pause, resume
from pynenc.lifecycle.value_retention import large_values
from pynenc.task import Task
from pynenc.testing import kit_functions
from pynenc.testing.faulty_storage import CrashPlan

_S = InvocationStatus
QUEUES = ["default"]


@dataclass
class Life:
    """The app and the plan that a scenario works with, and what it leaves for the checks.

    Attributes:
        app: The app.
        plan: When its storages die, and what their clock says.
        accepted: Ids of the invocations whose submission came back.
        held: Claims that the doomed runner had in hand; a zombie may try to finish them.
    """

    app: Pynenc
    plan: CrashPlan
    accepted: list[str] = field(default_factory=list)
    held: list[Claim] = field(default_factory=list)

    def task(self, **options: Any) -> Task[..., Any]:
        """Return a task that adds two numbers."""
        return self.app.task(kit_functions.add, **options)

    def submit(self, task: Task[..., Any], *args: Any) -> str:
        """Submit, and note that it was accepted."""
        invocation_id = task(*args).invocation_id
        self.accepted.append(invocation_id)
        return invocation_id

    def claim(self, runner_id: str = "r1", limit: int = 10) -> list[Claim]:
        """Claim what is queued."""
        claims = claim(self.app.components, runner_id, QUEUES, limit, 0)
        self.held += claims
        return claims

    def start(self, claims: list[Claim], runner_id: str = "r1") -> list[Claim]:
        """Start claims."""
        started = finish_and_start(self.app.components, runner_id, [], claims).started
        self.held += started
        return started

    def end(self, claims: list[Claim], status: InvocationStatus = _S.SUCCESS, runner_id: str = "r1") -> None:
        """End claims, with a result that names who ran them."""
        finished = [self.finished(each, status) for each in claims]
        finish_and_start(self.app.components, runner_id, finished, [])

    def finished(self, each: Claim, status: InvocationStatus = _S.SUCCESS, padding: int = 0) -> Finished:
        """Return the end of a claim, with a payload that names who ran it and when, and some spaces."""
        values = self.app.components.values
        name = f"{each.state.runner_id}:{each.state.claim}" + " " * padding
        payload = values.pack_error(ValueError(name)) if status == _S.FAILED else values.pack_result(name)
        return Finished(each, status, payload)


def submit_one(life: Life) -> None:
    """A single submission."""
    life.submit(life.task(), 1)


def submit_many(life: Life) -> None:
    """A group with large shared arguments."""
    task = life.app.task(kit_functions.size_of)
    group = task.parallelize([{"at": at} for at in range(3)], {"data": "x" * 5000})
    life.accepted += [each.invocation_id for each in group]


def delete_large_values(life: Life) -> None:
    """A large argument of two calls and the large result of one, which is purged before the other ends."""
    task = life.app.task(kit_functions.size_of)
    for at in range(2):
        life.submit(task, "x" * 5000, at)
    first, second = life.start(life.claim())
    finish_and_start(life.app.components, "r1", [life.finished(first, padding=5000)], [])
    life.accepted.remove(first.state.invocation_id)
    life.plan.clock_offset_s += 86400.0
    now = life.app.orchestrator.now()
    retention.purge_ended(life.app.components, now)
    for _ in large_values(life.app.components, now, again_after_s=1.0):
        pass
    finish_and_start(life.app.components, "r1", [life.finished(second, padding=5000)], [])


def run_one(life: Life) -> None:
    """Submit, claim, start, finish."""
    life.submit(life.task(), 1)
    life.end(life.start(life.claim()))


def run_chained(life: Life) -> None:
    """The end of one goes out with the start of the next."""
    task = life.task()
    for number in range(3):
        life.submit(task, number)
    finished: list[Finished] = []
    for each in life.claim():
        started = finish_and_start(life.app.components, "r1", finished, [each]).started
        life.held += started
        finished = [life.finished(one) for one in started]
    finish_and_start(life.app.components, "r1", finished, [])


def fail_one(life: Life) -> None:
    """A body that raises."""
    life.submit(life.task(), 1)
    life.end(life.start(life.claim()), _S.FAILED)


def retry_one(life: Life) -> None:
    """A body that asks for another run, and gets it."""
    life.submit(life.task(max_retries=2), 1)
    life.end(life.start(life.claim()), _S.RETRY)
    life.end(life.start(life.claim()))


def pause_and_resume(life: Life) -> None:
    """Let one wait for another, which is claimed past its queue."""
    task = life.task()
    life.submit(task, 1)
    (outer,) = life.start(life.claim())
    awaited = life.submit(task, 2)
    paused = pause(life.app.components, outer, "r1")
    inner = life.start(claim_awaited(life.app.components, "r1", [awaited], 1))
    life.end(inner)
    if paused is not None:
        resume(life.app.components, paused, "r1")
    life.end([outer])


def give_back_claims(life: Life) -> None:
    """Hand back what was claimed and not started."""
    task = life.task()
    for number in range(2):
        life.submit(task, number)
    hand_back_claimed(life.app.components, life.claim(), "r1")


def hand_back_at_stop(life: Life) -> None:
    """A stop while a body runs."""
    life.submit(life.task(), 1)
    hand_back_running(life.app.components, life.start(life.claim()), "r1")


def recover_dead(life: Life) -> None:
    """Recovery itself is interrupted."""
    task = life.task()
    for number in range(3):
        life.submit(task, number)
    first, second, _ = life.claim("r0")
    life.start([first], "r0")
    pause(life.app.components, life.start([second], "r0")[0], "r0")
    recovery.recover_runners(life.app.components, ["r0"], "r1")


def give_up(life: Life) -> None:
    """An invocation that takes down every runner."""
    life.app.conf.max_recoveries = 0
    life.submit(life.task(), 1)
    life.start(life.claim("r0"), "r0")
    recovery.recover_runners(life.app.components, ["r0"], "r1")


def blocked_in_line(life: Life) -> None:
    """Three need one slot: blocked, released, handed on."""
    task = life.task(running_concurrency=ConcurrencyControlType.TASK, reroute_on_concurrency_control=True)
    for number in range(3):
        life.submit(task, number)
    for _ in range(3):
        life.end(life.start(life.claim()))


def blocked_by_another(life: Life) -> None:
    """Block one runner by the other, which finishes meanwhile."""
    task = life.task(running_concurrency=ConcurrencyControlType.TASK, reroute_on_concurrency_control=True)
    life.submit(task, 1)
    running = life.start(life.claim("r0"), "r0")
    life.submit(task, 2)
    life.claim("r1")
    life.end(running, runner_id="r0")
    life.end(life.start(life.claim("r1")))


def blocked_for_good(life: Life) -> None:
    """Blocked invocations end where they may not wait."""
    task = life.task(running_concurrency=ConcurrencyControlType.ARGUMENTS)
    for _ in range(2):
        life.submit(task, 1)
    life.end(life.start(life.claim()))


def slot_given_back(life: Life) -> None:
    """A holder asks for another run; the next in line goes first."""
    task = life.task(
        max_retries=1,
        running_concurrency=ConcurrencyControlType.TASK,
        reroute_on_concurrency_control=True,
    )
    life.submit(task, 1)
    life.submit(task, 2)
    life.end(life.start(life.claim()), _S.RETRY)
    life.end(life.start(life.claim()))


def register_equal(life: Life) -> None:
    """Equal calls find each other, also after the first has been claimed."""
    task = life.task(registration_concurrency=ConcurrencyControlType.TASK)
    life.submit(task, 1)
    life.submit(task, 1)
    claims = life.claim()
    life.submit(task, 2)
    life.end(life.start(claims))


def cache_results(life: Life) -> None:
    """The result of a call is found by the next."""
    task = life.task(call_result_cache=True)
    life.submit(task, 1)
    life.end(life.start(life.claim()))
    life.submit(task, 1)


def cancel_waiting(life: Life) -> None:
    """Cancel a waiting invocation."""
    task = life.task()
    first, second = life.submit(task, 1), life.submit(task, 2)
    cancel(life.app.components, [first, second], "client")


def cancel_running(life: Life) -> None:
    """Cancel a running invocation, which its owner then ends."""
    invocation_id = life.submit(life.task(), 1)
    started = life.start(life.claim())
    cancel(life.app.components, [invocation_id], "client")
    life.end(started, _S.CANCELLED)


def cancel_what_a_dead_runner_had(life: Life) -> None:
    """Cancel an invocation whose owner is gone."""
    task = life.task()
    ids = [life.submit(task, number) for number in range(2)]
    life.start(life.claim("r0")[:1], "r0")
    cancel(life.app.components, ids, "client")
    recovery.recover_runners(life.app.components, ["r0"], "r1")


def cancel_in_line(life: Life) -> None:
    """The next in line is cancelled, before and after the slot is kept for it."""
    task = life.task(running_concurrency=ConcurrencyControlType.TASK, reroute_on_concurrency_control=True)
    first, second, third, _ = (life.submit(task, number) for number in range(4))
    started = life.start(life.claim())
    cancel(life.app.components, [second], "client")
    life.end(started)
    cancel(life.app.components, [first, third], "client")
    life.end(life.start(life.claim()))


def purge_ended(life: Life) -> None:
    """Ended invocations are deleted."""
    task = life.task(running_concurrency=ConcurrencyControlType.TASK)
    life.submit(task, 1)
    life.end(life.start(life.claim()))
    life.accepted.clear()
    retention.purge_ended(life.app.components, life.app.orchestrator.now() + 60)


SCENARIOS: list[Callable[[Life], None]] = [
    submit_one,
    submit_many,
    delete_large_values,
    run_one,
    run_chained,
    fail_one,
    retry_one,
    pause_and_resume,
    give_back_claims,
    hand_back_at_stop,
    recover_dead,
    give_up,
    blocked_in_line,
    blocked_by_another,
    blocked_for_good,
    slot_given_back,
    register_equal,
    cache_results,
    cancel_waiting,
    cancel_running,
    cancel_what_a_dead_runner_had,
    cancel_in_line,
    purge_ended,
]

LEAVE_MUCH = {submit_many, delete_large_values, blocked_in_line, register_equal, cache_results, purge_ended}
"""The scenarios after which the suite also checks that nothing is left once nothing is needed."""
