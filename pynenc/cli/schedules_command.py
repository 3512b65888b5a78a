"""`pynenc schedules`: schedules that are made at run time."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from pynenc.application.schedules import ScheduleData, Timing
from pynenc.cli.options import as_json
from pynenc.cli.state import CliState, PlainTable, console, json_object, print_json
from pynenc.cli.triggers_command import described
from pynenc.trigger.definition import Misfire

_NAME = click.argument("name", metavar="NAME")


def _moment(context: click.Context, parameter: click.Parameter, value: str | None) -> datetime | None:
    if value is None:
        return None
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a moment such as 2030-01-31T08:00") from None


def _timing(command: Any) -> Any:
    """Add the options that say when a schedule ticks."""
    for option in (
        click.option("--arguments", help="JSON object: the arguments of the task."),
        click.option("--end", callback=_moment, help="No tick comes after this moment, in ISO format."),
        click.option("--start", callback=_moment, help="No tick comes before this moment, in ISO format."),
        click.option("--jitter", type=float, help="Seconds by which ticks are delayed at most."),
        click.option("--misfire", type=click.Choice(list(Misfire)), help="What becomes of missed ticks."),
        click.option("--timezone", help="IANA name of the time zone of --cron."),
        click.option("--every", type=float, help="Seconds between two ticks."),
        click.option("--cron", help="A cron expression."),
    ):
        command = option(command)
    return command


def _given(options: dict[str, Any]) -> Timing:
    timing: Timing = {name: value for name, value in options.items() if value is not None}  # type: ignore[assignment]
    return timing


@click.group()
def schedules() -> None:
    """Make schedules at run time, change, pause and delete them."""


@schedules.command("create")
@_NAME
@click.argument("task", metavar="TASK")
@_timing
@click.pass_obj
def create(state: CliState, /, name: str, task: str, arguments: str | None, **options: Any) -> None:
    """Start a task, as module.function, by a schedule; needs --cron or --every."""
    made = state.app().schedules.create(name, task, json_object("arguments", arguments), **_given(options))
    _print_next(made, 1)


@schedules.command("change")
@_NAME
@_timing
@click.pass_obj
def change(state: CliState, /, name: str, arguments: str | None, **options: Any) -> None:
    """Change a schedule; what is not given stays, and no tick counts as missed."""
    changed = state.app().schedules.change(name, json_object("arguments", arguments), **_given(options))
    _print_next(changed, 1)


@schedules.command("list")
@as_json
@click.pass_obj
def list_schedules(state: CliState, as_json: bool) -> None:
    """Print all schedules that were made at run time."""
    found = state.app().schedules.all()
    rows: list[dict[str, Any]] = [
        {
            "name": each.name,
            "task": each.task_id,
            "when": described(each.condition),
            "arguments": {name: repr(value) for name, value in each.arguments.items()},
            "paused": each.is_paused,
            "next": [] if each.is_paused else [tick.isoformat() for tick in each.next_times(1)],
            "trigger_id": each.trigger_id,
        }
        for each in found
    ]
    if as_json:
        print_json(rows)
        return
    table = PlainTable("Name", "Task", "When", "Next", box=None, pad_edge=False)
    for row in rows:
        due = "paused" if row["paused"] else "".join(row["next"]) or "over"
        table.add_row(row["name"], row["task"], row["when"], due)
    console().print(table if rows else "there are none")


@schedules.command("next")
@_NAME
@click.option("--count", type=click.IntRange(1, 1000), default=10, show_default=True, help="Ticks to print.")
@click.pass_obj
def next_(state: CliState, name: str, count: int) -> None:
    """Print the next ticks of a schedule, in its time zone."""
    _print_next(state.app().schedules.get(name), count)


@schedules.command("pause")
@_NAME
@click.pass_obj
def pause(state: CliState, name: str) -> None:
    """Keep a schedule from ticking."""
    click.echo(f"{name} {'is paused' if state.app().schedules.pause(name) else 'was paused already'}")


@schedules.command("resume")
@_NAME
@click.pass_obj
def resume(state: CliState, name: str) -> None:
    """Let a paused schedule tick again; ticks of the pause do not count as missed."""
    click.echo(f"{name} {'is resumed' if state.app().schedules.resume(name) else 'was not paused'}")


@schedules.command("delete")
@_NAME
@click.pass_obj
def delete(state: CliState, name: str) -> None:
    """Delete a schedule; what it has started goes on."""
    state.app().schedules.delete(name)
    click.echo(f"{name} is deleted")


def _print_next(data: ScheduleData, count: int) -> None:
    for tick in data.next_times(count):
        click.echo(tick.isoformat())
