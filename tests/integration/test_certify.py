"""`pynenc certify`: nothing that does not keep its promises gets through, whatever it does to the run."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from test_new_plugins import environment, install, new

from pynenc.cli.main import cli

BROKER = """
import os
import signal

from pynenc.backend import PlainBroker

{at_import}


class BadBroker(PlainBroker):
    def send(self, messages):
        {send}

    def receive(self, queues, limit, timeout_s):
        return []

    def confirm(self, receipts):
        pass

    def clear(self, queues):
        pass
"""
WAYS = {
    "exits": ("", "os._exit(0)"),
    "crashes": ("", "os.kill(os.getpid(), signal.SIGSEGV)"),
    "interrupts": ("", "raise KeyboardInterrupt"),
    "exits at import": ("os._exit(0)", "pass"),
    "raises at import": ("raise OSError('no such client')", "pass"),
    "fails": ("", "raise OSError('broken')"),
}


class Bad:
    """An installed plugin with a broker that a test makes bad."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.plugin = folder / "pynenc-bad"
        new("broker", "bad", "--folder", str(self.plugin))
        self.python = environment(folder / "venv")
        self.broker("")

    def broker(self, send: str, at_import: str = "") -> None:
        text = BROKER.format(send=send or "pass", at_import=at_import)
        (self.plugin / "src" / "pynenc_bad" / "broker.py").write_text(text)
        install(self.python, self.plugin)

    def certify(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        command = [self.python, "-m", "pynenc", "certify", "bad", *arguments]
        env = {"PATH": "/usr/bin:/bin", "HOME": str(self.folder), "PYNENC_KIT_PATIENCE": "1", **more}
        return subprocess.run(
            command, cwd=self.folder, env=env, capture_output=True, text=True, check=False, timeout=100
        )


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bad]:
    return Bad(tmp_path_factory.mktemp("bad"))


@pytest.mark.timeout(180)
@pytest.mark.parametrize("way", WAYS)
def test_what_breaks_the_run_is_not_certified(bad: Bad, way: str, tmp_path: Path) -> None:
    at_import, send = WAYS[way]
    bad.broker(send, at_import)
    report, badge = tmp_path / "report.md", tmp_path / "badge.svg"
    done = bad.certify("--report", str(report), "--badge", str(badge))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "is not certified yet" in done.stdout
    assert "does **not** keep all promises" in report.read_text()
    assert "not certified" in badge.read_text()
    if way in ("exits", "crashes", "interrupts"):
        assert "in the stage 'messages', in test_broker.py::TestBroker::test_" in done.stdout
    if way == "exits at import":
        assert "the kit could not run with 'bad'" in done.stdout or "has ended" in done.stdout
    if way in ("raises at import", "fails"):
        assert ("no such client" if at_import else "OSError: broken") in done.stdout


def test_what_the_environment_chooses_is_not_proved_instead(bad: Bad) -> None:
    bad.broker("raise OSError('broken')")
    done = bad.certify(PYNENC__BROKER_CLS="mem", PYTEST_ADDOPTS="-k can_be_made")
    assert done.returncode == 1
    assert "OSError: broken" in done.stdout
    refused = bad.certify("--set", "broker_cls=mem")
    assert (refused.returncode, "chooses a component; ALIAS does that" in refused.stderr) == (2, True)


def test_what_is_written_is_tried_before_the_run(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["certify", "json", "--report", str(tmp_path / "not" / "there.md")])
    assert done.exit_code == 1
    assert "cannot be written" in done.output


def test_a_serializer_of_ours_is_certified(tmp_path: Path) -> None:
    report = tmp_path / "report.md"
    command = [sys.executable, "-m", "pynenc", "certify", "json", "--json", "--report", str(report)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert (told["is_certified"], told["crash"], told["kind"]) == (True, "", "serializer")
    assert [stage["stage"] for stage in told["stages"]] == ["basics", "values"]
    assert told["promises"] == sum(
        each == "passed"
        for stage in told["stages"]
        for suite in stage["promises"].values()
        for each in suite.values()
    )
    assert "- values come back the same or are refused" in report.read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nothing"], 2, "no installed plugin offers 'nothing'"),
        (["json", "--set", "x"], 2, "is not of the form NAME=VALUE"),
        (["json", "--set", "serializer_cls=pickle"], 2, "ALIAS does that"),
    ],
)
def test_wrong_calls_are_told(arguments: list[str], code: int, message: str) -> None:
    done = CliRunner().invoke(cli, ["certify", *arguments])
    assert done.exit_code == code
    assert message in " ".join(done.output.split())
