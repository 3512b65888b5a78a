"""Entry point of the command line.

Exit codes: 0 all is well, 1 the command could not do its work or found a problem, 2 it was
called wrongly.
"""

from __future__ import annotations

import difflib
import sys
from itertools import islice

import click
from rich.console import Console

from pynenc.cli import (
    actions_command,
    alerts_command,
    certify_command,
    config_command,
    demo_command,
    doctor_command,
    failures_command,
    invocations_command,
    logs_command,
    metrics_command,
    monitor_command,
    new_command,
    plugins_command,
    queue_command,
    runner_command,
    schedules_command,
    status_command,
    triggers_command,
    workflows_command,
)
from pynenc.cli.state import CliState
from pynenc.exceptions import PynencError
from pynenc.plugins.registry import import_object, plugin_registry
from pynenc.runner.leaving import leave_in_time

_ELSEWHERE = {
    "worker": "runner start",
    "beat": "runner start",
    "start": "runner start",
    "run": "runner start",
    "dev": "runner start",
    "inspect": "invocations list",
    "tasks": "invocations list",
    "purge": "queue purge",
    "events": "triggers list",
    "check": "doctor",
}
"""Commands of other frameworks, and ours."""


class _Commands(click.Group):
    """The core's commands and those of plugins, which are imported when they are called."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, _app_first(args))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0] if args else ""
        if name and self.get_command(ctx, name) is None:
            near = difflib.get_close_matches(name, self.list_commands(ctx), n=1)
            ours = _ELSEWHERE.get(name) or (near[0] if near else None)
            if ours is not None:
                app = ctx.params.get("app_name")
                line = f"pynenc {f'--app {app} ' if app else ''}{ours}"
                ctx.fail(f"there is no command '{name}'; what you want may be: {line}")
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *plugin_registry().commands()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        offered = plugin_registry().commands().get(cmd_name)
        if offered is None:
            return None
        found = import_object(offered.import_path)
        return found if isinstance(found, click.Command) else None


def _app_first(args: list[str]) -> list[str]:
    """Put the option that names the app before the command, wherever it was written."""
    first: list[str] = []
    rest: list[str] = []
    given = iter(args)
    for each in given:
        if each == "--":
            rest += [each, *given]
        elif each in ("--app", "-A"):
            first += [each, *islice(given, 1)]
        elif each.startswith("--app="):
            first.append(each)
        else:
            rest.append(each)
    return first + rest


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--app",
    "-A",
    "app_name",
    metavar="APP",
    help="module.app, module:app, a package or file.py; not needed with one app in the folder and the "
    "packages below it, or with 'app' in [tool.pynenc] of pyproject.toml.",
)
@click.option("-v", "--verbose", is_flag=True, help="Log everything, and show tracebacks of errors.")
@click.version_option(package_name="pynenc")
@click.pass_context
def cli(context: click.Context, app_name: str | None, verbose: bool) -> None:
    """pynenc: distributed tasks for Python."""
    context.obj = CliState(app_name, verbose)


cli.add_command(runner_command.runner)
cli.add_command(config_command.config)
cli.add_command(config_command.show_config)
cli.add_command(plugins_command.plugins)
cli.add_command(status_command.status)
cli.add_command(invocations_command.invocations)
cli.add_command(actions_command.actions)
cli.add_command(alerts_command.alerts)
cli.add_command(failures_command.failure_groups)
cli.add_command(logs_command.logs)
cli.add_command(metrics_command.metrics)
cli.add_command(monitor_command.monitor)
cli.add_command(queue_command.queue)
cli.add_command(triggers_command.triggers)
cli.add_command(schedules_command.schedules)
cli.add_command(workflows_command.workflows)
cli.add_command(new_command.new)
cli.add_command(certify_command.certify)
cli.add_command(doctor_command.doctor)
cli.add_command(demo_command.demo)


def main() -> None:
    """Run the command line; an error of ours is one line, with its traceback only on request."""
    code: str | int | None = 1
    try:
        cli.main(prog_name="pynenc")
    except SystemExit as leaving:
        code = leaving.code
        raise
    except PynencError as error:
        if {"-v", "--verbose"} & set(sys.argv):
            raise
        Console(stderr=True).print(f"[red]error:[/red] {type(error).__name__}: ", end="")
        Console(stderr=True, markup=False, highlight=False, soft_wrap=True).print(str(error))
        sys.exit(1)
    finally:
        leave_in_time(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    main()
