"""The default serializer: what it carries, what it refuses, and what reading can do."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import re
from collections import Counter, deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import plain_tasks
import pytest
import value_classes as classes

from pynenc import Pynenc
from pynenc.calls.interfaces import InvocationGroup
from pynenc.exceptions import RemoteTaskError, SerializationError
from pynenc.plugins.component import ConverterSpec
from pynenc.plugins.hookspecs import hookimpl
from pynenc.plugins.registry import plugin_registry
from pynenc.serializer.exception_data import as_text, exception_data, unpack_exception
from pynenc.serializer.json_serializer import DEEPEST, KINDS
from pynenc.testing.kit_values import same


@pytest.fixture
def app() -> Pynenc:
    return Pynenc({"app_id": "json"})


def there_and_back(app: Pynenc, value: Any) -> Any:
    return app.serializer.deserialize(app.serializer.serialize(value))


def nested(make: Callable[[Any], Any], depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = make(value)
    return value


# --- what is carried ---------------------------------------------------------------------


CARRIED: list[Any] = [
    10**5000,
    -(10**5000),
    "caf\udce9",
    "\ud83d\ude00",
    {"caf\udce9": 1},
    {"py/object": "os.system"},
    {"json://1": 1},
    {"__pynenc__": "tuple", "items": []},
    {1: "a", (1, 2): {"b": {3}}, None: 0},
    datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Zurich")),
    datetime(2026, 1, 1, tzinfo=UTC),
    datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=1), "X")),
    ZoneInfo("America/New_York"),
    pathlib.Path("/tmp/caf\udce9"),
    pathlib.PureWindowsPath("c:\\x"),
    deque([1, 2], maxlen=5),
    classes.Plain(1, [2]),
    classes.Frozen(1),
    classes.Private(a=1),
    classes.Root([1]),
    classes.Record(1),
    classes.Size.TINY,
    classes.Order(1, [classes.Child(2)]),
    nested(lambda inner: (inner,), DEEPEST),
    nested(lambda inner: [inner], DEEPEST),
    nested(lambda inner: {1: inner}, DEEPEST),
]


@pytest.mark.parametrize("value", CARRIED, ids=lambda value: ascii(type(value).__name__))
def test_a_value_comes_back_equal_and_of_its_type(app: Pynenc, value: Any) -> None:
    assert same(there_and_back(app, value), value)
    assert app.serializer.serialize(value).encode()


def test_fields_are_set_without_the_constructor(app: Pynenc) -> None:
    order = classes.Order(1)
    order.started.append("and more")
    order.note = "set from outside"  # type: ignore[attr-defined]
    found = there_and_back(app, order)
    assert (found.started, found.note) == (["the constructor ran", "and more"], "set from outside")
    loose = there_and_back(app, classes.Loose(1))
    assert (loose.x, hasattr(loose, "later")) == (1, False)


def test_a_field_that_older_code_has_not_written_has_its_default(app: Pynenc) -> None:
    serializer = app.serializer
    child = json.loads(serializer.serialize(classes.Child(1)))
    del child["fields"]["extra"], child["fields"]["lines"]
    found = serializer.deserialize(json.dumps(child))
    assert (found.extra, found.lines) == (3, [])
    record = json.loads(serializer.serialize(classes.Record(1)))
    del record["fields"]["y"]
    assert serializer.deserialize(json.dumps(record)).y == 7


def test_equal_sets_have_equal_texts(app: Pynenc) -> None:
    texts = {app.serializer.serialize(set(order)) for order in (["a", "b", "cc"], ["cc", "b", "a"])}
    assert len(texts) == 1


@pytest.mark.parametrize(
    "error",
    [
        classes.Told(403, detail="closed"),
        KeyError("k"),
        FileNotFoundError(2, "no", "file"),
        classes.SubOSError(2, "no", "file"),
        UnicodeDecodeError("utf-8", b"a", 0, 1, "why"),
        SyntaxError("m", ("f", 1, 2, "text")),
        ImportError("m", name="n", path="p"),
        StopIteration(3),
        ExceptionGroup("g", [ValueError(1), classes.Told(1)]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_exception_comes_back_with_its_attributes(app: Pynenc, error: BaseException) -> None:
    found = there_and_back(app, error)
    assert same(found, error)
    assert str(found) == str(error)
    assert {
        name: getattr(found, name, None) for name in ("errno", "filename", "lineno", "name", "value")
    } == {name: getattr(error, name, None) for name in ("errno", "filename", "lineno", "name", "value")}


def test_causes_contexts_and_notes_come_along(app: Pynenc) -> None:
    error = ValueError("outer")
    error.add_note("a note")
    error.__cause__ = classes.Told(1)
    other = ValueError("outer")
    other.__context__ = KeyError(object())  # cannot be carried itself
    slotted = classes.Slotted("x")
    slotted.reason = "why"
    found = there_and_back(app, [error, slotted, other])
    assert found[0].__notes__ == ["a note"]
    assert found[0].__cause__.detail == "none"
    assert isinstance(found[2].__context__, RemoteTaskError)
    assert found[2].__context__.type_name == "KeyError"
    assert found[1].reason == "why"


def test_a_chain_of_causes_is_written_once(app: Pynenc) -> None:
    def fail(depth: int) -> None:
        try:
            if depth:
                fail(depth - 1)
            raise KeyError("bottom")
        except Exception as error:
            raise ValueError(depth) from error

    lengths = []
    for depth in (10, 20):
        with pytest.raises(ValueError, match=str(depth)) as caught:
            fail(depth)
        lengths.append(len(app.serializer.serialize(caught.value)))
        found = there_and_back(app, caught.value)
        assert found.__cause__.args == (depth - 1,)
    assert lengths[1] < 3 * lengths[0]


def test_the_remote_traceback_ends_the_chain_of_causes(app: Pynenc) -> None:
    error = ValueError("outer")
    error.__cause__ = KeyError("inner")
    found = unpack_exception(app.serializer, as_text(exception_data(app.serializer, error)))
    assert isinstance(found.__cause__, KeyError)
    assert "ValueError: outer" in str(found.__cause__.__cause__)


def test_tasks_invocations_and_groups_travel_by_their_ids(app: Pynenc) -> None:
    task = app.task(plain_tasks.add)
    group = task.parallelize([(1,), (2,)])
    value = {"app": app, "task": task, "call": group[0], "group": group}
    text = app.serializer.serialize(value)
    found = app.serializer.deserialize(text)
    assert (found["app"], found["task"]) == (app, task)
    assert found["call"].invocation_id == group[0].invocation_id
    assert isinstance(found["group"], InvocationGroup)
    assert [each.invocation_id for each in found["group"]] == [each.invocation_id for each in group]
    assert "config" not in text


# --- what is refused ---------------------------------------------------------------------


@dataclasses.dataclass
class Line:
    """A part of an order."""

    price: Any


@pytest.mark.parametrize(
    ("value", "path", "why"),
    [
        ({"lines": [Line(1), Line(object())]}, "lines[1].price", "is not carried"),
        ([1, (2, {"a": {len}})], "[1][1].a[0]", "is not carried"),
        ({(1, 2): object()}, "[(1, 2) (tuple)]", "is not carried"),
        (nested(lambda inner: [inner], DEEPEST + 1), "", "nested in each other"),
        (nested(lambda inner: [inner], 100_000), "", "nested"),
        (classes.SubList(), "", "is not carried"),
        (int, "", "is not carried"),
        ("text".upper, "", "is not carried"),
        (re.compile("a", re.DEBUG), "", "DEBUG"),
    ],
    ids=["dataclass", "tuple", "key", "deep", "very deep", "subclass", "class", "method", "pattern"],
)
def test_what_cannot_be_carried_is_refused_with_its_path(
    app: Pynenc, value: Any, path: str, why: str
) -> None:
    with pytest.raises(SerializationError, match=why) as caught:
        app.serializer.serialize(value)
    if path:
        assert caught.value.path == path


def test_a_circle_is_refused(app: Pynenc) -> None:
    circle: list[Any] = [1]
    circle.append({"again": circle})
    with pytest.raises(SerializationError, match="circular") as caught:
        app.serializer.serialize(circle)
    assert caught.value.path == "[1].again"


def test_shared_parts_come_back_as_equal_copies(app: Pynenc) -> None:
    shared = (1, [2])
    found = there_and_back(app, [shared, shared])
    assert found == [shared, shared]


def test_a_class_that_no_reader_finds_is_refused(app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> None:
    local = dataclasses.make_dataclass("Local", ["x"])
    with pytest.raises(SerializationError, match="is not what a reader finds"):
        app.serializer.serialize(local(1))
    monkeypatch.setattr(classes.Order, "__module__", "__main__")
    app.serializer.allows_main = False  # as for an app whose components are shared
    with pytest.raises(SerializationError, match="in the script that is being run"):
        app.serializer.serialize(classes.Order(1))


def test_the_call_names_the_argument(app: Pynenc) -> None:
    task = app.task(plain_tasks.echo)
    with pytest.raises(SerializationError, match=r"^argument 'value' → lines\[0\]: .* is not carried"):
        task({"lines": [object()]})
    assert app.find_invocations() == []


LOSSY: list[Any] = [
    classes.Counting(1),
    classes.Computed(1),
    classes.ListOf(),
    classes.with_note(Counter("ab")),
    classes.with_note(classes.Dynamic(1)),
    classes.Hidden(1),
    classes.Extra(__b=2),
    classes.Private.model_construct(),
    classes.with_note(ValueError(1), "__tracing__"),
    classes.with_note(classes.Plain2(1), "__y"),
    classes.Grouped("m", [ValueError(1)], 3),
]


@pytest.mark.parametrize("value", LOSSY, ids=lambda value: type(value).__name__)
def test_what_would_lose_something_is_refused(app: Pynenc, value: Any) -> None:
    with pytest.raises(SerializationError):
        app.serializer.serialize(value)


@pytest.mark.parametrize("serializer", ["JsonSerializer", "JsonPickleSerializer", "PickleSerializer"])
@pytest.mark.parametrize("change", ["errno", "strerror", "filename"])
def test_attributes_that_were_set_later_come_along(serializer: str, change: str) -> None:
    app = Pynenc({"app_id": "later", "serializer_cls": serializer})
    error = OSError(2, "no", "file")
    setattr(error, change, "other")
    found = there_and_back(app, error)
    assert (found.errno, found.strerror, found.filename) == (error.errno, error.strerror, error.filename)
    decode = UnicodeDecodeError("utf-8", b"abc", 0, 1, "why")
    decode.reason, decode.start = "other", 1
    assert str(there_and_back(app, decode)) == str(decode)
    syntax = SyntaxError("m")
    syntax.lineno, syntax.filename = 3, "f"
    assert str(there_and_back(app, syntax)) == str(syntax)


def test_usual_subclasses_are_carried(app: Pynenc) -> None:
    for value in (classes.Sub2(1), classes.NamedSub(1, 2), msgspec.UNSET, classes.Generic1[int]("x")):
        assert same(there_and_back(app, value), value)


def test_a_field_of_a_model_that_is_missing_has_its_default(app: Pynenc) -> None:
    text = '{"__pynenc__": "model", "class": "value_classes:Extra", "fields": {}, "given": []}'
    assert app.serializer.deserialize(text).a == 1


def test_an_unavailable_storage_is_none_if_user_code_says_so(app: Pynenc) -> None:
    with pytest.raises(SerializationError, match="StorageUnavailableError"):
        app.serializer.serialize(classes.Unavailable())
    text = '{"__pynenc__": "object", "class": "value_classes:Unavailable", "data": 1}'
    with pytest.raises(SerializationError, match="StorageUnavailableError"):
        app.serializer.deserialize(text)


def test_json_pickle_never_gives_a_dictionary_for_an_object(monkeypatch: pytest.MonkeyPatch) -> None:
    app = Pynenc({"app_id": "json-pickle", "serializer_cls": "JsonPickleSerializer"})
    text = app.serializer.serialize(classes.Sub2("numpy/core"))
    order = classes.Order(1)
    order.__dict__["py/x"] = 2
    assert there_and_back(app, order).__dict__["py/x"] == 2
    monkeypatch.delattr(classes, "Sub2")
    with pytest.raises(SerializationError, match="does not exist here"):
        app.serializer.deserialize(text)


# --- converters --------------------------------------------------------------------------


def test_a_converter_carries_objects_of_its_class(app: Pynenc) -> None:
    app.serializer.register(classes.Money, classes.money_to_plain, classes.money_from_plain)
    assert there_and_back(app, {"price": classes.Money(5)}) == {"price": classes.Money(5)}


def test_a_class_that_no_other_process_finds_cannot_be_registered(app: Pynenc) -> None:
    class Local:
        pass

    with pytest.raises(ValueError, match="top level of a module"):
        app.serializer.register(Local, str, str)


def test_a_converter_wins_over_what_is_carried_otherwise(app: Pynenc) -> None:
    app.serializer.register(classes.Order, lambda order: order.number, classes.Order)
    text = app.serializer.serialize(classes.Order(7))
    assert '"converted"' in text
    assert app.serializer.deserialize(text).number == 7


def test_a_plugin_brings_converters(monkeypatch: pytest.MonkeyPatch) -> None:
    class Plugin:
        @hookimpl
        def pynenc_converters(self) -> list[ConverterSpec]:
            functions = ("value_classes:money_to_plain", "value_classes:money_from_plain")
            return [ConverterSpec("value_classes:Money", *functions)]

    registry = plugin_registry()
    plugin = Plugin()
    registry.manager.register(plugin)
    try:
        app = Pynenc({"app_id": "converting"})
        assert there_and_back(app, classes.Money(7)) == classes.Money(7)
    finally:
        registry.manager.unregister(plugin)


def test_a_converter_that_raises_is_told(app: Pynenc) -> None:
    def fail(value: Any) -> Any:
        raise SystemExit(3)

    app.serializer.register(classes.Money, fail, fail)
    with pytest.raises(SerializationError, match=r"the converter for value_classes:Money raised SystemExit"):
        app.serializer.serialize(classes.Money(1))


def test_every_kind_has_a_tag_and_words_of_its_own() -> None:
    tags = [kind.tag for kind in KINDS]
    assert len(set(tags)) == len(tags)
    assert all(kind.words for kind in KINDS)
