"""`pynenc runner`: start a runner, or ask one to claim nothing more."""

from __future__ import annotations

from collections.abc import Callable

import click

from pynenc.actions.audit import Deed
from pynenc.application.serving import select_executing
from pynenc.cli.auditing import traced
from pynenc.cli.state import CliState
from pynenc.lifecycle import draining
from pynenc.lifecycle.components import Components
from pynenc.logs import log_everything
from pynenc.plugins.kinds import ComponentKind
from pynenc.plugins.registry import plugin_registry


@click.group()
def runner() -> None:
    """Execute invocations."""


@runner.command()
@click.option("--runner", "runner_name", metavar="NAME", help="Class name or alias; overrides the settings.")
@click.option(
    "--queue", "queues", multiple=True, help="Queue to consume; repeat it for several, most important first."
)
@click.option(
    "--health-port", type=click.IntRange(0, 65535), help="Answer probes there: GET /healthz and /readyz."
)
@click.option("--health-host", help="Address of the health port; 127.0.0.1 if it is not given.")
@click.option("--health-file", help="Keep the health in this file, as a line of JSON.")
@click.pass_obj
def start(
    state: CliState,
    runner_name: str | None,
    queues: tuple[str, ...],
    health_port: int | None,
    health_host: str | None,
    health_file: str | None,
) -> None:
    """Start the runner that the settings select, until SIGTERM or SIGINT.

    The first signal lets running invocations finish within shutdown_grace_seconds and hands the
    rest back; a second one hands them back at once.
    """
    app = state.app()
    if runner_name is not None:
        plugin_registry().find(ComponentKind.RUNNER, runner_name)
        app.conf.runner_cls = runner_name
    else:
        select_executing(app)
    log_everything(app.conf)
    if app.serving.is_all_in_memory:
        app.logger.warning(
            "the components of app '%s' are in the memory of this process, so this runner sees nothing that "
            "other processes submit: set 'backend', for example PYNENC__BACKEND=sqlite",
            app.app_id,
        )
    runner_of_app = app.runner
    given = {
        "queues": queues,
        "health_port": health_port,
        "health_host": health_host,
        "health_file": health_file,
    }
    for name, value in given.items():
        if value not in (None, ()):
            setattr(runner_of_app.conf, name, value)
    runner_of_app.run()


_ID = click.argument("runner_id", metavar="ID")


@runner.command()
@_ID
@click.pass_obj
def drain(state: CliState, runner_id: str) -> None:
    """Ask a live runner to claim nothing more. What it runs is finished, and it stays alive.

    ID is its id or the end of it. Its worker processes follow, also those that it starts later.
    """
    words = "it claims nothing more", "it drains already"
    _asked(state, "drain", runner_id, draining.drain, words)


@runner.command()
@_ID
@click.pass_obj
def undrain(state: CliState, runner_id: str) -> None:
    """Ask a runner that drains to claim again."""
    words = "it claims again", "it does not drain"
    _asked(state, "undrain", runner_id, draining.undrain, words)


def _asked(
    state: CliState,
    word: str,
    runner_id: str,
    act: Callable[[Components, str], bool],
    words: tuple[str, str],
) -> None:
    app = state.app()
    deed = Deed(word, runner_id)
    click.echo(traced(app, deed, lambda _: words[0] if act(app.components, runner_id) else words[1]))
