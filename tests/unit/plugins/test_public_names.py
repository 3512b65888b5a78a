"""What the worked example of a backend imports stands in the reference, and so is public."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SOURCES = sorted((ROOT / "examples" / "pynenc-lmdb" / "src").rglob("*.py"))


def _imported() -> Iterator[tuple[str, str]]:
    """Yield the modules of pynenc that the example imports from, with the names."""
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("pynenc."):
                yield from ((node.module, each.name) for each in node.names)


def _documented() -> dict[str, list[str] | None]:
    """Return what the reference shows: objects, and modules with the members that are shown, None for all."""
    shown: dict[str, list[str] | None] = {}
    for page in (ROOT / "docs" / "reference").glob("*.md"):
        for target, options in re.findall(
            r"^::: (\S+)\n((?:    .*\n)*)", page.read_text(encoding="utf-8"), re.M
        ):
            members = re.search(r"members: \[(.*)\]", options)
            shown[target] = re.findall(r'"(\w+)"', members[1]) if members else None
    return shown


@pytest.mark.parametrize(("module", "name"), sorted(set(_imported())))
def test_what_a_driver_needs_is_in_the_reference(module: str, name: str) -> None:
    shown = _documented()
    of_module = shown.get(module, [])
    assert f"{module}.{name}" in shown or of_module is None or name in of_module
