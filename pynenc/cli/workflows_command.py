"""`pynenc workflows`: what runs for long, where it stands, and what it waits for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pynenc.app import Pynenc
from pynenc.cli.invocations_command import row_of
from pynenc.cli.options import as_json, limit_option, statuses_option
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


@workflows.command("list")
@click.option("--type", "workflow_type", help="Only those of this task, as module.function.")
@statuses_option
@click.option("--version", "code_version", help="Only those that began with this version of the code.")
@limit_option
@as_json
@click.pass_obj
def list_workflows(
    state: CliState,
    workflow_type: str | None,
    statuses: tuple[str, ...],
    code_version: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """Print workflows, newest first."""
    found = state.app().find_records(
        workflow_type, statuses or None, limit=limit, only_workflows=True, code_version=code_version
    )
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
    console().print(table if rows else "there are none")


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
