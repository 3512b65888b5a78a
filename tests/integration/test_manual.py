"""Every code block of the README and the manual, executed.

A block with a title is a file. Lines of shell blocks run in order, a runner in the background;
installing is left out, since it is done. Python blocks without a title run as scripts.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_BLOCK = re.compile(r'^```(?P<language>\w+)(?: title="(?P<title>[^"]+)")?\n(?P<code>.*?)^```$', re.M | re.S)
PYTHON = os.environ.get("PYNENC_TEST_PYTHON", sys.executable)
_LEFT_OUT = ("pip ", "make ")
_RUNNER = re.compile(r"pynenc( --app \w+)? runner start( --[\w-]+ \S+)*")


def blocks(page: Path) -> list[dict[str, str]]:
    return [match.groupdict() for match in _BLOCK.finditer(page.read_text(encoding="utf-8"))]


def has_code(page: Path) -> bool:
    return any(block["language"] in ("python", "bash", "toml") for block in blocks(page))


@contextmanager
def runner_of(command: str, folder: Path, environment: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen(command.split(), cwd=folder, env=environment)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0


@pytest.mark.parametrize(
    "page", [page for page in PAGES if has_code(page)], ids=lambda page: str(page.relative_to(ROOT))
)
def test_the_code_of_a_page_runs(page: Path, tmp_path: Path) -> None:
    path = f"{Path(PYTHON).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYNENC__LOGGING_LEVEL": "error"}
    del environment["PYNENC__EMBEDDED_RUNNER"]
    scripts: list[list[str]] = []
    for block in blocks(page):
        if block["title"]:
            (tmp_path / block["title"]).write_text(block["code"], encoding="utf-8")
        elif block["language"] == "python":
            name = f"block_{len(scripts)}.py"
            (tmp_path / name).write_text(block["code"], encoding="utf-8")
            scripts.append([PYTHON, name])
        elif block["language"] == "bash":
            lines = [line for line in block["code"].replace("\\\n", " ").splitlines() if line]
            scripts += [["bash", "-ec", line] for line in lines if not line.startswith(_LEFT_OUT)]
    with ExitStack() as stack:
        for command in scripts:
            if _RUNNER.fullmatch(command[-1]):
                stack.enter_context(runner_of(command[-1], tmp_path, environment))
                continue
            done = subprocess.run(
                command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


def test_the_demo_keeps_its_promise() -> None:
    command = [sys.executable, "-m", "pynenc.cli.main", "demo", "--invocations", "60", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"ok": true' in done.stdout
