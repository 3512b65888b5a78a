"""`pynenc certify`: proving an installed component with the conformance kit."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

import click
import importlib_metadata

from pynenc.cli.options import as_json
from pynenc.cli.state import print_json
from pynenc.plugins.component import ComponentSpec
from pynenc.plugins.kinds import ComponentKind
from pynenc.plugins.registry import ALIASES, LoadedPlugin, plugin_registry

_LOOK_S = 0.1
_OURS = "sqlite"
_SERVERS = ("backend", "broker")
_SHOWN_LINES = 40


@click.command("certify")
@click.argument("alias")
@click.option("--all", "tries_all", is_flag=True, help="Try later stages even if one is not green.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A setting of the component.")
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="Write a report (Markdown).")
@click.option("--badge", type=click.Path(dir_okay=False, path_type=Path), help="Write a badge (SVG).")
@as_json
def certify(
    alias: str,
    tries_all: bool,
    settings: Sequence[str],
    report: Path | None,
    badge: Path | None,
    as_json: bool,
) -> None:
    """Prove an installed backend, broker, serializer or runner.

    ALIAS is what settings select it by, such as redis. Its settings come from the environment and from --set.
    The stages follow the order in which an author works; the first that is not green ends it.
    """
    kind, plugin, spec = _found(alias)
    environment = {**os.environ, **_given(settings)}
    stages: list[dict[str, Any]] = []
    for stage in _stages(kind, alias, tries_all, environment):
        stages.append(stage)
        if not as_json:
            _show(stage)
    if not stages:
        raise click.ClickException("the kit could not run; pip install 'pynenc[test]'")
    ours = _our_figures(environment) if kind == "backend" and _figures(stages) else {}
    whole = {
        "alias": alias,
        "kind": kind,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "pynenc": importlib_metadata.version("pynenc"),
        "python": platform.python_version(),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "is_certified": not any(stage.get("failed") for stage in stages),
        "promises": sum(len(each) for stage in stages for each in stage["promises"].values()),
        "figures": _figures(stages),
        "figures_of_sqlite": ours,
        "stages": stages,
    }
    if as_json:
        print_json(whole)
    else:
        _tell_end(whole, spec)
    if report is not None:
        report.write_text(_as_markdown(whole), encoding="utf-8")
    if badge is not None:
        badge.write_text(_as_badge(whole), encoding="utf-8")
    if not whole["is_certified"]:
        sys.exit(1)


def _found(alias: str) -> tuple[str, LoadedPlugin, ComponentSpec]:
    """Return which kind of component an alias names, and who offers it."""
    known = ALIASES.get(alias, alias)
    specs = [
        (plugin, spec) for plugin, spec in plugin_registry().components() if known in (spec.alias, spec.name)
    ]
    kinds = {spec.kind for _, spec in specs}
    if not kinds:
        names = sorted({spec.alias for _, spec in plugin_registry().components() if spec.alias})
        raise click.BadParameter(
            f"no installed plugin offers '{alias}'; installed: {', '.join(names)}", param_hint="ALIAS"
        )
    plugin, spec = specs[0]
    if ComponentKind.ORCHESTRATOR in kinds:
        return "backend", plugin, spec
    for kind, option in (
        (ComponentKind.BROKER, "broker"),
        (ComponentKind.SERIALIZER, "serializer"),
        (ComponentKind.RUNNER, "runner"),
    ):
        if kind in kinds:
            return option, plugin, spec
    words = ", ".join(sorted(kind.words for kind in kinds))
    raise click.ClickException(
        f"'{alias}' is a {words} alone: test it with the suite of its kind, as the manual says under "
        f"'Replacing a single component'"
    )


def _given(settings: Sequence[str]) -> dict[str, str]:
    """Return settings of the command line as environment variables."""
    found: dict[str, str] = {}
    for each in settings:
        name, is_set, value = each.partition("=")
        if not is_set or not name.isidentifier():
            raise click.BadParameter(f"'{each}' is not of the form NAME=VALUE", param_hint="--set")
        found[f"PYNENC__{name.upper()}"] = value
    return found


def _stages(
    kind: str, alias: str, tries_all: bool, environment: Mapping[str, str], chosen: str | None = None
) -> Iterator[dict[str, Any]]:
    """Run the kit in a process of its own, and return each stage as soon as it is over."""
    with tempfile.TemporaryDirectory(prefix="pynenc-certify-") as folder:
        course, log = Path(folder, "course.jsonl"), Path(folder, "log")
        course.touch()
        command = [sys.executable, "-m", "pytest", "-q", "--pyargs", "pynenc.testing"]
        command += [f"--pynenc-{kind}", alias, "--pynenc-stages", "all" if tries_all else "stop"]
        command += ["--pynenc-report", str(course), "-p", "no:cacheprovider", "-c", os.devnull]
        command += ["--rootdir", folder, *(["-k", chosen] if chosen else [])]
        with log.open("wb") as output, course.open(encoding="utf-8") as lines:
            process = subprocess.Popen(
                command, cwd=folder, env=dict(environment), stdout=output, stderr=subprocess.STDOUT
            )
            try:
                is_over, rest, told = False, "", False
                while not is_over:
                    is_over = process.poll() is not None
                    rest += lines.read()
                    while "\n" in rest:
                        line, _, rest = rest.partition("\n")
                        told = True
                        yield json.loads(line)
                    time.sleep(_LOOK_S)
            finally:
                process.kill()
                process.wait()
        if not told:
            text = log.read_text(encoding="utf-8", errors="replace").strip()
            raise click.ClickException(f"the kit could not run:\n{text[-3000:]}")


def _our_figures(environment: Mapping[str, str]) -> dict[str, str]:
    """Measure SQLite on this machine, now."""
    try:
        return _figures(list(_stages("backend", _OURS, True, environment, "round_trips or latency")))
    except click.ClickException:
        return {}


def _figures(stages: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    return {what: figure for stage in stages for what, figure in stage.get("figures", {}).items()}


def _show(stage: Mapping[str, Any]) -> None:
    line = f"{stage['stage']:<12} {stage['passed']:>4} passed"
    line += f", {stage['failed']} FAILED" if stage["failed"] else ""
    line += f", {stage['skipped']} skipped" if stage["skipped"] else ""
    click.secho(f"{line}  {stage['seconds']:.1f} s", fg="red" if stage["failed"] else "green")
    for failure in stage["failures"][:1]:
        click.echo(f"\n{failure['test'].rpartition('/')[2]}")
        click.echo("\n".join(failure["text"].splitlines()[-_SHOWN_LINES:]))
    if len(stage["failures"]) > 1:
        others = [each["test"].rpartition("::")[2] for each in stage["failures"][1:]]
        click.echo("\nlikewise: " + ", ".join(others))


def _tell_end(whole: Mapping[str, Any], spec: ComponentSpec) -> None:
    for what, figure in sorted(whole["figures"].items()):
        ours = whole["figures_of_sqlite"].get(what)
        click.echo(f"{what:<46} {figure}" + (f"   (sqlite here: {ours})" if ours else ""))
    if whole["kind"] in _SERVERS:
        click.echo("not tried: outages, for which the plugin's own tests stop and start the server")
    if whole["is_certified"]:
        click.secho(
            f"{whole['alias']} keeps {whole['promises']} promises, as a {whole['kind']} of pynenc "
            f"{whole['pynenc']}",
            fg="green",
        )
    else:
        click.secho(f"{whole['alias']} ({spec.import_path}) is not certified yet", fg="red")


def _as_markdown(whole: Mapping[str, Any]) -> str:
    """Return the report."""
    keeps, breaks = "keeps all promises that were tried", "does **not** keep all promises"
    verdict = keeps if whole["is_certified"] else breaks
    parts = [
        f"# {whole['alias']}: conformance",
        "",
        f"{whole['distribution']} {whole['version']} {verdict}, as a {whole['kind']} of pynenc "
        f"{whole['pynenc']} on Python {whole['python']}; {whole['at']}.",
        "",
        "| stage | passed | failed | skipped | seconds |",
        "| --- | --- | --- | --- | --- |",
    ]
    counts = ("stage", "passed", "failed", "skipped")
    for each in whole["stages"]:
        parts.append(f"| {' | '.join(str(each[name]) for name in counts)} | {each['seconds']:.1f} |")
    if whole["figures"]:
        parts += ["", "| figure | here | sqlite, here |", "| --- | --- | --- |"]
        parts += [
            f"| {what} | {figure} | {whole['figures_of_sqlite'].get(what, '')} |"
            for what, figure in sorted(whole["figures"].items())
        ]
    for stage in whole["stages"]:
        for suite, promises in stage["promises"].items():
            parts += ["", f"## {stage['stage']}: {suite}", ""]
            marks = {"passed": "", "failed": " **(broken)**", "skipped": " (not tried)"}
            parts += [f"- {promise}{marks[outcome]}" for promise, outcome in promises.items()]
    return "\n".join([*parts, ""])


def _as_badge(whole: Mapping[str, Any]) -> str:
    """Return the badge."""
    text = f"{whole['promises']} promises kept" if whole["is_certified"] else "not certified"
    colour = "#2e7d32" if whole["is_certified"] else "#b3261e"
    label = f"pynenc {whole['pynenc']}"
    left, right = 7 * len(label) + 12, 7 * len(text) + 12
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img" '
        f'aria-label="{escape(label)}: {escape(text)}"><title>{escape(label)}: {escape(text)}</title>'
        f'<rect width="{left}" height="20" fill="#444"/>'
        f'<rect x="{left}" width="{right}" height="20" fill="{colour}"/>'
        f'<g fill="#fff" font-family="Verdana,sans-serif" font-size="11" text-anchor="middle">'
        f'<text x="{left / 2}" y="14">{escape(label)}</text>'
        f'<text x="{left + right / 2}" y="14">{escape(text)}</text></g></svg>\n'
    )
