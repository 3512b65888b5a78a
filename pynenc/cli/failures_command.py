"""`pynenc failures`: what fails, in groups."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import click
import msgspec

from pynenc.actions.audit import Deed
from pynenc.cli.auditing import traced
from pynenc.cli.options import Span, as_json, limit_option
from pynenc.cli.state import CliState, PlainTable, console, moment, print_json
from pynenc.explaining.findings import one_line
from pynenc.identifiers.texts import bare_name, storable, visible
from pynenc.lifecycle.components import Components
from pynenc.lifecycle.failures import decide, samples_of
from pynenc.metrics.failures import GroupActivity, failures, with_counts
from pynenc.recording.failures import shape_of
from pynenc.state_backend.failure_records import FailureGroup, FailureState

_NOTE = click.option("--note", default="", help="Why, for those who look later.")


@click.group("failures")
def failure_groups() -> None:
    """Show what fails, in groups, and note what was decided about them."""


@failure_groups.command("list")
@click.option("--since", type=Span(), default="24h", show_default=True, help="How far back to look.")
@click.option("--all", "with_decided", is_flag=True, help="Also those that are muted or resolved.")
@limit_option
@as_json
@click.pass_obj
def show(state: CliState, since: timedelta, with_decided: bool, limit: int, as_json: bool) -> None:
    """List the groups of failures, those that failed last first."""
    components = state.app().components
    seconds = since.total_seconds()
    found = failures(components, seconds, min(limit, 1000), with_decided)
    if as_json:
        print_json([_row(each) for each in found])
        return
    table = PlainTable("Group", "Error", "Task", "Place", "Count", "Last", "", box=None, pad_edge=False)
    for each in found:
        group = each.group
        marks = _mark(each, components.now() - seconds)
        error = one_line(f"{bare_name(group.type_name)}: {shape_of(group.message)}")
        last = moment(group.last_at)
        table.add_row(group.group_id, error, group.task_id, group.place, str(each.count), last, marks)
    console().print(table if found else f"nothing has failed in the last {since}")


@failure_groups.command("show")
@click.argument("group_id", metavar="GROUP")
@limit_option
@as_json
@click.pass_obj
def show_one(state: CliState, group_id: str, limit: int, as_json: bool) -> None:
    """Show a group: how often, since when, with which traceback, and which invocations."""
    components = state.app().components
    group, now = _group(components, group_id), components.now()
    (activity,) = with_counts(components, [group], now - 86400, now)
    samples = samples_of(components, group_id, min(limit, 1000))
    if as_json:
        rows = [msgspec.structs.asdict(each) for each in samples]
        print_json({**_row(activity), "trace": group.trace, "samples": rows})
        return
    click.echo(visible(f"{group.type_name} in {group.task_id}, {group.place or 'at a place not known'}"))
    decided = f" since {moment(group.state_at)}" if group.state_at else ""
    note = f": {group.note}" if group.note else ""
    click.echo(visible(f"{'back, though resolved' if group.is_back else group.state.value}{decided}{note}"))
    click.echo(f"first {moment(group.first_at)}, last {moment(group.last_at)}")
    click.echo(f"{activity.count} in the last 24 h; {activity.runs} invocations of the task ended")
    click.echo(visible(group.trace or group.message))
    table = PlainTable("Invocation", "At", "Message", box=None, pad_edge=False)
    for each in samples:
        table.add_row(each.invocation_id, moment(each.at), one_line(each.message))
    console().print(table)


def _decision(name: str, wanted: FailureState, doc: str) -> None:
    @failure_groups.command(name, help=doc)
    @click.argument("group_id", metavar="GROUP")
    @_NOTE
    @click.pass_obj
    def command(state: CliState, group_id: str, note: str) -> None:
        app = state.app()
        group = _group(app.components, group_id)

        def act(_: str) -> str:
            decide(app.components, group.group_id, wanted, note)
            return f"{group.group_id} is {wanted.value}"

        try:
            click.echo(traced(app, Deed(name, group.group_id, reason=note), act))
        except ValueError as error:
            raise click.ClickException(visible(str(error))) from error


_decision("mute", FailureState.MUTED, "Leave a group out of the list and of alerts.")
_decision("resolve", FailureState.RESOLVED, "Note that a group is mended; it comes back if it fails again.")
_decision("reopen", FailureState.OPEN, "Take back that a group is muted or resolved.")


def _group(components: Components, group_id: str) -> FailureGroup:
    (found,) = components.state_backend.read(FailureGroup, [storable(group_id)])
    if found is None:
        raise click.ClickException(f"there is no group '{visible(group_id)}': see pynenc failures list --all")
    return found


def _row(activity: GroupActivity) -> dict[str, Any]:
    group = {name: value for name, value in msgspec.to_builtins(activity.group).items() if name != "trace"}
    return {
        "group_id": group.pop("key"),
        **group,
        "count": activity.count,
        "points": activity.points,
        "runs": activity.runs,
    }


def _mark(activity: GroupActivity, since: float) -> str:
    group = activity.group
    if group.is_back:
        return "back"
    if group.state != FailureState.OPEN:
        return group.state.value
    return "new" if activity.is_new(since) else ""
