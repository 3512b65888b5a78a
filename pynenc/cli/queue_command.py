"""`pynenc queue`: what waits."""

from __future__ import annotations

import sys

import click
import msgspec

from pynenc.actions.audit import Deed
from pynenc.cli.auditing import traced
from pynenc.cli.options import as_json
from pynenc.cli.state import CliState, PlainTable, console, print_json


@click.group()
def queue() -> None:
    """Look at queues, or empty them."""


@queue.command("depth")
@as_json
@click.pass_obj
def depth(state: CliState, as_json: bool) -> None:
    """Print how many messages each queue holds: ready, and waiting for their time or their lease."""
    broker = state.app().broker
    depths = broker.depth(broker.queues())
    if as_json:
        print_json({name: msgspec.structs.asdict(each) for name, each in depths.items()})
        return
    table = PlainTable("Queue", "Ready", "Waiting", box=None, pad_edge=False)
    for name, each in depths.items():
        table.add_row(name, str(each.ready), str(each.waiting))
    console().print(table if depths else "all queues are empty")


@queue.command("purge")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def purge(state: CliState, yes: bool) -> None:
    """Delete all messages of the app.

    The invocations stay. Housekeeping of a runner queues those again that can still be run;
    cancel them first if they are not to run.
    """
    app = state.app()
    if not yes and not click.confirm(f"Delete all messages of the app '{app.app_id}'?"):
        sys.exit(1)

    def act(_: str) -> str:
        app.broker.purge()
        return f"the queues of '{app.app_id}' are empty"

    click.echo(traced(app, Deed("purge messages", "all queues"), act))
