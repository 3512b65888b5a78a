"""Commands about runners."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

from click.testing import CliRunner, Result

from pynenc.actions.audit import entries
from pynenc.cli.main import cli
from pynenc.exceptions import RunnerError
from pynenc.state_backend.base_state_backend import RunnerData


def call(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["runner", *arguments])


def test_a_runner_is_asked_to_drain_and_to_go_on(write_app: Callable[[str, str], ModuleType]) -> None:
    app = write_app("cli_runner", "from pynenc import Pynenc\n\napp = Pynenc({'app_id': 'cli_runner'})\n").app
    now = app.components.now()
    app.state_backend.save_runners([RunnerData("runner-7", "X", 1, "h", None, now)])
    app.orchestrator.heartbeat(["runner-7"], now)
    words = ("drain", "drain", "undrain", "undrain")
    answers = [call(word, "runner-7").output.strip() for word in words]
    assert answers == ["it claims nothing more", "it drains already", "it claims again", "it does not drain"]
    wrong = call("drain", "nobody")
    assert isinstance(wrong.exception, RunnerError)
    assert "no live runner has this id; alive: runner-7" in str(wrong.exception)
    trail = [(entry.action, entry.target, bool(entry.is_error)) for entry in entries(app.components, 10)]
    assert trail[0] == ("drain", "nobody", True)
    assert ("undrain", "runner-7", False) in trail
