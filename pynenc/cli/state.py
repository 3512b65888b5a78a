"""The options before a command, and printing."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Console, RenderableType
from rich.style import StyleType
from rich.table import Table
from rich.text import Text

from pynenc.app import Pynenc
from pynenc.cli.discovery import load_app
from pynenc.identifiers.texts import visible

_WIDE = 250


@dataclass(frozen=True, slots=True)
class CliState:
    """The options before the command."""

    app_name: str | None
    verbose: bool

    def app(self) -> Pynenc:
        """Return the app that the command is about."""
        app = load_app(self.app_name)
        if self.verbose:
            app.logger.setLevel("DEBUG")
        return app


def print_json(value: Any) -> None:
    """Print a value for scripts."""
    click.echo(json.dumps(value, indent=2, default=str))


def json_object(option: str, text: str | None) -> dict[str, Any] | None:
    """Return the JSON object that an option holds, or None if it was not given.

    Raises:
        click.BadParameter: It is something else.
    """
    if text is None:
        return None
    try:
        value = json.loads(text)
    except ValueError as error:
        raise click.BadParameter(f"no JSON: {error}", param_hint=f"--{option}") from error
    if not isinstance(value, dict):
        raise click.BadParameter("it must be a JSON object", param_hint=f"--{option}")
    return value


def moment(seconds: float) -> str:
    """Return seconds since the epoch as text."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def console() -> Console:
    """Return where commands print for people."""
    # A pipe or file has no width of its own, so nothing is cut there.
    width = None if sys.stdout.isatty() else _WIDE
    return Console(width=width, soft_wrap=True, highlight=False)


class PlainTable(Table):
    """A table whose cells are shown as they are: what is stored cannot style them or drive the terminal."""

    def add_row(self, *cells: RenderableType | None, style: StyleType | None = None, **more: Any) -> None:
        shown = [Text(visible(cell)) if isinstance(cell, str) else cell for cell in cells]
        super().add_row(*shown, style=style, **more)
