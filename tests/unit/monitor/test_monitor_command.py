"""`pynenc monitor`: what it needs, whom it serves, and what is loaded for those who do not use it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

APP = """
from pathlib import Path
from pynenc import Pynenc
Path("imported").write_text(str(__import__("os").getpid()))
app = Pynenc({"app_id": "commanded", "backend": BACKEND})
"""


def _monitor(folder: Path, *words: str, backend: str = '"sqlite"', **settings: str) -> tuple[int, str]:
    (folder / "commanded.py").write_text(APP.replace("BACKEND", backend), encoding="utf-8")
    environment = {**os.environ, **{f"PYNENC__{name.upper()}": value for name, value in settings.items()}}
    command = [sys.executable, "-m", "pynenc", *words]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=50
    )
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def test_an_address_that_all_can_reach_needs_a_token(tmp_path: Path) -> None:
    code, output = _monitor(tmp_path, "--app", "commanded", "monitor", "--host", "0.0.0.0")
    assert code == 2
    assert "set 'monitor_token'" in output


def test_the_memory_of_another_process_cannot_be_seen(tmp_path: Path) -> None:
    code, output = _monitor(tmp_path, "--app", "commanded", "monitor", backend="None")
    assert code == 2
    assert "cannot be seen from here" in output


def test_an_app_that_cannot_be_imported_is_told(tmp_path: Path) -> None:
    code, output = _monitor(tmp_path, "--app", "nowhere", "monitor")
    assert code == 1
    assert "the settings of nowhere cannot be told" in output


def test_wrong_settings_and_a_port_that_is_taken_are_told(tmp_path: Path) -> None:
    code, output = _monitor(tmp_path, "--app", "commanded", "monitor", monitor_token="short")
    assert code == 1
    assert "monitor_token" in output
    assert "short" not in output.replace("shorter", "")
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, output = _monitor(
            tmp_path, "--app", "commanded", "monitor", "--port", str(taken.getsockname()[1])
        )
    assert code == 1
    assert "the monitor cannot listen at 127.0.0.1" in output


@pytest.mark.parametrize("code", ["import pynenc", "import pynenc.cli.main"])
def test_nothing_of_the_monitor_is_loaded_for_others(code: str) -> None:
    names = "starlette", "jinja2", "uvicorn", "pynenc.monitor"
    check = f"{code}\nimport sys\nassert not [each for each in {names!r} if each in sys.modules]"
    subprocess.run([sys.executable, "-c", check], check=True, timeout=50)
