"""`pynenc runner`: start a runner."""

from __future__ import annotations

import click

from pynenc.application.serving import select_executing
from pynenc.cli.state import CliState
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
