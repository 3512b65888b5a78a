"""`pynenc monitor`: what the app does, in a browser."""

from __future__ import annotations

import importlib
import ipaddress
import json
import os
import select
import subprocess
import sys
from typing import Any

import click

from pynenc.app import Pynenc
from pynenc.cli.app_settings import NOTHING_HERE
from pynenc.cli.state import CliState
from pynenc.conf.config_monitor import ConfigMonitor
from pynenc.identifiers.texts import visible
from pynenc.plugins.kinds import STORES

_PATIENCE_S = 60.0
_LEAST_PASSWORD = 8
_NEEDED = ("starlette", "jinja2", "uvicorn")


@click.group(invoke_without_command=True)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option("--port", default=8484, show_default=True, type=click.IntRange(0, 65535), help="The port.")
@click.option("--read-only", is_flag=True, help="Let nobody act.")
@click.pass_context
def monitor(context: click.Context, host: str, port: int, read_only: bool) -> None:
    """Serve the web monitor of the app.

    Your code is imported in a child process only, which tells the settings of the app.
    """
    if context.invoked_subcommand is not None:
        return
    require_packages()
    state: CliState = context.obj
    app = _app(state)
    settings = app.settings_loader.load(ConfigMonitor)
    if read_only:
        settings = settings.model_copy(update={"monitor_read_only": True})
    if not host:
        raise click.UsageError("--host is empty: give an address, such as 127.0.0.1")
    if not _is_loopback(host) and not settings.asks_who_it_is:
        raise click.UsageError(
            f"at {host} everybody who reaches this machine would see what the app does: set 'monitor_token', "
            f"or listen at 127.0.0.1 behind a proxy that asks who it is"
        )
    provider = app.component_provider
    alone = [kind.setting for kind in STORES if not provider.component_class(kind).shared_between_processes]
    if alone:
        raise click.UsageError(
            f"what is in the memory of another process cannot be seen from here ({', '.join(alone)}): choose "
            f"a backend that processes share, such as sqlite, or mount the monitor in that process"
        )
    serve = importlib.import_module("pynenc.monitor.serving").serve
    serve(app, settings, host.strip("[]"), port)


@monitor.command("hash-password")
def hash_password() -> None:
    """Ask for a password and print its hash, for the setting `monitor_users`."""
    password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    if len(password) < _LEAST_PASSWORD:
        raise click.ClickException(f"a password has {_LEAST_PASSWORD} characters at least")
    click.echo(importlib.import_module("pynenc.monitor.passwords").hashed(password))


def require_packages() -> None:
    """Refuse to go on without the packages that the monitor needs.

    Raises:
        click.UsageError: One is missing; says how to install it.
    """
    for name in _NEEDED:
        try:
            importlib.import_module(name)
        except ImportError as error:
            needed = f"the monitor needs more packages: pip install 'pynenc[monitor]' ({error})"
            raise click.UsageError(needed) from None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _app(state: CliState) -> Pynenc:
    """Return the app with the settings that a child process tells, which imports the code of the user.

    If no app is named and no file makes one, it is the app of the environment and the settings files.
    """
    told = _told(state.app_name)
    reason = told.get("error")
    if reason is None:
        os.environ.update(told["environment"])
        given: dict[str, Any] = {**(told["values"] or {}), "app_id": told["app_id"]}
        return Pynenc(given, told["file"])
    if state.app_name is None and NOTHING_HERE in reason:
        click.echo("no file here makes an app; its settings are those of the environment and files", err=True)
        return Pynenc()
    raise click.ClickException(f"the settings of the app could not be read: {visible(reason)}")


def _told(name: str | None) -> dict[str, Any]:
    receiving, sending = os.pipe()
    command = [sys.executable, "-m", "pynenc.cli.app_settings", str(sending), *([name] if name else [])]
    with os.fdopen(receiving, encoding="utf-8") as answer:
        try:
            child = subprocess.Popen(command, pass_fds=[sending], stdout=sys.stderr)
        finally:
            os.close(sending)
        ready, _, _ = select.select([answer], [], [], _PATIENCE_S)
        text = answer.read() if ready else ""
    child.kill()
    child.wait()
    if not ready:
        return {"error": f"importing its module takes longer than {_PATIENCE_S:g} s"}
    if not text:
        return {"error": "its module has ended the process that imported it"}
    found: dict[str, Any] = json.loads(text)
    return found
