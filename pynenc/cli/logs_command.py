"""`pynenc logs`: what runners have logged."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click
import msgspec

from pynenc.app import Pynenc
from pynenc.cli.options import Span, limit_option
from pynenc.cli.options import as_json as json_option
from pynenc.cli.state import CliState, print_json
from pynenc.identifiers.texts import storable, visible


@click.command()
@click.argument("invocation", metavar="[ID]", required=False)
@click.option("--since", type=Span(), help="Only what was logged within this span, such as 2h.")
@limit_option
@json_option
@click.pass_obj
def logs(state: CliState, invocation: str | None, since: timedelta | None, limit: int, as_json: bool) -> None:
    """Print the latest warnings and errors of runners, or those about one invocation."""
    app = state.app()
    begin = datetime.now(UTC) - since if since is not None else None
    lines = app.logs(invocation, min(limit, 1_000_000), begin)
    if as_json:
        print_json([msgspec.structs.asdict(each) for each in lines])
        return
    for each in lines:
        moment = datetime.fromtimestamp(each.at, UTC).strftime("%Y-%m-%d %H:%M:%S")
        about = f" [invocation {each.invocation_id}]" if each.invocation_id and invocation is None else ""
        click.echo(f"{moment} {each.level.upper():<8} {visible(each.logger)}{about} {visible(each.text)}")
    if not lines:
        if invocation is not None and not _is_known(app, invocation):
            raise click.ClickException(
                f"no invocation '{visible(invocation)}' is stored; its whole id is asked for"
            )
        kept = f"from level {app.conf.store_logs.value} on, for {app.conf.log_hours:g} h"
        click.echo(f"no line is kept ({kept}, except in a flood)")


def _is_known(app: Pynenc, invocation: str) -> bool:
    return app.state_backend.read_invocations([storable(invocation)])[0] is not None
