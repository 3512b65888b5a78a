"""Runners that execute nothing: the process only submits."""

from __future__ import annotations

from pynenc.context import external_runner
from pynenc.exceptions import RunnerError
from pynenc.plugins.component import ComponentContext
from pynenc.runner.base_runner import BaseRunner


class ExternalRunner(BaseRunner):
    """Stands for code outside of any runner; what it submits is recorded as submitted by it."""

    def __init__(self, context: ComponentContext) -> None:
        super().__init__(context)
        self.runner_context = external_runner()

    def check(self) -> None:
        raise RunnerError(
            f"{type(self).__name__} executes nothing. Set 'runner_cls' to ThreadRunner or "
            f"PersistentProcessRunner, for example PYNENC__RUNNER_CLS=ThreadRunner."
        )

    def execute(self) -> None:
        self.check()


class DummyRunner(ExternalRunner):
    """The default: this process only submits, runners elsewhere execute."""
