"""`pynenc plugins`: what is installed."""

from __future__ import annotations

import sys

import click

from pynenc.cli.options import as_json
from pynenc.cli.state import PlainTable, console, print_json
from pynenc.plugins.registry import plugin_registry


@click.group()
def plugins() -> None:
    """Look at plugins."""


@plugins.command("list")
@as_json
def list_plugins(as_json: bool) -> None:
    """Print every component with its distribution, and why a broken plugin did not load.

    The exit code is 1 if a plugin is broken.
    """
    registry = plugin_registry()
    broken = [plugin for plugin in registry.plugins if plugin.error]
    rows = [
        {
            "kind": spec.kind.value,
            "name": spec.name,
            "alias": spec.alias,
            "distribution": plugin.distribution,
            "version": plugin.version,
            "import_path": spec.import_path,
        }
        for plugin, spec in registry.components()
    ]
    if as_json:
        failures = [
            {
                "plugin": each.name,
                "distribution": each.distribution,
                "version": each.version,
                "error": each.error,
            }
            for each in broken
        ]
        print_json({"components": rows, "broken": failures})
    else:
        table = PlainTable("Kind", "Class", "Alias", "Distribution", "Version", box=None, pad_edge=False)
        for row in rows:
            table.add_row(row["kind"], row["name"], row["alias"] or "", row["distribution"], row["version"])
        console().print(table)
        for plugin in broken:
            console().print(
                f"[red]broken:[/red] plugin '{plugin.name}' of {plugin.distribution} {plugin.version}: "
                f"{plugin.error}"
            )
    sys.exit(1 if broken else 0)
