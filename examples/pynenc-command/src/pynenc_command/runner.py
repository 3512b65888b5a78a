"""The runner: each body in a process of its own, started by a command."""

from __future__ import annotations

import subprocess
from typing import ClassVar

from pynenc.conf.base_config import PynencConfig
from pynenc.exceptions import RunnerError
from pynenc.runner import BodyRunner, Work
from pynenc_command.settings import ConfigCommandRunner


class CommandRunner(BodyRunner):
    """Runs up to `max_commands` bodies at a time, each by `command`."""

    config_class: ClassVar[type[PynencConfig]] = ConfigCommandRunner
    conf: ConfigCommandRunner

    @property
    def slots(self) -> int:
        return max(self.conf.max_commands, self.conf.min_parallel_slots)

    def check(self) -> None:
        super().check()
        if self.conf.command and not self.conf.command[0].strip():
            raise RunnerError("the setting 'command' begins with an empty word; name a program first")

    def run_body(self, work: Work) -> None:
        command = self.conf.command or work.command
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        with work.ended_by(process.kill), process:
            assert process.stdin is not None
            assert process.stdout is not None
            work.converse(process.stdout, process.stdin)
