"""`pynenc alerts`: what is wrong, and whether it is told."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import click
import msgspec

from pynenc.actions.audit import Deed
from pynenc.alerts.rules import RULES
from pynenc.alerts.telling import AlertTeller, content, post, shown_address
from pynenc.alerts.watching import alert_id, silence, watch
from pynenc.alerts.watching import alerts as stored_alerts
from pynenc.app import Pynenc
from pynenc.cli.auditing import traced
from pynenc.cli.options import Span, as_json
from pynenc.cli.state import CliState, PlainTable, console, print_json
from pynenc.explaining.findings import one_line
from pynenc.identifiers.texts import visible
from pynenc.state_backend.alert_records import AlertData, AlertState

_PATIENCE_S = 60.0


@click.group()
def alerts() -> None:
    """Show what is wrong with the app, and look after the alerts."""


@alerts.command("list")
@click.option("--all", "with_old", is_flag=True, help="Also those that are over.")
@as_json
@click.pass_obj
def show(state: CliState, with_old: bool, as_json: bool) -> None:
    """List the alerts that fire or are about to, the newest first."""
    states = tuple(AlertState) if with_old else (AlertState.PENDING, AlertState.FIRING)
    found = stored_alerts(state.app().components, states)
    if as_json:
        print_json([msgspec.structs.asdict(each) for each in found])
        return
    _print(found, "no alert")


@alerts.command("check")
@click.pass_obj
def check(state: CliState) -> None:
    """Look at all rules now, from outside of any runner; exits with 1 if an alert fires.

    Run it from a cron of the machine to be told as well when no runner is left to look.
    """
    app = state.app()
    teller = AlertTeller(app.components)
    failed = watch(app.components, teller.tell)
    teller.stop(_PATIENCE_S)
    for rule, reason in failed.items():
        click.echo(f"rule {rule} cannot be looked at: {visible(reason)}", err=True)
    firing = stored_alerts(app.components, (AlertState.FIRING,))
    _print(firing, "no alert fires")
    if firing or failed:
        raise SystemExit(1)


@alerts.command("silence")
@click.argument("alert", metavar="ALERT")
@click.option("--for", "span", type=Span(), default="4h", show_default=True, help="For how long.")
@click.pass_obj
def silenced(state: CliState, alert: str, span: timedelta) -> None:
    """Keep an alert quiet for a time, whether it fires or not: RULE:SUBJECT, such as queue_age:mail."""
    if not timedelta() < span <= timedelta(days=7):
        raise click.BadParameter("it must be 7 days at most", param_hint="--for")
    app = state.app()
    until = app.components.now() + span.total_seconds()

    def act(_: str) -> str:
        silence(app.components, alert, until)
        return f"{visible(alert)} is not told until {_moment(until)}"

    try:
        click.echo(traced(app, Deed("silence", alert), act))
    except ValueError as error:
        raise click.ClickException(visible(str(error))) from error


@alerts.command("test")
@click.pass_obj
def test(state: CliState) -> None:
    """Post a trial alert to each web server of the settings; exits with 1 if one does not take it."""
    app = state.app()
    addresses = app.conf.alert_webhooks
    if not addresses:
        click.echo("'alert_webhooks' is empty: alerts are only logged, and handed to hooks")
        return
    body = json.dumps(content(app.app_id, _trial(app))).encode()
    problems = [post(app.components, each.get_secret_value(), body) for each in addresses]
    for address, problem in zip(addresses, problems, strict=True):
        named = shown_address(address.get_secret_value())
        click.echo(f"{named}: {visible(problem) if problem else 'taken'}")
    if any(problems):
        raise SystemExit(1)


def _trial(app: Pynenc) -> AlertData:
    now = app.components.now()
    key, text = alert_id("test", app.app_id), "this is a trial: nothing is wrong"
    return AlertData(key, "test", app.app_id, AlertState.FIRING, 1, now, now, told_at=now, text=text)


def _print(found: list[AlertData], otherwise: str) -> None:
    if not found:
        click.echo(f"{otherwise} ({len(RULES)} rules)")
        return
    table = PlainTable("alert", "state", "since", "finding")
    for each in found:
        silent = f", silent until {_moment(each.silent_until)}" if each.silent_until > each.seen_at else ""
        table.add_row(
            one_line(each.alert_id), f"{each.state.value}{silent}", _moment(each.begun), one_line(each.text)
        )
    console().print(table)


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
