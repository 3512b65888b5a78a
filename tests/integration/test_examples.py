"""Every example runs with one command and prints what it should."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
PROGRAMS = sorted(path.parent for path in EXAMPLES.glob("*/main.py"))


@pytest.mark.parametrize("folder", PROGRAMS, ids=lambda folder: folder.name)
def test_an_example_prints_what_it_should(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(folder / "main.py")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == (folder / "expected.txt").read_text(encoding="utf-8")


def test_every_example_is_in_the_list() -> None:
    text = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert [folder.name for folder in PROGRAMS if f"({folder.name}/main.py)" not in text] == []
