"""`pynenc certify`: proving an installed component with the conformance kit."""

from __future__ import annotations

import importlib.util
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
from typing import Any, TextIO

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
_ENDED = (0, 1)
"""The exit codes with which pytest has run all tests."""


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
    environment.pop("PYTEST_ADDOPTS", None)
    for path in filter(None, (report, badge)):
        _check_writable(path)
    if importlib.util.find_spec("pytest") is None:
        raise click.ClickException("the kit needs pytest: pip install 'pynenc[test]'")
    run = _Run(kind, alias, tries_all, environment)
    stages: list[dict[str, Any]] = []
    for stage in run.stages():
        stages.append(stage)
        if not as_json:
            _show(stage)
    has_failed = any(stage["failed"] for stage in stages)
    crash = run.crash(has_failed)
    ours = _our_figures(environment) if kind == "backend" and _figures(stages) and not crash else {}
    whole = {
        "alias": alias,
        "kind": kind,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "pynenc": importlib_metadata.version("pynenc"),
        "python": platform.python_version(),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "is_certified": bool(stages) and not crash and not has_failed,
        "crash": crash,
        "promises": sum(_kept(stage) for stage in stages),
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


def _check_writable(path: Path) -> None:
    """Refuse a file that cannot be written, before the run."""
    try:
        with path.open("a", encoding="utf-8"):
            pass
    except OSError as error:
        raise click.ClickException(f"'{path}' cannot be written: {error.strerror}") from error


def _kept(stage: Mapping[str, Any]) -> int:
    """Return how many promises of a stage were tried and kept."""
    return sum(outcome == "passed" for each in stage["promises"].values() for outcome in each.values())


def _found(alias: str) -> tuple[str, LoadedPlugin, ComponentSpec]:
    """Return which kind of component an alias names, and who offers it."""
    known = ALIASES.get(alias, alias)
    specs = [
        (plugin, spec) for plugin, spec in plugin_registry().components() if known in (spec.alias, spec.name)
    ]
    kinds = {spec.kind for _, spec in specs}
    if not kinds:
        names = sorted({spec.alias for _, spec in plugin_registry().components() if spec.alias})
        if any(known in (plugin.name, plugin.distribution) for plugin in plugin_registry().plugins):
            raise click.ClickException(f"'{alias}' has no component that the kit could prove")
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
    chooses = {"backend", *(kind.setting for kind in ComponentKind)}
    for each in settings:
        name, is_set, value = each.partition("=")
        if name.lower() in chooses:
            raise click.BadParameter(f"'{name}' chooses a component; ALIAS does that", param_hint="--set")
        if not is_set or not name.isidentifier():
            raise click.BadParameter(f"'{each}' is not of the form NAME=VALUE", param_hint="--set")
        found[f"PYNENC__{name.upper()}"] = value
    return found


class _Run:
    """A run of the kit in a process of its own.

    Args:
        kind: What is proved: backend, broker, serializer or runner.
        alias: Which one.
        tries_all: Whether later stages are tried after one that is not green.
        environment: Its environment.
        chosen: Which tests, as pytest's -k; None for all.
    """

    def __init__(
        self,
        kind: str,
        alias: str,
        tries_all: bool,
        environment: Mapping[str, str],
        chosen: str | None = None,
    ) -> None:
        self._command = [sys.executable, "-m", "pytest", "-q", "--pyargs", "pynenc.testing"]
        self._command += [f"--pynenc-{kind}", alias, "--pynenc-stages", "all" if tries_all else "stop"]
        self._command += ["-p", "no:cacheprovider", "-c", os.devnull, *(["-k", chosen] if chosen else [])]
        self._alias = alias
        self._environment = dict(environment)
        self._is_finished = False
        self._last: dict[str, str] = {}
        self._code = 0
        self._output = ""

    def stages(self) -> Iterator[dict[str, Any]]:
        """Run, and return each stage as soon as it is over."""
        with tempfile.TemporaryDirectory(prefix="pynenc-certify-") as folder:
            course, log = Path(folder, "course.jsonl"), Path(folder, "log")
            course.touch()
            command = [*self._command, "--pynenc-report", str(course), "--rootdir", folder]
            with log.open("wb") as output, course.open(encoding="utf-8") as lines:
                process = subprocess.Popen(
                    command, cwd=folder, env=self._environment, stdout=output, stderr=subprocess.STDOUT
                )
                try:
                    yield from self._entries(process, lines)
                finally:
                    process.kill()
                    self._code = process.wait()
            self._output = log.read_text(encoding="utf-8", errors="replace").strip()

    def _entries(self, process: subprocess.Popen[bytes], lines: TextIO) -> Iterator[dict[str, Any]]:
        is_over, rest = False, ""
        while not is_over:
            is_over = process.poll() is not None
            rest += lines.read()
            while "\n" in rest:
                line, _, rest = rest.partition("\n")
                entry = json.loads(line)
                if "stage" in entry:
                    yield entry
                elif "began" in entry:
                    self._last = entry
                self._is_finished |= "finished" in entry
            time.sleep(_LOOK_S)

    def crash(self, has_failed: bool) -> str:
        """Return in words that the process has not come to its end by itself; empty if it has.

        Args:
            has_failed: Whether a stage was not green, after which it ends early.
        """
        if self._is_finished and self._last and (has_failed or self._code in _ENDED):
            return ""
        code = self._code
        how = f"with signal {-code}" if code < 0 else f"with exit code {code}"
        tail = "\n".join(self._output.splitlines()[-_SHOWN_LINES:])
        if not self._last:
            return f"the kit could not run with '{self._alias}': its process has ended {how}\n{tail}"
        test = self._last["began"].rpartition("/")[2]
        return f"the process of the kit has ended {how} in the stage '{self._last['in']}', in {test}\n{tail}"


def _our_figures(environment: Mapping[str, str]) -> dict[str, str]:
    """Measure SQLite on this machine, now."""
    return _figures(list(_Run("backend", _OURS, True, environment, "round_trips or latency").stages()))


def _figures(stages: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    return {what: figure for stage in stages for what, figure in stage.get("figures", {}).items()}


def _show(stage: Mapping[str, Any]) -> None:
    line = f"{stage['stage']:<12} {stage['passed']:>4} passed"
    line += f", {stage['failed']} FAILED" if stage["failed"] else ""
    line += f", {stage['skipped']} skipped" if stage["skipped"] else ""
    click.secho(f"{line}  {stage['seconds']:.1f} s", fg="red" if stage["failed"] else "green")
    for reason, promises in stage["reasons"].items():
        click.echo(f"  not tried: {reason} ({len(promises)})")
    for failure in stage["failures"][:1]:
        click.echo(f"\n{failure['test'].rpartition('/')[2]}")
        click.echo("\n".join(failure["text"].splitlines()[-_SHOWN_LINES:]))
    if len(stage["failures"]) > 1:
        others = dict.fromkeys(
            each["test"].rpartition("::")[2].partition("[")[0] for each in stage["failures"][1:]
        )
        click.echo("\nfailed as well: " + ", ".join(others))


def _tell_end(whole: Mapping[str, Any], spec: ComponentSpec) -> None:
    for what, figure in sorted(whole["figures"].items()):
        ours = whole["figures_of_sqlite"].get(what)
        click.echo(f"{what:<46} {figure}" + (f"   (sqlite here: {ours})" if ours else ""))
    if whole["crash"]:
        click.secho(whole["crash"], fg="red")
    if whole["kind"] in _SERVERS:
        click.echo("not tried: outages, for which tests of your own have to stop and start the server")
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
    if whole["crash"]:
        verdict += f" ({whole['crash'].splitlines()[0]})"
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
            if set(promises.values()) == {"skipped"}:
                continue  # a suite for components of another make
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
