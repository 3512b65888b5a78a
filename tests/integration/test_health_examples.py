"""The examples of the page on health, tried as far as that goes without their orchestrators."""

from __future__ import annotations

import configparser
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from pynenc.conf.config_runner import ConfigRunner

PAGE = (Path(__file__).parents[2] / "docs/guide/health.md").read_text(encoding="utf-8")
PYNENC = str(Path(sys.executable).parent / "pynenc")


def _block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    code = "from pynenc import Pynenc\n\napp = Pynenc({'app_id': 'probed', 'backend': 'sqlite'})\n"
    (tmp_path / "tasks.py").write_text(code, encoding="utf-8")
    return tmp_path


@contextmanager
def _runner(command: list[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    assert command[0] == "pynenc"
    process = subprocess.Popen([PYNENC, *command[1:]], cwd=folder, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _within(seconds: float, look: Any) -> None:
    until = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < until
        time.sleep(0.1)


def _answer(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=3) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


@pytest.mark.timeout(120)
def test_the_check_of_the_image_tells_a_live_runner_from_a_dead_one(folder: Path) -> None:
    port = str(_free_port())
    lines = _block("dockerfile").replace("\\\n", " ").replace("8080", port).splitlines()
    command = json.loads(next(line for line in lines if line.startswith("CMD ")).removeprefix("CMD "))
    check = next(line for line in lines if line.startswith("HEALTHCHECK "))
    probe = json.loads(check[check.index(" CMD ") + 5 :])
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    def is_healthy() -> bool:
        environment = {**os.environ, "PATH": path}
        return subprocess.run(probe, env=environment, check=False, stderr=subprocess.DEVNULL).returncode == 0

    with _runner(command, folder):
        _within(60, is_healthy)
    assert not is_healthy()


@pytest.mark.timeout(120)
def test_the_probes_of_the_manifest_are_answered_and_the_grace_is_long_enough(folder: Path) -> None:
    port = _free_port()
    manifest = yaml.safe_load(_block("yaml").replace("8080", str(port)))
    (container,) = manifest["containers"]
    probes = {name: each for name, each in container.items() if name.endswith("Probe")}
    assert set(probes) == {"startupProbe", "livenessProbe", "readinessProbe"}
    with _runner(container["command"], folder) as process:
        for probe in probes.values():
            known = {"httpGet", "periodSeconds", "timeoutSeconds", "failureThreshold"}
            assert probe.keys() <= known
            where = probe["httpGet"]
            assert where["port"] == port
            url = f"http://127.0.0.1:{port}{where['path']}"
            _within(60, lambda url=url: _answer(url) == 200)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert manifest["terminationGracePeriodSeconds"] > ConfigRunner().shutdown_grace_seconds


@pytest.mark.timeout(120)
def test_the_unit_is_valid_and_its_file_appears(folder: Path) -> None:
    text = _block("ini").replace("/srv/shop/.venv/bin/pynenc", PYNENC)
    unit = configparser.ConfigParser()
    unit.read_string(text)
    command = unit["Service"]["ExecStart"].split()
    file = folder / "health.json"
    (place,) = [each for each in command if each.endswith("health.json")]
    assert place == f"/run/{unit['Service']['RuntimeDirectory']}/health.json"
    assert float(unit["Service"]["TimeoutStopSec"]) > ConfigRunner().shutdown_grace_seconds
    words = ["pynenc", *(str(file) if each == place else each for each in command[1:])]
    with _runner(words, folder) as process:
        _within(60, file.exists)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert not file.exists()
    if shutil.which("systemd-analyze") is not None:
        written = folder / "shop.service"
        written.write_text(text, encoding="utf-8")
        verify = ["systemd-analyze", "verify", "--man=no", str(written)]
        done = subprocess.run(verify, check=False, capture_output=True, text=True)
        assert "shop.service" not in done.stderr, done.stderr
