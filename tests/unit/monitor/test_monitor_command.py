"""`pynenc monitor`: what it needs, whom it serves, and what is loaded for those who do not use it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from pynenc.cli.monitor_command import _is_loopback

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
    assert "module 'nowhere' was not found" in output


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


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("raise RuntimeError('sesame')", "sesame"),
        ("import sys; sys.exit(0)", "SystemExit"),
        ("import os; os._exit(3)", "has ended the process that imported it"),
        ("from pynenc import Pynenc; app = Pynenc({'app_id': 'x', 'backend': 7})", "backend"),
        (
            "from pynenc import Pynenc; app = Pynenc({'app_id': 'x'}); other = Pynenc({'app_id': 'y'})",
            "several|defines",
        ),
    ],
)
def test_an_app_that_cannot_be_had_is_not_replaced_by_another(tmp_path: Path, body: str, words: str) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.pynenc]\napp = "one"\nbackend = "sqlite"\n')
    (tmp_path / "one.py").write_text(body)
    code, output = _monitor(tmp_path, "monitor", "--port", "0")
    assert code == 1
    assert re.search(words, output)


def test_settings_reach_the_monitor_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text(
        "import atexit, os, threading, time\nfrom pydantic import SecretStr\nfrom pynenc import Pynenc\n"
        "print('noise')\natexit.register(lambda: print('bye'))\n"
        "threading.Thread(target=lambda: time.sleep(600)).start()\n"
        "os.environ['PYNENC__MONITOR_LABEL'] = 'blue'\n"
        "app = Pynenc({'app_id': 'told', 'backend': 'sqlite', 'monitor_mask': {'pin'}, "
        "'monitor_token': SecretStr('0123456789abcdefX')})\n"
    )
    read, write = os.pipe()
    command = [sys.executable, "-m", "pynenc.cli.app_settings", str(write), "one"]
    done = subprocess.run(
        command, cwd=tmp_path, pass_fds=[write], timeout=50, check=True, capture_output=True
    )
    os.close(write)
    with os.fdopen(read) as answer:
        told = json.load(answer)
    assert told["values"]["monitor_mask"] == ["pin"]
    assert told["values"]["monitor_token"] == "0123456789abcdefX"
    assert told["environment"]["PYNENC__MONITOR_LABEL"] == "blue"
    assert b"noise" in done.stdout


@pytest.mark.parametrize("host", ["127.0.0.2", "LOCALHOST", "[::1]", "::1", "127.1.2.3"])
def test_names_of_this_machine_need_no_token(host: str) -> None:
    assert _is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.1", "::", "example.com"])
def test_other_addresses_do(host: str) -> None:
    assert not _is_loopback(host)


@pytest.mark.parametrize("code", ["import pynenc", "import pynenc.cli.main"])
def test_nothing_of_the_monitor_is_loaded_for_others(code: str) -> None:
    names = "starlette", "jinja2", "uvicorn", "pynenc.monitor"
    check = f"{code}\nimport sys\nassert not [each for each in {names!r} if each in sys.modules]"
    subprocess.run([sys.executable, "-c", check], check=True, timeout=50)


def test_it_stops_at_once_though_pages_are_open(tmp_path: Path) -> None:
    environment = {**os.environ, "PYNENC__BACKEND": "sqlite", "PYNENC__APP_ID": "stopped"}
    command = [sys.executable, "-m", "pynenc", "monitor", "--port", "0"]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        port = None
        while port is None:
            port = re.search(r"127\.0\.0\.1:(\d+)", process.stderr.readline())
        streams = [socket.create_connection(("127.0.0.1", int(port[1]))) for _ in range(3)]
        for stream in streams:
            stream.sendall(b"GET /stream?page=queues&query= HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            while b"event: main" not in stream.recv(65_536):
                pass
        process.terminate()
        for stream in streams:
            while stream.recv(65_536):
                pass
            stream.close()
        assert process.wait(60) in (0, -signal.SIGTERM)
        assert process.stderr.read() == ""
    finally:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()
