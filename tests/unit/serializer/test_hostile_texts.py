"""What reading a stored text can do, whoever has written it."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import types
from typing import Any

import pytest

from pynenc import Pynenc
from pynenc.exceptions import SerializationError


@pytest.fixture
def app() -> Pynenc:
    return Pynenc({"app_id": "json"})


@pytest.mark.parametrize(
    "text",
    [
        '{"__pynenc__": "exception", "class": "value_classes:Money", "args": []}',
        '{"__pynenc__": "object", "class": "os:system", "data": "true"}',
        '{"__pynenc__": "object", "class": "subprocess:Popen", "data": "true"}',
        '{"__pynenc__": "enum", "class": "value_classes:Size", "name": "__class__"}',
        '{"__pynenc__": "enum", "class": "value_classes:Size.__members__", "name": "SMALL"}',
        '{"__pynenc__": "dataclass", "class": "value_classes:Order", "fields": {"number": 1, "new": 2}}',
        '{"__pynenc__": "dataclass", "class": "value_classes:Order", "fields": {}}',
        '{"__pynenc__": "dataclass", "class": "value_classes:Order", "fields": {"number": 1}, '
        '"more": {"__class__": 1}}',
        '{"__pynenc__": "dataclass", "class": "a_module_that_is_not_imported:X", "fields": {}}',
        '{"__pynenc__": "exception", "class": "builtins:ValueError", "args": [], "attributes": '
        '{"__traceback__": 1}}',
        '{"__pynenc__": "exception", "class": "builtins:ValueError", "args": [], "cause": 1}',
        '{"__pynenc__": "converted", "class": "value_classes:Money", "data": 1}',
        '{"__pynenc__": "nothing of the kind"}',
        '{"__pynenc__": ["tuple"]}',
        '{"__pynenc__": "set", "items": [1, 1]}',
        '{"__pynenc__": "fraction", "items": ["1e9999999", null]}',
        '{"__pynenc__": "range", "items": [1.5, 2, 3]}',
        '{"__pynenc__": "datetime", "text": "2020-01-01", "fold": "x"}',
        '{"__pynenc__": "enum", "class": "value_classes:Size", "names": []}',
        '{"__pynenc__": "enum", "class": "signal:Signals", "names": ["SIGINT", "SIGTERM"]}',
        '{"__pynenc__": "dataclass", "class": "value_classes:Computed", "fields": {"x": 1}}',
        '{"__pynenc__": "exception", "class": "builtins:ValueError", "args": [], '
        '"attributes": {"add_note": 1}}',
        '{"__pynenc__": "exception", "class": "builtins:BlockingIOError", "args": [11, "g", '
        '{"__pynenc__": "dataclass", "class": "value_classes:Index", "fields": {}}]}',
        '{"__pynenc__": "dataclass", "class": "value_classes:PROXY.x", "fields": {}}',
        '{"__pynenc__": "converted", "class": "pynenc.task:Task", "data": {"app": "json", "task": "this.s"}}',
        '{"__pynenc__": "struct", "class": "value_classes:Counting", "fields": {"x": 1}}',
        '{"__pynenc__": "set", "items": [[]]}',
        '{"__pynenc__": "defaultdict", "items": [], "factory": "eval"}',
        '{"__pynenc__": "bytes", "base64": "*"}',
        '{"__pynenc__": "str", "escaped": "\\\\x"}',
        '{"__pynenc__": "pattern", "pattern": "(", "flags": 0}',
        '{"__pynenc__": "zone info", "text": "../../etc/passwd"}',
        '{"__pynenc__": "decimal", "text": "x"}',
        '{"py/object": "value_classes.Money"}',
        '{"json://1": 2}',
        "[" * 100_000,
        '{"a":' * 100_000,
        "1" * 5000,
        '"' + "\\ud8",
    ],
)
def test_a_hostile_text_raises_the_error_for_it(app: Pynenc, text: str) -> None:
    with pytest.raises(SerializationError, match="stored JSON"):
        app.serializer.deserialize(text)


def test_no_attribute_of_a_module_is_asked_for(app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> None:
    lazy = types.ModuleType("lazy_module")

    def ask(name: str) -> Any:
        raise AssertionError("code of the module ran")

    lazy.__getattr__ = ask  # type: ignore[method-assign]
    monkeypatch.setitem(sys.modules, "lazy_module", lazy)
    with pytest.raises(SerializationError, match="does not exist here"):
        app.serializer.deserialize('{"__pynenc__": "enum", "class": "lazy_module:X", "name": "A"}')


def test_allowed_packages_are_imported(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    package = tmp_path / "shop_models"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "orders.py").write_text("from enum import Enum\nclass State(Enum):\n    OPEN = 1\n")
    (package / "broken.py").write_text("raise SystemExit(3)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    text = '{"__pynenc__": "enum", "class": "shop_models.%s:State", "name": "OPEN"}'
    app = Pynenc({"app_id": "allowed"})
    with pytest.raises(SerializationError, match="serializer_modules"):
        app.serializer.deserialize(text % "orders")
    allowing = Pynenc({"app_id": "allowing", "serializer": {"serializer_modules": ["shop_models"]}})
    assert allowing.serializer.deserialize(text % "orders").name == "OPEN"
    with pytest.raises(SerializationError, match="SystemExit"):
        allowing.serializer.deserialize(text % "broken")
    with pytest.raises(SerializationError, match="serializer_modules"):
        allowing.serializer.deserialize('{"__pynenc__": "enum", "class": "shop_models2:X", "name": "A"}')


_AUDIT = """
import random, sys
from pynenc import Pynenc
from pynenc.exceptions import SerializationError
from pynenc.testing.kit_values import Colour, Model, Order, Pair, Point, Record, RefusedError
from pynenc.serializer.json_serializer import KINDS

app = Pynenc({"app_id": "audit"})
serializer = app.serializer
values = [Colour.RED, Order(1, [2]), Point(1), Pair(1), Record("a"), Model(name="m")]
values = [values, RefusedError(1), {1: {2}}]
texts = [serializer.serialize(value) for value in values]
pieces = ['"', "{", "}", "[", "]", ",", ":", "os:system", "builtins:eval", "__class__"]
pieces += ["__pynenc__", "1", "null", '"class"', '"fields"', '"items"', "subprocess:Popen"]
pieces += [kind.tag for kind in KINDS]
serializer.deserialize(texts[0])
done = []
calm = {"object.__getattr__", "object.__setattr__", "object.__delattr__"}
sys.addaudithook(lambda event, arguments: done.append((event, arguments)) if event not in calm else None)
chance = random.Random(5)
for _ in range(TRIES):
    text = chance.choice(texts)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(text) + 1)
        text = text[:at] + chance.choice(pieces) + text[at + chance.randint(0, 12):]
    try:
        serializer.deserialize(text)
    except SerializationError:
        pass
print(sorted({event for event, _ in done}))
"""


@pytest.mark.timeout(600)
def test_reading_damaged_texts_imports_and_calls_nothing() -> None:
    tries = os.environ.get("PYNENC_TEST_FUZZ_TRIES", "30_000")  # `make fuzz` tries a million
    program = _AUDIT.replace("TRIES", tries)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
