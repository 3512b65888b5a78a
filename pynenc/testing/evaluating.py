"""Evaluation of triggers at the command of a test, in place of a runner's thread."""

from __future__ import annotations

from pynenc.app import Pynenc
from pynenc.client.trigger_starts import firing_of
from pynenc.scheduler.catalog import TriggerCatalog
from pynenc.scheduler.evaluator import Evaluator
from pynenc.scheduler.ticker import Ticker
from pynenc.task import Task
from pynenc.trigger.records import RunState, TriggerRun


class Evaluating:
    """The evaluation of triggers by one runner; several may take turns.

    Args:
        app: Whose triggers.
        runner_id: Who evaluates.
    """

    def __init__(self, app: Pynenc, runner_id: str = "r1") -> None:
        self.catalog = TriggerCatalog(lambda: app.trigger, app.task_registry)
        self.firing = firing_of(app)
        self.evaluator = Evaluator(app.trigger, app.components, self.catalog, self.firing, runner_id)
        self.ticker = Ticker(app.trigger, self.catalog, self.firing)

    def work(self) -> float | None:
        """Fire what is due and evaluate what is open; in how many seconds the next look is due."""
        self.catalog.refresh()
        until_tick = self.ticker.tick()
        until_recheck = self.evaluator.evaluate()
        self.evaluator.close()  # others take turns with this one
        waits = [each for each in (until_tick, until_recheck) if each is not None]
        return min(waits) if waits else None


def fired(app: Pynenc, task: Task[..., object]) -> list[TriggerRun]:
    """Return the runs that have started a task, oldest first."""
    runs = app.trigger.find_runs(limit=10_000)
    return [run for run in reversed(runs) if run.task_id == task.task_id.key and run.state == RunState.FIRED]
