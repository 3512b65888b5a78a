"""`pynenc actions`: jobs that act on many invocations, and the trail of what people did."""

from __future__ import annotations

import sys
import time

import click
import msgspec

from pynenc.actions.audit import Deed, entries
from pynenc.actions.job_work import work_on_jobs
from pynenc.actions.jobs import Preview, ask, job_of, jobs, preview, switch
from pynenc.app import Pynenc
from pynenc.cli.auditing import shell_actor, traced
from pynenc.cli.options import WORDS_WITH_DASHES, as_json, limit_option, line_of
from pynenc.cli.state import CliState, PlainTable, console, moment, print_json
from pynenc.conf.text_maps import stored_texts
from pynenc.explaining.findings import one_line
from pynenc.identifiers.texts import visible
from pynenc.lifecycle.leadership import leader
from pynenc.state_backend.action_records import Job, JobKind, JobState

_LOOK_S = 0.2
_KINDS = [each.value for each in JobKind if each != JobKind.FIRE]


@click.group()
def actions() -> None:
    """Act on all invocations that fit a search, and show what people did."""


@actions.command("start", context_settings=WORDS_WITH_DASHES)
@click.argument("kind", type=click.Choice(_KINDS))
@click.argument("words", metavar="SEARCH...", nargs=-1, required=True)
@click.option("--reason", default="", help="Why, for the trail.")
@click.option("--dry-run", is_flag=True, help="Only say what it would act on.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--here", is_flag=True, help="Do it in this process, rather than to wait for a runner.")
@click.pass_obj
def start(
    state: CliState, kind: str, words: tuple[str, ...], reason: str, dry_run: bool, yes: bool, here: bool
) -> None:
    """Cancel, run again, or purge (delete what has ended) all that fits a search; prints the job's id.

    The runner that does the housekeeping carries it out, a slice at a time. What is made after this
    moment is left alone.
    """
    app = state.app()
    line = line_of(words, (), {})
    found = preview(app.components, line)
    _tell(kind, found)
    if dry_run:
        return
    if not yes and not click.confirm("Go on?"):
        sys.exit(1)
    try:
        job = ask(app.components, shell_actor(), JobKind(kind), line, reason, found.at)
    except ValueError as error:
        raise click.ClickException(visible(str(error))) from error
    click.echo(job.job_id)
    if here:
        _carry_out(app, job)
    elif leader(app.components) is None:
        click.echo("it waits for a runner: none does the housekeeping now (or give --here)", err=True)


def _carry_out(app: Pynenc, job: Job) -> None:
    """Carry out jobs until one is over, or paused; others that wait are carried out, too."""
    while not (job := job_of(app.components, job.job_id)).state.is_over:
        if job.state == JobState.PAUSED:
            break
        if not work_on_jobs(app.components, 1.0):
            time.sleep(_LOOK_S)  # somebody else is at it
    click.echo(f"{job.state.value}: {_progress(job)}")


def _tell(kind: str, found: Preview) -> None:
    number = f"{found.count:,}{' or more' if found.is_capped else ''}"
    click.echo(f"{kind}: {number} invocation(s) fit, the first of them:")
    for data, record in found.first:
        click.echo(visible(f"  {data.invocation_id}  {record.status.value:<12} {data.task_id}"))


@actions.command("list")
@limit_option
@as_json
@click.pass_obj
def show(state: CliState, limit: int, as_json: bool) -> None:
    """List the jobs, those that were asked for last first."""
    found = jobs(state.app().components, min(limit, 1000))
    if as_json:
        print_json([msgspec.structs.asdict(each) for each in found])
        return
    table = PlainTable("Job", "At", "By", "What", "State", "Progress", box=None, pad_edge=False)
    for each in found:
        what = one_line(f"{each.kind.value} {each.line}")
        asked = moment(each.asked_at)
        table.add_row(each.job_id, asked, each.asked_by, what, each.state.value, _progress(each))
    console().print(table if found else "nobody has asked for anything yet")


@actions.command("show")
@click.argument("job_id", metavar="JOB")
@as_json
@click.pass_obj
def show_one(state: CliState, job_id: str, as_json: bool) -> None:
    """Show a job with its first errors."""
    job = _job(state, job_id)
    if as_json:
        print_json({**msgspec.structs.asdict(job), "errors": stored_texts(job.errors)})
        return
    click.echo(visible(f"{job.kind.value} {job.line}: {job.state.value}, {_progress(job)}"))
    click.echo(visible(f"asked for by {job.asked_by} at {moment(job.asked_at)}"))
    for each in stored_texts(job.errors):
        click.echo(visible(f"- {each}"))


def _switching(name: str, wanted: JobState, doc: str) -> None:
    @actions.command(name, help=doc)
    @click.argument("job_id", metavar="JOB")
    @click.pass_obj
    def command(state: CliState, job_id: str) -> None:
        app = state.app()
        job = _job(state, job_id)

        def act(_: str) -> str:
            changed = switch(app.components, job.job_id, wanted)
            return f"{changed.job_id} is {changed.state.value}: {_progress(changed)}"

        try:
            click.echo(traced(app, Deed(f"{name} a job", job.job_id), act))
        except ValueError as error:
            raise click.ClickException(visible(str(error))) from error


_switching("pause", JobState.PAUSED, "Pause a job after the slice that it is at.")
_switching("resume", JobState.WAITING, "Let a paused job go on.")
_switching("stop", JobState.STOPPED, "Stop a job for good; what it has done stays.")


@actions.command("audit")
@click.option("--target", help="Only what was about this id.")
@limit_option
@as_json
@click.pass_obj
def audit(state: CliState, target: str | None, limit: int, as_json: bool) -> None:
    """Print what people did, the newest first."""
    found = entries(state.app().components, min(limit, 10_000), target)
    if as_json:
        print_json([msgspec.structs.asdict(each) for each in found])
        return
    table = PlainTable("At", "Who", "From", "What", "On", "Result", box=None, pad_edge=False)
    for each in found:
        what = each.target or each.filter
        who = f"{each.user} ({each.role})"
        table.add_row(moment(each.at), who, each.address, each.action, one_line(what), one_line(each.result))
    console().print(table if found else "nobody has done anything yet")


def _job(state: CliState, job_id: str) -> Job:
    try:
        return job_of(state.app().components, job_id)
    except LookupError as error:
        raise click.ClickException(visible(str(error.args[0]))) from error


def _progress(job: Job) -> str:
    estimate = f"{job.estimate:,}{'+' if job.is_capped else ''}"
    text = f"{job.done:,} of about {estimate} done"
    if job.skipped:
        text += f", {job.skipped:,} skipped"
    return text + (f", {job.failed:,} failed" if job.failed else "")
