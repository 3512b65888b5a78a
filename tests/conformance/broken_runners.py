"""Runners that break one promise each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pynenc.runner.engine import Engine
from pynenc.runner.engine_runner import Executes
from pynenc.runner.thread_runner import ThreadRunner


class _KeepsItsSlot(Engine):
    @contextmanager
    def waiting(self, invocation_ids: Sequence[str]) -> Iterator[None]:
        yield


class _ClaimsOn(Engine):
    def drain(self, is_draining: bool) -> None:
        pass


class _ForgetsTimes(Engine):
    def look_after(self, may_be_cancelled: bool) -> float | None:
        return None


class WaitsInItsSlot(ThreadRunner):
    """Does not give up the slot of a body that waits."""

    def make_engine(self) -> Executes:
        return _KeepsItsSlot(self.app, self.runner_context, self.conf, self.slots)


class IgnoresDraining(ThreadRunner):
    """Goes on claiming when it is asked to drain."""

    def make_engine(self) -> Executes:
        return _ClaimsOn(self.app, self.runner_context, self.conf, self.slots)


class LooksAfterNothing(ThreadRunner):
    """Looks after nothing that runs."""

    def make_engine(self) -> Executes:
        return _ForgetsTimes(self.app, self.runner_context, self.conf, self.slots)


class RunsOneMore(ThreadRunner):
    """Has more slots than it says."""

    def make_engine(self) -> Executes:
        return Engine(self.app, self.runner_context, self.conf, self.slots + 1)


class RunsOneAtATime(ThreadRunner):
    """Has fewer slots than it says."""

    def make_engine(self) -> Executes:
        return Engine(self.app, self.runner_context, self.conf, 1)


class KeepsHouseBadly(ThreadRunner):
    """Starts neither housekeeping nor triggers."""

    def execute(self) -> None:
        engine = self.make_engine()
        engine.start()
        self._stopping.wait()
        engine.stop(self.conf.shutdown_grace_seconds, self._hurry)


class StaysStopped(ThreadRunner):
    """Runs once, and never again."""

    def execute(self) -> None:
        if getattr(self, "_has_run", False):
            return
        self._has_run = True
        super().execute()


BROKEN: dict[type[ThreadRunner], tuple[str, str]] = {
    WaitsInItsSlot: ("takes_no_slot", "bodies may wait for others to any depth"),
    IgnoresDraining: ("drains", "goes on claiming"),
    LooksAfterNothing: ("timeouts", "a body whose time is over ends"),
    RunsOneMore: ("no_more_run", "no more bodies run than there are slots"),
    RunsOneAtATime: ("as_many", "two slots run two bodies at the same time"),
    KeepsHouseBadly: ("housekeeping", "starts what triggers start"),
    StaysStopped: ("run_again", "a runner that has stopped can run again"),
}
"""The runners, which test of the kit catches them, and what it says."""
