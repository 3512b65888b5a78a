"""`pynenc new`: the beginning of a plugin."""

from __future__ import annotations

import keyword
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

import click
import importlib_metadata

from pynenc.plugins.registry import ALIASES, plugin_registry

_SUFFIX = ".tmpl"
_PACKAGE = "package"
"""The folder of a template that becomes the package of the plugin."""
_COMMON = "common"
_LONGEST_NAME = 60


@dataclass(frozen=True)
class Kind:
    """A kind of plugin.

    Attributes:
        name: The name of the command and of the folder with its templates.
        summary: What such a plugin is, with `{title}` for what it is on.
        first: What its author does first, with `{package}` and `{name}` for those.
        help: The help of the command.
    """

    name: str
    summary: str
    first: str
    help: str


KINDS = (
    Kind(
        "backend",
        "{title} backend for pynenc",
        "fill in the methods in src/{package}/storage.py, and prove them",
        "Write an installable plugin with a storage driver to fill in, and the tests that prove it.",
    ),
    Kind(
        "broker",
        "{title} broker for pynenc",
        "fill in the methods in src/{package}/broker.py, and prove them",
        "Write an installable plugin with a broker to fill in, and the tests that prove it.",
    ),
    Kind(
        "serializer",
        "{title} serializer for pynenc",
        "fill in the kinds of values in src/{package}/serializer.py, and prove them",
        "Write an installable plugin with a serializer to fill in, and the tests that prove it.",
    ),
    Kind(
        "runner",
        "{title} runner for pynenc",
        "change where bodies run in src/{package}/runner.py, and prove it",
        "Write an installable plugin with a runner of bodies, and the tests that prove it.",
    ),
    Kind(
        "hook",
        "{title} hooks for pynenc",
        "change the hooks in src/{package}/plugin.py, and test them",
        "Write an installable plugin with hooks into the life of invocations, and a test of them.",
    ),
)


@click.group()
def new() -> None:
    """Begin a plugin of your own."""


def _command(kind: Kind) -> click.Command:
    @click.command(
        kind.name,
        help=f"{kind.help}\n\nNAME is the alias by which settings select it, such as nats or foundation-db.",
    )
    @click.argument("name")
    @click.option(
        "--folder",
        type=click.Path(file_okay=False, path_type=Path),
        help="Where to put it, by default pynenc-NAME in the current folder.",
    )
    def command(name: str, folder: Path | None) -> None:
        _write(kind, name, folder)

    return command


def _write(kind: Kind, name: str, folder: Path | None) -> None:
    """Write the plugin."""
    _check(name)
    target = folder or Path(f"pynenc-{name}")
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise click.ClickException(f"'{target}' is not a folder; name another with --folder")
    if target.exists() and any(target.iterdir()):
        raise click.ClickException(f"the folder '{target}' is not empty; name another with --folder")
    method = name.replace("-", "_")
    title = "".join(part.capitalize() for part in name.split("-"))
    values = {
        "name": name,
        "method": method,
        "package": f"pynenc_{method}",
        "title": title,
        "summary": kind.summary.format(title=title),
        "version": ".".join(importlib_metadata.version("pynenc").split(".")[:2]),
    }
    try:
        _write_files(kind, target, values)
    except OSError as error:
        told = f"'{target}' cannot be written: {error.strerror}. Remove what is there of it, and try again"
        raise click.ClickException(told) from error
    first = kind.first.format_map(values)
    proof = "pytest" if kind.name == "hook" else f"pynenc certify {name}"
    click.echo(f"The plugin is in {target}. What is left: {first}.")
    click.echo(f"  cd {shlex.quote(str(target))} && pip install -e '.[test]' && {proof}")


def _write_files(kind: Kind, target: Path, values: Mapping[str, str]) -> None:
    for place, text in _templates(kind):
        path = target / place.replace(f"/{_PACKAGE}/", f"/{values['package']}/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(Template(text).substitute(values), encoding="utf-8")
    (target / "src" / values["package"] / "py.typed").touch()


def _check(name: str) -> None:
    """Refuse a name that cannot be an alias, or is one already."""
    if keyword.iskeyword(name) or len(name) > _LONGEST_NAME:
        raise click.BadParameter(
            f"'{name[:_LONGEST_NAME]}' is a keyword of Python, or too long", param_hint="NAME"
        )
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise click.BadParameter(
            f"'{name}': lower-case letters, digits and hyphens between them, a letter first",
            param_hint="NAME",
        )
    taken = {spec.alias: (plugin, spec.kind) for plugin, spec in plugin_registry().components()}
    name_of_ours = ALIASES.get(name, name)
    if name_of_ours in taken:
        plugin, kind = taken[name_of_ours]
        raise click.BadParameter(
            f"'{name}' is the alias of a {kind.words} that {plugin.distribution} offers", param_hint="NAME"
        )


def _templates(kind: Kind) -> Iterator[tuple[str, str]]:
    """Return the place and the text of each template."""
    scaffold = files("pynenc.cli").joinpath("scaffold")
    for folder in (_COMMON, kind.name):
        yield from _texts_in(scaffold.joinpath(folder), "")


def _texts_in(folder: Traversable, place: str) -> Iterator[tuple[str, str]]:
    for each in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if each.is_dir():
            yield from _texts_in(each, f"{place}{each.name}/")
        elif each.name.endswith(_SUFFIX):
            yield f"{place}{each.name.removesuffix(_SUFFIX)}", each.read_text(encoding="utf-8")


for _kind in KINDS:
    new.add_command(_command(_kind))
