"""`pynenc workflows`: what runs for long, where it stands, and what it waits for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pynenc.app import Pynenc
from pynenc.cli.invocations_command import row_of
from pynenc.cli.options import (
    WORDS_WITH_DASHES,
    as_json,
    filter_options,
    limit_option,
    line_of,
    statuses_option,
)
from pynenc.cli.searching import print_found, searched
from pynenc.cli.state import CliState, PlainTable, console, json_object, moment, print_json
from pynenc.client.histories import export_history
from pynenc.client.workflow_names import stored_under
from pynenc.identifiers.texts import visible
from pynenc.lifecycle.parking import NEVER
from pynenc.logs import shown_arguments
from pynenc.state_backend.workflow_records import Step
from pynenc.workflow.journal import StoredJournal
from pynenc.workflow.waiting_operations import SLEEP, WAIT


@click.group()
def workflows() -> None:
    """Look at workflows, and send them events."""


@workflows.command("list", context_settings=WORDS_WITH_DASHES)
@click.argument("words", metavar="[SEARCH]...", nargs=-1)
@click.option("--type", "task", help="Only those of this task, as module.function; with * a pattern.")
@statuses_option
@filter_options("version", "since", "until", "error", "tag", "arg")
@limit_option
@click.option("--max-searched", type=click.IntRange(1), help="Look at so many at most.")
@as_json
@click.pass_obj
def list_workflows(
    state: CliState,
    /,
    words: tuple[str, ...],
    statuses: tuple[str, ...],
    limit: int,
    max_searched: int | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Print workflows, newest first; SEARCH is a line as for `pynenc invocations list`."""
    line = line_of([*words, "is:workflow"], statuses, given)
    found, page = searched(state.app(), line, limit, max_searched)
    rows = [row_of(data, record) for data, record in found]
    if as_json:
        print_json(rows)
        return
    table = PlainTable(
        "Workflow", "Type", "Status", "Created", "Version", "Waits for", box=None, pad_edge=False
    )
    for row in rows:
        waits_for = row["waits_for"] or ""
        version = row["code_version"] or ""
        cells = (row["invocation_id"], row["task"], row["status"], row["created_at"], version, waits_for)
        table.add_row(*cells)
    print_found(table, page)


@workflows.command("show")
@click.argument("workflow_id", metavar="ID")
@as_json
@click.pass_obj
def show(state: CliState, workflow_id: str, as_json: bool) -> None:
    """Print what a workflow has recorded, its values, and the events that were sent to it."""
    app = state.app()
    data, record = stored_under(app.components, workflow_id)
    workflow_id = data.invocation_id
    shown: dict[str, Any] = {
        **row_of(data, record),
        "data": shown_arguments(app.conf, app.workflow_data(workflow_id)),
        "events": [
            {"at": moment(event.at), "code": event.code, "payload": event.payload}
            for event in app.state_backend.find_events(workflow_id)
        ],
    }
    journal = StoredJournal(app.components, workflow_id, workflow_id, record.generation)
    steps: list[dict[str, Any]] = [
        {
            "at": moment(step.at),
            "branch": step.branch,
            "index": step.index,
            "kind": step.kind,
            "name": step.name,
            "value": _value(app, journal, step),
        }
        for step in journal.steps()
        if step.generation == record.generation
    ]
    if as_json:
        print_json({**shown, "steps": steps})
        return
    for name, value in shown.items():
        if value:
            console().print(visible(f"{name:<14} {value}"), markup=False)
    table = PlainTable("At", "Step", "Kind", "Name", "Value", box=None, pad_edge=False)
    for step in steps:
        where = f"{step['branch']}:{step['index']}" if step["branch"] else str(step["index"])
        table.add_row(step["at"], where, step["kind"], step["name"], step["value"])
    console().print(table if steps else "nothing is recorded")


def _value(app: Pynenc, journal: StoredJournal, step: Step) -> str:
    value = journal.value(step)
    if step.is_error:
        return f"{type(value).__name__}: {value}"
    if step.kind in (SLEEP, WAIT):
        return f"until {moment(value)}" if value < NEVER else "without a limit"
    return shown_arguments(app.conf, {"value": value}).removeprefix("value=")


@workflows.command("send")
@click.argument("workflow_id", metavar="ID")
@click.argument("code")
@click.option("--payload", help="JSON object: what the event carries.")
@click.option("--event-id", help="Its id; the same one counts once.")
@click.pass_obj
def send(state: CliState, workflow_id: str, code: str, payload: str | None, event_id: str | None) -> None:
    """Send an event to a workflow; prints the id of the event."""
    carried = json_object("payload", payload)
    click.echo(state.app().send_event(workflow_id, code, carried, event_id))


@workflows.command("retry")
@click.argument("workflow_id", metavar="ID")
@click.option("--from-step", help="The first step, or task of a child, that is done again.")
@click.pass_obj
def retry(state: CliState, workflow_id: str, from_step: str | None) -> None:
    """Go on with a workflow from what it has recorded; prints the id of the new one.

    One that is blocked because no code fits its record is tried again at once and keeps its id.
    """
    click.echo(state.app().retry_invocation(workflow_id, from_step).invocation_id)


@workflows.command("query")
@click.argument("workflow_id", metavar="ID")
@click.argument("name")
@click.option("--arguments", help="JSON object: the arguments of the query, by name.")
@click.pass_obj
def query(state: CliState, workflow_id: str, name: str, arguments: str | None) -> None:
    """Ask a workflow something that its code answers from what is recorded; prints the answer as JSON."""
    given = json_object("arguments", arguments) or {}
    print_json(state.app().query_workflow(workflow_id, name, **given))


@workflows.command("update")
@click.argument("workflow_id", metavar="ID")
@click.argument("code")
@click.option("--payload", help="JSON object: what the update carries.")
@click.option("--update-id", help="Its id; the same one is answered once.")
@click.option(
    "--timeout", type=float, default=30.0, show_default=True, help="Seconds to wait for the answer."
)
@click.pass_obj
def update(
    state: CliState, workflow_id: str, code: str, payload: str | None, update_id: str | None, timeout: float
) -> None:
    """Send a workflow an update, wait for its answer, and print that as JSON."""
    carried = json_object("payload", payload)
    print_json(state.app().update_workflow(workflow_id, code, carried, update_id, timeout))


@workflows.command("export")
@click.argument("workflow_id", metavar="ID")
@click.option("--output", type=click.Path(dir_okay=False, writable=True), help="Where to write it.")
@click.pass_obj
def export(state: CliState, workflow_id: str, output: str | None) -> None:
    """Write all that a workflow has recorded as JSON, for `pynenc.testing.assert_replays`.

    Large values are written out, and nothing is encrypted in it.
    """
    text = export_history(state.app().components, workflow_id)
    if output is None:
        click.echo(text, nl=False)
    else:
        Path(output).write_text(text, encoding="utf-8")
