"""`pynenc triggers`: what starts tasks, when it does next, and what came of it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import timedelta
from itertools import islice
from typing import Any

import click

from pynenc.actions.audit import Deed
from pynenc.app import Pynenc
from pynenc.cli.auditing import traced
from pynenc.cli.options import as_json, limit_option
from pynenc.cli.state import CliState, PlainTable, console, json_object, moment, print_json
from pynenc.client.trigger_starts import fire_by_hand
from pynenc.exceptions import PynencError
from pynenc.identifiers.texts import error_text, visible
from pynenc.trigger.base_trigger import BaseTrigger
from pynenc.trigger.conditions.base import Condition
from pynenc.trigger.conditions.cron import CronCondition, IntervalCondition, ScheduleCondition
from pynenc.trigger.conditions.event import EventCondition
from pynenc.trigger.conditions.exception import ExceptionCondition
from pynenc.trigger.conditions.result import ResultCondition
from pynenc.trigger.conditions.status import StatusCondition
from pynenc.trigger.definition import StoredTrigger, TriggerDefinition
from pynenc.trigger.records import RunState, TriggerRun, pause_mark

_ID = click.argument("trigger_id", metavar="ID")


@click.group()
def triggers() -> None:
    """Look at triggers, fire them by hand, pause and resume them.

    An ID may be shortened as long as it stays the only one.
    """


def described(condition: Condition) -> str:
    """Return a condition in words."""
    if isinstance(condition, CronCondition):
        return f"cron '{condition.expression}' ({condition.timezone})"
    if isinstance(condition, IntervalCondition):
        return f"every {timedelta(seconds=condition.seconds)}"
    if isinstance(condition, EventCondition):
        return f"event '{condition.code}'"
    if isinstance(condition, StatusCondition):
        return f"{' or '.join(condition.statuses)} of {condition.task_id}"
    if isinstance(condition, ResultCondition):
        return f"result of {condition.task_id}"
    if isinstance(condition, ExceptionCondition):
        return f"{' or '.join(condition.exception_types) or 'exception'} of {condition.task_id}"
    return condition.kind


def next_times(definition: TriggerDefinition, now: float, count: int) -> list[float]:
    """Return the next moments at which the schedules of a trigger tick, in seconds since the epoch."""
    times = {
        tick
        for condition in definition.conditions
        if isinstance(condition, ScheduleCondition)
        for tick in islice(condition.schedule().between(now, math.inf), count)
    }
    return sorted(times)[:count]


def _due(definition: TriggerDefinition, now: float, count: int) -> list[str]:
    """Return when a trigger ticks next, in words; that it is over if it was scheduled and is no more."""
    times = [moment(tick) for tick in next_times(definition, now, count)]
    is_scheduled = any(isinstance(each, ScheduleCondition) for each in definition.conditions)
    return times or (["over"] if is_scheduled and count else [])


def _rows(app: Pynenc, stored: list[StoredTrigger], count: int) -> list[dict[str, Any]]:
    now = app.trigger.now()
    paused = app.trigger.read_marks([pause_mark(each.trigger_id) for each in stored]) if stored else []
    problems = {each.trigger_id: each for each in app.trigger.find_problems()}
    rows = []
    for each, mark in zip(stored, paused, strict=True):
        problem = problems.get(each.trigger_id)
        row: dict[str, Any] = {"trigger_id": each.trigger_id, "task": each.task_id, "name": each.name or None}
        try:
            definition = TriggerDefinition.restored(each)
            row["when"] = f" {definition.logic} ".join(map(described, definition.conditions))
            row["next"] = [] if mark else _due(definition, now, count)
        except Exception as error:  # noqa: BLE001 - newer, damaged or hostile code has written it
            row.update(when=f"it cannot be read: {error_text(error)}", next=[])
        row["paused"] = mark is not None
        row["problem"] = problem and {
            "error": problem.error,
            "count": problem.count,
            "since": moment(problem.first_at),
            "last": moment(problem.at),
        }
        rows.append(row)
    return rows


def _run(run: TriggerRun) -> dict[str, Any]:
    return {
        "at": moment(run.at),
        "trigger_id": run.trigger_id,
        "task": run.task_id,
        "state": run.state.value,
        "cause": run.cause,
        "invocation_id": run.invocation_id or None,
        "reason": run.reason,
    }


@triggers.command("list")
@click.option("--task", help="Only those of this task, as module.function.")
@as_json
@click.pass_obj
def list_triggers(state: CliState, task: str | None, as_json: bool) -> None:
    """Print the triggers that are stored; runners store those of the code when they start."""
    app = state.app()
    rows = _rows(app, app.trigger.find_definitions(task), 1)
    if as_json:
        print_json(rows)
        return
    table = PlainTable("Trigger", "Task", "When", "Next", box=None, pad_edge=False)
    for row in rows:
        due = "paused" if row["paused"] else "".join(row["next"])
        table.add_row(row["trigger_id"][:12], row["task"], row["when"], due)
    console().print(table if rows else "there are none")
    for row in rows:
        if problem := row["problem"]:
            console().print(
                visible(
                    f"{row['trigger_id'][:12]} failed {problem['count']} time(s) since {problem['since']}, "
                    f"last at {problem['last']}: {problem['error']}"
                ),
                markup=False,
            )


@triggers.command("show")
@_ID
@click.option(
    "--next", "count", type=click.IntRange(0, 1000), default=5, show_default=True, help="Ticks to print."
)
@limit_option
@as_json
@click.pass_obj
def show(state: CliState, trigger_id: str, count: int, limit: int, as_json: bool) -> None:
    """Print all that is known of a trigger: how it is defined, when it ticks, what it has started."""
    app = state.app()
    stored = app.trigger.get_definition(trigger_id)
    (row,) = _rows(app, [stored], count)
    row["conditions"] = json.loads(stored.conditions)
    row["arguments"] = json.loads(stored.arguments)
    row["options"] = json.loads(stored.options)
    runs = [_run(run) for run in app.trigger.find_runs(stored.trigger_id, limit=limit)]
    if as_json:
        print_json({**row, "runs": runs})
        return
    for name, value in row.items():
        if value or value is False:
            text = "\n               ".join(row["next"]) if name == "next" else value
            console().print(visible(f"{name:<14} {text}"), markup=False)
    _print_runs(runs)


@triggers.command("next")
@_ID
@click.option("--count", type=click.IntRange(1, 1000), default=10, show_default=True, help="Ticks to print.")
@as_json
@click.pass_obj
def next_(state: CliState, trigger_id: str, count: int, as_json: bool) -> None:
    """Print the next ticks of a trigger; nothing if it has no schedule or that is over."""
    app = state.app()
    definition = TriggerDefinition.restored(app.trigger.get_definition(trigger_id))
    times = [moment(tick) for tick in next_times(definition, app.trigger.now(), count)]
    if as_json:
        print_json(times)
        return
    for each in times:
        click.echo(each)


@triggers.command("runs")
@click.option("--state", "wanted", type=click.Choice([each.value for each in RunState]), help="Only these.")
@limit_option
@as_json
@click.pass_obj
def runs(state: CliState, wanted: str | None, limit: int, as_json: bool) -> None:
    """Print what triggers have started, or could not start, newest first."""
    found = state.app().trigger.find_runs(state=RunState(wanted) if wanted else None, limit=limit)
    rows = [_run(run) for run in found]
    if as_json:
        print_json(rows)
    else:
        _print_runs(rows)


def _print_runs(rows: list[dict[str, Any]]) -> None:
    table = PlainTable("At", "State", "Task", "Cause", "Invocation or reason", box=None, pad_edge=False)
    for row in rows:
        came = row["reason"] or row["invocation_id"] or ""
        table.add_row(row["at"], row["state"], row["task"], row["cause"], came)
    console().print(table if rows else "it has not started anything")


@triggers.command("events")
@click.argument("code")
@limit_option
@as_json
@click.pass_obj
def events(state: CliState, code: str, limit: int, as_json: bool) -> None:
    """Print the events with a code that are kept, oldest first."""
    found = state.app().trigger.find_events(code, limit=limit)
    rows = [
        {"event_id": each.event_id, "at": moment(each.emitted_at), "payload": json.loads(each.payload)}
        for each in found
    ]
    if as_json:
        print_json(rows)
        return
    table = PlainTable("Event", "At", "Payload", box=None, pad_edge=False)
    for row in rows:
        table.add_row(row["event_id"], row["at"], json.dumps(row["payload"]))
    console().print(table if rows else f"there are none with the code '{code}'")


@triggers.command("fire")
@_ID
@click.option("--payload", help="JSON object: what an event would carry.")
@click.option("--arguments", help="JSON object: the arguments, in place of those of the trigger.")
@click.pass_obj
def fire(state: CliState, trigger_id: str, payload: str | None, arguments: str | None) -> None:
    """Start the task of a trigger now; prints the id of the invocation.

    The exit code is 1 if it could not be started.
    """
    app = state.app()
    given, own = json_object("payload", payload), json_object("arguments", arguments)
    found = app.trigger.get_definition(trigger_id).trigger_id

    def act(_: str) -> str:
        run = fire_by_hand(app, found, given, own)
        if run.state != RunState.FIRED:
            raise PynencError(f"the task '{run.task_id}' was not started: {run.reason}")
        return str(run.invocation_id)

    click.echo(traced(app, Deed("fire", found), act))


triggers.add_command(fire, "run-now")


@triggers.command("pause")
@_ID
@click.pass_obj
def pause(state: CliState, trigger_id: str) -> None:
    """Keep a trigger from starting its task; whatever happens while it is paused is ignored."""
    _switch(state.app(), trigger_id, "pause", BaseTrigger.pause, ("is paused", "was paused already"))


@triggers.command("resume")
@_ID
@click.pass_obj
def resume(state: CliState, trigger_id: str) -> None:
    """Let a paused trigger start its task again; ticks of the pause do not count as missed."""
    _switch(state.app(), trigger_id, "resume", BaseTrigger.resume, ("is resumed", "was not paused"))


def _switch(
    app: Pynenc,
    shortened: str,
    name: str,
    act: Callable[[BaseTrigger, str], bool],
    words: tuple[str, str],
) -> None:
    trigger_id = app.trigger.get_definition(shortened).trigger_id
    deed = Deed(name, trigger_id)
    click.echo(
        traced(app, deed, lambda _: f"{trigger_id} {words[0] if act(app.trigger, trigger_id) else words[1]}")
    )
