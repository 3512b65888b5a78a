"""`pynenc new`: the beginning of a plugin."""

from __future__ import annotations

import keyword
import re
from importlib.resources import files
from pathlib import Path
from string import Template

import click
import importlib_metadata

from pynenc.plugins.registry import ALIASES, plugin_registry

_PLACES = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "init.py": "src/{package}/__init__.py",
    "plugin.py": "src/{package}/plugin.py",
    "settings.py": "src/{package}/settings.py",
    "components.py": "src/{package}/components.py",
    "storage.py": "src/{package}/storage.py",
    "test_conformance.py": "tests/test_conformance.py",
}


@click.group()
def new() -> None:
    """Begin something new."""


@new.command("backend")
@click.argument("name")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where to put it, by default pynenc-NAME in the current folder.",
)
def backend(name: str, folder: Path | None) -> None:
    """Write an installable plugin with a storage driver to fill in, and the tests that prove it.

    NAME is the alias by which settings select the backend, such as nats or foundation-db.
    """
    if not re.fullmatch(r"[a-z][a-z0-9-]*", name) or keyword.iskeyword(name):
        raise click.BadParameter(
            f"'{name}': lower-case letters, digits and hyphens, a letter first", param_hint="NAME"
        )
    taken = {spec.alias: plugin for plugin, spec in plugin_registry().components()}
    name_of_ours = ALIASES.get(name, name)
    if name_of_ours in taken:
        raise click.BadParameter(
            f"'{name}' is the alias of what {taken[name_of_ours].distribution} offers", param_hint="NAME"
        )
    target = folder or Path(f"pynenc-{name}")
    if target.exists() and any(target.iterdir()):
        raise click.ClickException(f"the folder '{target}' is not empty; name another with --folder")
    method = name.replace("-", "_")
    values = {
        "name": name,
        "method": method,
        "package": f"pynenc_{method}",
        "title": "".join(part.capitalize() for part in name.split("-")),
        "version": ".".join(importlib_metadata.version("pynenc").split(".")[:2]),
    }
    templates = files("pynenc.cli").joinpath("scaffold")
    for source, place in _PLACES.items():
        text = templates.joinpath(f"{source}.tmpl").read_text(encoding="utf-8")
        path = target / place.format(**values)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(Template(text).substitute(values), encoding="utf-8")
    (target / "src" / values["package"] / "py.typed").touch()
    click.echo(f"{target} is a plugin now. What is left: the methods in src/{values['package']}/storage.py.")
    click.echo(f"  cd {target} && pip install -e '.[test]' && pytest")
