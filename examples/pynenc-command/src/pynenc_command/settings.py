"""Settings of the runner."""

from __future__ import annotations

from pydantic import Field

from pynenc.builder import PynencBuilder
from pynenc.conf.config_runner import ConfigRunner


class ConfigCommandRunner(ConfigRunner):
    """By which command bodies run, and how many at a time."""

    command: tuple[str, ...] = Field(
        (), description="The command and its arguments; empty for the Python of the runner."
    )
    max_commands: int = Field(2, ge=1, description="Bodies that run at the same time.")


def command_runner(builder: PynencBuilder, *command: str, max_commands: int | None = None) -> None:
    """Run each body by a command."""
    builder.custom_config(runner_cls="CommandRunner")
    builder.section("runner", command=command or None, max_commands=max_commands)
