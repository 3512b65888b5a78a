"""Apps, tasks and invocations as values: ids, whatever the serializer."""

from __future__ import annotations

import base64
import logging
from typing import Any

import plain_tasks
import pytest

from pynenc import Pynenc
from pynenc.exceptions import SerializationError

SERIALIZERS = ["JsonSerializer", "JsonPickleSerializer", "PickleSerializer"]
SECRET = "a-password-in-the-settings"


@pytest.fixture(params=SERIALIZERS)
def app(request: pytest.FixtureRequest) -> Pynenc:
    return Pynenc(
        {
            "app_id": "handles",
            "serializer_cls": request.param,
            "sqlite_db_path": f"/nowhere/{SECRET}.db",
            "signing_keys": [SECRET + "-with-more-characters"],
        }
    )


def content(text: str) -> str:
    """Return a stored text with what is encoded in it."""
    try:
        return text + base64.b64decode(text).decode("latin-1")
    except ValueError:
        parts = [part for part in text.split('"') if len(part) > 40]
        return text + "".join(base64.b64decode(part + "===").decode("latin-1") for part in parts)


def test_a_handle_comes_back_and_carries_no_settings(app: Pynenc) -> None:
    task = app.task(plain_tasks.add)
    invocation = task(1, 2)
    group = task.parallelize([(1, 2), (3, 4)])
    values: list[Any] = [app, task, invocation, group, {"all": [app, (task, invocation)]}]
    for value in values:
        text = app.serializer.serialize(value)
        assert SECRET not in content(text)
        assert "nowhere" not in content(text)
        found = app.serializer.deserialize(text)
        assert type(found) is type(value)
    assert app.serializer.deserialize(app.serializer.serialize(app)) is app
    assert app.serializer.deserialize(app.serializer.serialize(task)) is app.find_task(task.task_id)
    assert app.serializer.deserialize(app.serializer.serialize(invocation)) == invocation


def test_a_handle_of_an_app_that_is_not_here_is_refused(app: Pynenc) -> None:
    other = Pynenc({"app_id": "elsewhere"})
    text = app.serializer.serialize(other.task(plain_tasks.add))
    Pynenc.discard("elsewhere")
    with pytest.raises(SerializationError, match="no app 'elsewhere' exists in this process"):
        app.serializer.deserialize(text)


def test_a_registered_converter_serves_every_serializer(app: Pynenc) -> None:
    app.serializer.register(plain_tasks.Opaque, lambda each: each.secret, plain_tasks.Opaque)
    text = app.serializer.serialize([plain_tasks.Opaque(3)])
    assert app.serializer.deserialize(text)[0].secret == 3
    app.serializer._converters.clear()  # type: ignore[attr-defined]
    with pytest.raises(SerializationError, match="no converter is registered"):
        app.serializer.deserialize(text)


@pytest.mark.parametrize("serializer", SERIALIZERS)
@pytest.mark.parametrize("signing", [[], ["k" * 40]])
@pytest.mark.parametrize("backend", ["mem", "sqlite"])
def test_a_runner_warns_of_a_serializer_that_executes_code(
    serializer: str, signing: list[str], backend: str, tmp_path: Any, caplog: pytest.LogCaptureFixture
) -> None:
    app = Pynenc(
        {
            "app_id": "warned",
            "backend": backend,
            "sqlite_db_path": str(tmp_path / "w.db"),
            "serializer_cls": serializer,
            "signing_keys": signing,
            "runner_cls": "ThreadRunner",
        }
    )
    app.logger.propagate = True
    with caplog.at_level(logging.WARNING):
        app.runner._check_serializer()
    warned = any("executes code that stands in stored values" in each.message for each in caplog.records)
    assert warned == (serializer != "JsonSerializer" and not signing and backend == "sqlite")
