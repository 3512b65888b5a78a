"""`pynenc config`: effective settings and where they come from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from pynenc.app import Pynenc
from pynenc.cli.options import as_json
from pynenc.cli.state import CliState, PlainTable, console, print_json
from pynenc.conf.base_config import PynencConfig, is_secret
from pynenc.conf.config_sealing import ConfigSealing
from pynenc.plugins.kinds import ComponentKind
from pynenc.plugins.registry import import_object, plugin_registry


@click.group()
def config() -> None:
    """Look at settings."""


@config.command()
@as_json
@click.pass_obj
def show(state: CliState, as_json: bool) -> None:
    """Print every effective setting and where its value came from. Secrets are masked."""
    app = state.app()
    rows = list(effective_settings(app))
    if as_json:
        print_json(
            [
                {"class": owner, "setting": name, "value": value, "origin": origin}
                for owner, name, value, origin in rows
            ]
        )
        return
    table = PlainTable("Class", "Setting", "Value", "From", box=None, pad_edge=False)
    for owner, name, value, origin in rows:
        style = None if origin == "default" else "bold"
        table.add_row(owner, name, str(value), origin, style=style)
    console().print(table)


@click.command("show_config", hidden=True)
@as_json
@click.pass_context
def show_config(context: click.Context, as_json: bool) -> None:
    """Do the same as `config show`, under its name in other versions."""
    context.invoke(show, as_json=as_json)


def effective_settings(app: Pynenc) -> Iterator[tuple[str, str, Any, str]]:
    """Return class, name, value (secrets masked) and origin of every effective setting of an app."""
    yield from _rows(app.conf)
    yield from _rows(app.settings_loader.load(ConfigSealing))
    seen: set[str] = set()
    for kind in ComponentKind:
        spec = plugin_registry().find(kind, app.component_provider.selected(kind))
        paths = spec.settings or ()
        for path in paths:
            if path in seen:
                continue
            seen.add(path)
            cls = import_object(path)
            if isinstance(cls, type) and issubclass(cls, PynencConfig):
                yield from _rows(app.settings_loader.load(cls))
    for task in app.tasks.values():
        for owner, name, value, origin in _rows(task.conf):
            if origin != "default":
                yield f"{owner} {task.task_id}", name, value, origin


def _rows(conf: PynencConfig) -> Iterator[tuple[str, str, Any, str]]:
    cls = type(conf)
    for name in cls.field_names():
        value = "**********" if is_secret(cls, name) else getattr(conf, name)
        yield cls.__name__, name, value, conf.origin(name)
