"""`pynenc monitor`: what the app does, in a browser."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from typing import Any

import click

from pynenc.app import Pynenc
from pynenc.cli.state import CliState
from pynenc.conf.config_monitor import ConfigMonitor
from pynenc.plugins.kinds import STORES

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_TELL = """
import json, sys
from pynenc.cli.discovery import load_app
app = load_app(sys.argv[1] if len(sys.argv) > 1 else None)
print()
print(json.dumps([app._config_values, app._config_filepath, app.app_id], default=str))
"""
_NEEDED = ("starlette", "jinja2", "uvicorn")


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option("--port", default=8484, show_default=True, type=click.IntRange(0, 65535), help="The port.")
@click.pass_obj
def monitor(state: CliState, host: str, port: int) -> None:
    """Serve the web monitor of the app.

    Your code is imported in a child process only, which tells the settings of the app.
    """
    for name in _NEEDED:
        try:
            importlib.import_module(name)
        except ImportError as error:
            needed = f"the monitor needs more packages: pip install 'pynenc[monitor]' ({error})"
            raise click.UsageError(needed) from None
    app = _app(state)
    settings = app.settings_loader.load(ConfigMonitor)
    if host not in _LOOPBACK and settings.monitor_token is None:
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
    serve(app, settings, host, port)


def _app(state: CliState) -> Pynenc:
    """Return the app with the settings that a child process tells, which imports the code of the user.

    If no app is named and none is found, it is the app of the environment and the settings files.
    """
    command = [sys.executable, "-c", _TELL, *([state.app_name] if state.app_name else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        values, path, app_id = json.loads(done.stdout.strip().splitlines()[-1])
        given: dict[str, Any] = {**(values or {}), "app_id": app_id}
        return Pynenc(given, path)
    if state.app_name is None:
        return Pynenc()
    reason = done.stderr.strip()[-2000:]
    raise click.ClickException(f"the settings of {state.app_name} cannot be told: {reason}")
