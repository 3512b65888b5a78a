"""Options that several commands share."""

from __future__ import annotations

import click

from pynenc.invocation.status import InvocationStatus

statuses_option = click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice([status.value for status in InvocationStatus], case_sensitive=False),
    help="Only those with this status; may be given several times.",
)
limit_option = click.option(
    "--limit", type=click.IntRange(1), default=20, show_default=True, help="Most to print."
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
