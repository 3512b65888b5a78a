"""Pages of the manual that are generated from the code."""

from __future__ import annotations

from typing import Any

from mkdocs.structure.files import File, Files

from pynenc.cli.status_diagram import as_svg
from pynenc.conf.base_config import PynencConfig, is_secret
from pynenc.conf.config_pynenc import ConfigPynenc
from pynenc.conf.config_sealing import ConfigSealing
from pynenc.conf.config_task import ConfigTask
from pynenc.invocation.status import INITIAL_STATUSES, RULES
from pynenc.plugins.registry import PluginRegistry
from pynenc.serializer.json_serializer import KINDS
from pynenc.serializer.kinds import MARK
from pynenc.testing.required_values import REQUIRED


def on_files(files: Files, config: Any) -> Files:
    """Add the generated pages."""
    files.append(File.generated(config, "reference/settings.md", content=settings_page()))
    files.append(File.generated(config, "reference/values.md", content=values_page()))
    files.append(File.generated(config, "statuses.md", content=statuses_page()))
    files.append(File.generated(config, "statuses.svg", content=as_svg()))
    return files


def settings_page() -> str:
    """Every setting of every class of the core, with its default."""
    classes: list[type[PynencConfig]] = [ConfigPynenc, ConfigSealing, ConfigTask]
    classes += PluginRegistry(load_entry_points=False).settings_classes()
    parts = [
        "# All settings",
        "Generated from the models. In the environment a setting is `PYNENC__` and its name in capitals; "
        "`PYNENC__` and the class name before it set it for that class alone.",
    ]
    for cls in dict.fromkeys(classes):
        parts += ["", f"## {cls.__name__}", "", str(cls.__doc__).strip().splitlines()[0], ""]
        if cls.section:
            parts += [f"Section of a settings file: `{cls.section}`.", ""]
        parts += ["| setting | default | meaning |", "| --- | --- | --- |"]
        for name, info in cls.model_fields.items():
            default = "secret" if is_secret(cls, name) else _shown(info.default)
            parts.append(f"| `{name}` | `{default}` | {info.description or ''} |")
    return "\n".join(parts) + "\n"


def values_page() -> str:
    """Every kind of values that the default serializer carries."""
    parts = [
        "# Kinds of values",
        "",
        "Generated from the code of the `JsonSerializer`. These kinds are carried, nested in each other, "
        "besides JSON types (`None`, `bool`, `int`, `float`, `str`, `list`, `dict` with strings as keys):",
        "",
        "| kind | in stored JSON |",
        "| --- | --- |",
    ]
    parts += [f'| {kind.words} | `"{MARK}": "{kind.tag}"` |' for kind in KINDS]
    converted = "tasks, invocations, groups, apps, and classes with a registered converter"
    parts.append(f'| {converted} | `"{MARK}": "converted"` |')
    parts += ["", "## What every serializer carries", ""]
    parts.append("A serializer of your own carries at least these kinds, and refuses what it does not carry:")
    parts += ["", *(f"- {kind}" for kind in REQUIRED)]
    return "\n".join(parts) + "\n"


def _shown(default: Any) -> str:
    if isinstance(default, tuple):
        return ", ".join(getattr(each, "__name__", str(each)) for each in default) or "()"
    return str(default)


def statuses_page() -> str:
    """The state machine as a picture and a table."""
    parts = [
        "# Statuses",
        "",
        "Generated from the one table that decides every change; `pynenc status render` prints it.",
        "",
        "![Statuses of an invocation](statuses.svg)",
        "",
        "Green ends the life of an invocation, amber belongs to a runner. A change of an owned status needs "
        "the owner's id and the claim number, which every claim raises.",
        "",
        "| status | meaning | may go to | owner |",
        "| --- | --- | --- | --- |",
    ]
    for status, rule in RULES.items():
        targets = ", ".join(sorted(target.name for target in rule.targets)) or "final"
        begins = " (first)" if status in INITIAL_STATUSES else ""
        parts.append(f"| {status.name}{begins} | {rule.meaning} | {targets} | {rule.ownership} |")
    return "\n".join(parts) + "\n"
