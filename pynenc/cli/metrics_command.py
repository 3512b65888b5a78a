"""`pynenc metrics`: the figures of an app."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import click

from pynenc.cli.options import Span
from pynenc.cli.state import CliState, PlainTable, console, print_json
from pynenc.identifiers.texts import visible
from pynenc.metrics.exposition import metrics_text
from pynenc.metrics.history import Activity
from pynenc.plugins.registry import CORE_DISTRIBUTION, version_of


@click.command()
@click.option("--history", "is_history", is_flag=True, help="What was done in each step of a time.")
@click.option("--since", type=Span(), help="How far the history goes back; by default 1h.")
@click.option("--step", type=Span(), help="The length of its steps; by default a thirtieth of the time.")
@click.option("--task", help="Only this task.")
@click.option("--json", "as_json", is_flag=True, help="Print the history for scripts.")
@click.pass_obj
def metrics(
    state: CliState,
    is_history: bool,
    since: timedelta | None,
    step: timedelta | None,
    task: str | None,
    as_json: bool,
) -> None:
    """Print the figures of the app in the text format of Prometheus, for example for a textfile collector."""
    app = state.app()
    if not is_history:
        if as_json or task or step or since:
            raise click.UsageError("--since, --step, --task and --json belong to --history")
        click.echo(metrics_text(app.components, version_of(CORE_DISTRIBUTION)), nl=False)
        return
    since = since or timedelta(hours=1)
    step = step or max(timedelta(minutes=1), timedelta(minutes=-(-since // timedelta(minutes=30))))
    try:
        points = app.history(since, step=step, task=task)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if as_json:
        print_json([asdict(each) for each in points])
        return
    if task is not None and not any(each.submitted or each.started or each.ended for each in points):
        click.echo(f"nothing was counted of a task '{visible(task)}' in this time", err=True)
    table = PlainTable(
        "from", "submitted", "started", "succeeded", "failed", "retried", "mean run", "p95 run"
    )
    for each in points:
        table.add_row(*_cells(each))
    console().print(table)


def _cells(point: Activity) -> list[str]:
    numbers = (point.submitted, point.started, point.succeeded, point.failed, point.retried)
    return [
        datetime.fromtimestamp(point.begun, UTC).strftime("%Y-%m-%d %H:%M:%S"),
        *(f"{number:,}" for number in numbers),
        *("-" if each is None else f"{each:.3g} s" for each in (point.run_s, point.run_p95_s)),
    ]
