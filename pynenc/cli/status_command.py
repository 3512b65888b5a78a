"""`pynenc status`: the state machine of invocations."""

from __future__ import annotations

from pathlib import Path

import click

from pynenc.cli.status_diagram import as_svg, as_text


@click.group()
def status() -> None:
    """Look at the state machine."""


@status.command()
@click.option("--format", "form", type=click.Choice(["text", "svg"]), default="text", show_default=True)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write to a file.")
def render(form: str, output: Path | None) -> None:
    """Render the statuses of an invocation and how they follow each other."""
    drawn = as_svg() if form == "svg" else as_text()
    if output is None:
        click.echo(drawn)
        return
    try:
        output.write_text(drawn, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"cannot write '{output}': {error.strerror}") from error
    click.echo(f"wrote {output}")
