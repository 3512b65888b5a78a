"""The base of runners that have each body run in a process of its own, wherever that is."""

from __future__ import annotations

from abc import abstractmethod

from pynenc.plugins.component import ComponentContext
from pynenc.runner.engine import Engine
from pynenc.runner.engine_runner import EngineRunner, Executes
from pynenc.runner.work import Elsewhere, Work


class BodyRunner(EngineRunner):
    """Claims, watches and ends invocations, and leaves to `run_body` where their bodies run.

    A body runs in a process that `run_body` starts: by a command, in a container, or on another machine.
    If that process is gone before the body has ended, the invocation is taken back and run again, as
    after the crash of a worker. If the body could not even begin, it is handed back, after a pause that
    grows up to 15 seconds, for as long as it takes. A body that does not end when it is asked to is ended
    by what `Work.ended_by` was given.
    """

    ends_by_force = True

    @property
    @abstractmethod
    def slots(self) -> int:
        """The number of bodies that run at the same time."""

    @abstractmethod
    def run_body(self, work: Work) -> None:
        """Run one body, and return when its process has ended; it is called in a thread for each slot.

        Args:
            work: The body, with which the process converses.
        """

    def __init__(self, context: ComponentContext) -> None:
        super().__init__(context)
        self._elsewhere: Elsewhere | None = None

    @property
    def capacity(self) -> str:
        return f"up to {self.slots} process(es) at a time"

    def check(self) -> None:
        self.require_shared_components()

    def make_engine(self) -> Executes:
        self._elsewhere = elsewhere = Elsewhere(self.app, self.runner_context, self.run_body)
        return Engine(self.app, self.runner_context, self.conf, self.slots, elsewhere=elsewhere)

    def wake(self) -> None:
        if self._elsewhere is not None:
            self._elsewhere.leave()

    def execute(self) -> None:
        super().execute()
        if self._elsewhere is not None:  # what was handed back
            self._elsewhere.end_all()
