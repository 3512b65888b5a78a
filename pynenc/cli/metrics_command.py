"""`pynenc metrics`: the figures of an app."""

from __future__ import annotations

import click

from pynenc.cli.state import CliState
from pynenc.metrics.exposition import metrics_text
from pynenc.plugins.registry import CORE_DISTRIBUTION, version_of


@click.command()
@click.pass_obj
def metrics(state: CliState) -> None:
    """Print the figures of the app in the text format of Prometheus, for example for a textfile collector."""
    click.echo(metrics_text(state.app().components, version_of(CORE_DISTRIBUTION)), nl=False)
