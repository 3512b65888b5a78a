"""`pynenc invocations`: what was called, and what became of it."""

from __future__ import annotations

import re
import sys
from functools import partial
from typing import Any

import click
import msgspec

from pynenc.actions.audit import Deed
from pynenc.app import Pynenc
from pynenc.calls.interfaces import AnyInvocation
from pynenc.cli.auditing import traced
from pynenc.cli.options import (
    WORDS_WITH_DASHES,
    as_json,
    filter_options,
    limit_option,
    line_of,
    statuses_option,
)
from pynenc.cli.searching import counted, print_found, searched
from pynenc.cli.state import CliState, PlainTable, console, moment, print_json
from pynenc.client.workflow_names import resolved, stored_under
from pynenc.conf.tags import stored_tags
from pynenc.context import get_current_runner
from pynenc.exceptions import ClientDataNotFoundError
from pynenc.explaining.facts import who
from pynenc.identifiers.texts import visible
from pynenc.invocation.data import InvocationData
from pynenc.invocation.state import InvocationState
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle.cancellation import cancel
from pynenc.lifecycle.parking import NEVER
from pynenc.lifecycle.waiting import Ended, RaisedError, load_results, read_states
from pynenc.logs import shown_arguments
from pynenc.search.page import Budget
from pynenc.serializer.exception_data import ExceptionData

_TAIL = re.compile(r"[0-9a-fA-F]{6,31}")
_IDS = click.argument("invocation_ids", metavar="ID...", nargs=-1, required=True)


@click.group()
def invocations() -> None:
    """Look at invocations, cancel them or call again."""


def row_of(data: InvocationData, state: InvocationState) -> dict[str, Any]:
    """Return what is printed of an invocation."""
    return {
        "invocation_id": data.invocation_id,
        "task": data.task_id,
        "status": state.status.value,
        "created_at": moment(data.created_at),
        "changed_at": moment(state.changed_at),
        "queue": state.queue,
        "priority": state.priority,
        "retries": state.retries,
        "recoveries": state.recoveries,
        "waits_for": state.waits_for,
        "due_at": moment(state.not_before) if 0 < state.not_before < NEVER else None,
        "runner_id": state.runner_id,
        "code_version": state.code_version,
        "error_type": state.error_type,
        "tags": stored_tags(data.tags),
    }


_WORDS = click.argument("words", metavar="[SEARCH]...", nargs=-1)
_OPTIONS = filter_options(
    "task",
    "queue",
    "workflow",
    "parent",
    "runner",
    "since",
    "until",
    "error",
    "tag",
    "arg",
    "trigger",
    "failures",
)
_MAX_SEARCHED = click.option(
    "--max-searched", type=click.IntRange(1), help="Look at so many at most. Without it, at all."
)


@invocations.command("list", context_settings=WORDS_WITH_DASHES)
@_WORDS
@statuses_option
@_OPTIONS
@limit_option
@_MAX_SEARCHED
@as_json
@click.pass_obj
def list_invocations(
    state: CliState,
    /,
    words: tuple[str, ...],
    statuses: tuple[str, ...],
    limit: int,
    max_searched: int | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Print invocations, newest first.

    SEARCH is a line such as: status:failed,retry task:shop.* since:2h tag:customer=42 -queue:bulk
    """
    found, page = searched(state.app(), line_of(words, statuses, given), limit, max_searched)
    rows = [row_of(data, record) for data, record in found]
    if as_json:
        print_json(rows)
        return
    table = PlainTable("Invocation", "Task", "Status", "Created", "Retries", box=None, pad_edge=False)
    for row in rows:
        table.add_row(
            row["invocation_id"], row["task"], row["status"], row["created_at"], str(row["retries"])
        )
    print_found(table, page)


@invocations.command("count", context_settings=WORDS_WITH_DASHES)
@_WORDS
@statuses_option
@_OPTIONS
@_MAX_SEARCHED
@as_json
@click.pass_obj
def count_invocations(
    state: CliState,
    /,
    words: tuple[str, ...],
    statuses: tuple[str, ...],
    max_searched: int | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Print how many invocations there are; SEARCH as for `list`."""
    result = counted(state.app(), line_of(words, statuses, given), max_searched)
    if as_json:
        print_json({"count": result.count, "searched": result.searched, "is_complete": result.is_complete})
    elif result.is_complete:
        click.echo(result.count)
    else:
        click.echo(f"{result.count} or more: {result.searched:,} were looked at")


@invocations.command("show")
@click.argument("invocation_id", metavar="ID")
@as_json
@click.pass_obj
def show(state: CliState, invocation_id: str, as_json: bool) -> None:
    """Print all that is known of an invocation: its arguments, its history and what came of it."""
    app = state.app()
    data, record = stored_under(app.components, invocation_id)
    invocation_id = data.invocation_id
    (arguments,) = app.components.values.unpack_arguments([data.arguments])
    shown: dict[str, Any] = {
        **row_of(data, record),
        "arguments": shown_arguments(app.conf, arguments),
        "workflow_id": data.workflow_id,
        "parent_id": data.parent_invocation_id,
        "triggered_by": _cause(app, data),
        "owner": _owner(app, record.runner_id),
        "progress": _progress(app, record, as_json),
        "history": [
            {
                "status": entry.status.value,
                "at": entry.timestamp.isoformat(timespec="milliseconds"),
                "claim": entry.claim,
                "runner_id": entry.runner_id,
            }
            for entry in app.orchestrator.history(invocation_id)
        ],
    }
    failure = _failure(app, record)
    if failure is not None:
        shown["error" if record.status.final else "last_error"] = f"{failure.type_name}: {failure.message}"
        shown["traceback"] = failure.traceback
    elif record.status.final:
        (outcome,) = load_results(app.components, [Ended(record)])
        if isinstance(outcome, RaisedError):
            shown["error"] = f"{type(outcome.error).__name__}: {outcome.error}"
        else:
            shown["result"] = shown_arguments(app.conf, {"result": outcome})
    if as_json:
        print_json(shown)
        return
    history, traceback = shown.pop("history"), shown.pop("traceback", "")
    for name, value in shown.items():
        if value is not None:
            console().print(visible(f"{name:<14} {value}"), markup=False)
    table = PlainTable("At", "Status", "Claim", "Runner", box=None, pad_edge=False)
    for entry in history:
        table.add_row(entry["at"], entry["status"], str(entry["claim"]), entry["runner_id"] or "")
    console().print(table)
    if traceback:
        click.echo(visible(traceback.rstrip("\n")))


def _progress(app: Pynenc, record: InvocationState, as_json: bool) -> dict[str, Any] | str | None:
    """Return how far the body says that it has come; None if it has not said."""
    report = app.components.progress.latest(record)
    if report is None or not as_json:
        return None if report is None else str(report)
    return {**report._asdict(), "at": report.at.isoformat(timespec="milliseconds")}


def _owner(app: Pynenc, runner_id: str | None) -> str | None:
    """Return the owner of a record in words: class, process and host."""
    if runner_id is None:
        return None
    (data,) = app.state_backend.read_runners([runner_id])
    return who(data, runner_id)


def _failure(app: Pynenc, record: InvocationState) -> ExceptionData | None:
    """Return what is kept of the exception of the last attempt, if it failed; deserializes nothing."""
    is_kept = record.status == InvocationStatus.FAILED or not record.status.final
    if record.outcome_id is None or not is_kept:
        return None
    (outcome,) = app.state_backend.read_outcomes([record.outcome_id])
    if outcome is None or not outcome.is_error:
        return None
    try:
        return app.components.values.failures([outcome.payload])[0]
    except ClientDataNotFoundError:
        return None


def _cause(app: Pynenc, data: InvocationData) -> str | None:
    """Return what started an invocation, if a trigger did; the run itself may be forgotten already."""
    if data.triggered_by is None:
        return None
    (run,) = app.trigger.read_runs([data.triggered_by])
    return f"{run.cause}, trigger {run.trigger_id}" if run else f"trigger run {data.triggered_by}"


@invocations.command("why")
@click.argument("invocation_id", metavar="ID")
@as_json
@click.pass_obj
def why(state: CliState, invocation_id: str, as_json: bool) -> None:
    """Print why an invocation waits, failed, ran again, or is where it is: the answer, then the evidence.

    ID may be the last six or more digits of one. The exit code is 1 if nothing is stored under it.
    """
    app = state.app()
    explanation = app.explain(resolved(app.components, invocation_id))
    if explanation.status is None and _TAIL.fullmatch(invocation_id):
        ends_so = app.search(invocation_id.lower(), 2, budget=Budget(100_000, 2.0)).rows
        if len(ends_so) == 1:
            explanation = app.explain(ends_so[0].data.invocation_id)
    if as_json:
        print_json(msgspec.to_builtins(explanation))
    else:
        click.echo(visible(explanation.verdict))
        for finding in explanation.findings[1:]:
            click.echo(visible(f"- {finding.sentence}"))
        for advice in dict.fromkeys(each.advice for each in explanation.findings if each.advice):
            click.echo(visible(f"-> {advice}"))
    sys.exit(int(explanation.status is None))


@invocations.command("cancel")
@_IDS
@click.option("--children", is_flag=True, help="Cancel all that they have started, too.")
@click.pass_obj
def cancel_invocations(state: CliState, invocation_ids: tuple[str, ...], children: bool) -> None:
    """Cancel invocations: what waits ends at once, what runs is asked to end.

    The exit code is 1 if one of them has ended before.
    """
    app = state.app()
    invocation_ids = tuple(resolved(app.components, each) for each in invocation_ids)
    read_states(app.components, invocation_ids)  # refuses those that are not stored
    actor_id = get_current_runner().runner_id
    for each in invocation_ids:
        traced(app, Deed("cancel", each), partial(_cancelled, app, each, actor_id, children))
    ended_before = False
    for each in invocation_ids:
        _, record = stored_under(app.components, each)
        if record.status.final and record.status != InvocationStatus.CANCELLED:
            ended_before = True
            click.echo(f"{each} had ended as {record.status}")
        else:
            click.echo(f"{each} {'is cancelled' if record.status.final else 'was asked to end'}")
    sys.exit(int(ended_before))


def _retried(invocation: AnyInvocation, _: str) -> str:
    return str(invocation.retry().invocation_id)


def _cancelled(app: Pynenc, invocation_id: str, actor_id: str, children: bool, _: str) -> str:
    cancel(app.components, [invocation_id], actor_id, children)
    return "it is cancelled, or was asked to end"


@invocations.command("call")
@click.argument("task_id", metavar="TASK")
@click.argument("arguments", metavar="[JSON]", default="{}")
@click.pass_obj
def call(state: CliState, task_id: str, arguments: str) -> None:
    """Call a task, as module.function, with arguments in plain JSON; prints the invocation's id.

    JSON is an object with the arguments by name or an array of them, and "-" reads it from standard
    input. The annotations of the parameters say what is meant by strings and objects.
    """
    task = state.app().find_task(task_id)
    text = sys.stdin.read() if arguments == "-" else arguments
    click.echo(task.call_with(task.args_from_json(text)).invocation_id)


@invocations.command("retry")
@_IDS
@click.pass_obj
def retry(state: CliState, invocation_ids: tuple[str, ...]) -> None:
    """Make calls that have ended once more, as new invocations; prints their ids.

    What has ended stays as it is. Workflows that have failed go on from what they have recorded. The tasks
    must be importable here.
    """
    app = state.app()
    for known in [app.get_invocation(each) for each in invocation_ids]:
        click.echo(traced(app, Deed("again", known.invocation_id), partial(_retried, known)))
