"""JSON, faithful and safe to read from untrusted places: the default.

What comes back has the type and the value of what went in; a value that cannot be carried is
refused when it is written. Reading runs no code but `from_json` and registered converters, and
builds only objects of classes that this process has imported or that `serializer_modules` allows.
What plain JSON lacks is written as an object with the key `__pynenc__`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any

from pynenc.conf.config_serializer import ConfigSerializer
from pynenc.identifiers.texts import described, is_storable
from pynenc.interruption import is_key_press
from pynenc.plugins.component import ComponentContext
from pynenc.serializer.base_serializer import BaseSerializer, FromPlain, ToPlain
from pynenc.serializer.builtin_kinds import BUILTIN_KINDS, DICT, FLOAT, INT, TEXT
from pynenc.serializer.class_kinds import CLASS_KINDS, ClassKind
from pynenc.serializer.class_paths import find_class, path_of
from pynenc.serializer.exception_kind import EXCEPTION
from pynenc.serializer.kinds import (
    FOREIGN_MARKS,
    MARK,
    Kind,
    RefusedError,
    exactly,
    is_passed_on,
    told,
    user_call,
)
from pynenc.serializer.library_kinds import LIBRARY_KINDS
from pynenc.serializer.stored_names import present_path

DEEPEST = 100
"""How many values may be nested in each other."""

_LONGEST_PLAIN_INT, _LARGEST_PLAIN_INT = 300, 1000  # in digits, in bits
_ATOMS = frozenset({str, int, float, bool, type(None)})
_BY_TYPE: dict[type, Kind] = {**BUILTIN_KINDS, **LIBRARY_KINDS}
_OF_CLASSES: tuple[ClassKind, ...] = (CLASS_KINDS[0], EXCEPTION, *CLASS_KINDS[1:])
KINDS: tuple[Kind, ...] = tuple(
    dict.fromkeys((INT, FLOAT, TEXT, DICT, *_BY_TYPE.values(), *(each.kind for each in _OF_CLASSES)))
)
"""All kinds of values that plain JSON lacks."""

_BY_TAG = {kind.tag: kind for kind in KINDS}
_CONVERTED = "converted"
_HANDLES = "pynenc.application.handles"
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False).encode


class JsonSerializer(BaseSerializer):
    """JSON that carries the values of Python and its standard library, data classes and exceptions.

    The manual has a table of what it carries.
    """

    def __init__(self, context: ComponentContext) -> None:
        super().__init__(context)
        self._allowed = tuple(context.settings(ConfigSerializer).serializer_modules)
        self._converters: dict[str, tuple[ToPlain, FromPlain]] = {}

    def register_path(self, path: str, to_plain: ToPlain, from_plain: FromPlain) -> None:
        self._converters[path] = to_plain, from_plain

    def serialize(self, value: Any) -> str:
        try:
            if type(value) is int:
                text = repr(value)
                if len(text) <= _LONGEST_PLAIN_INT:
                    return text
            if _is_plain(value, DEEPEST):
                text = _encode(value)
                if text.isascii() or is_storable(text):
                    return text
        except (ValueError, RuntimeError):  # a float or int that is not JSON, or another thread changes it
            pass
        try:
            return _encode(_Writer(self._converters, self.allows_main).plain(value))
        except BaseException as error:
            if is_key_press(error):
                raise
            raise told(error) from error

    def deserialize(self, text: str) -> Any:
        try:
            if MARK not in text and "py/" not in text and "json://" not in text:
                return json.loads(text)
            return json.loads(text, object_hook=self._read)
        except BaseException as error:
            if is_passed_on(error):
                raise
            raise told(error).inside("stored JSON") from error

    def same_text(self, text: str) -> str:
        if "{" not in text:
            return text
        try:
            return json.dumps(_in_order(json.loads(text)), sort_keys=True)
        except (ValueError, RecursionError):
            return text

    def _read(self, data: dict[str, Any]) -> Any:
        """Return what a JSON object stands for; what it holds is read already."""
        tag = data.get(MARK)
        if tag is None:
            if any(name.startswith(FOREIGN_MARKS) for name in data):
                raise RefusedError("jsonpickle has written this; set serializer_cls='JsonPickleSerializer'")
            return data
        if tag == _CONVERTED:
            path = present_path(exactly(data, "class", str))
            if path not in self._converters:
                raise RefusedError(f"no converter is registered for {described(path)}")
            restore = self._converters[path][1]
            if restore.__module__ == _HANDLES:  # these ask the storage, which may be unavailable
                return restore(data.get("data"))
            return user_call(f"the converter for {path}", restore, data.get("data"))
        kind = _BY_TAG.get(tag) if type(tag) is str else None
        if kind is None:
            raise RefusedError(f"{described(tag)} is not a kind of values; newer code may have written this")
        return kind.read(data, self)

    def find_class(self, path: str) -> type:
        """Return a class that stored text names, if this process may build its objects.

        Raises:
            RefusedError: It may not, or there is no such class.
        """
        return find_class(path, self._allowed)


def _is_plain(value: Any, depth: int) -> bool:
    """Return whether JSON gives back exactly this value, apart from odd numbers and surrogates."""
    kind = type(value)
    if kind in _ATOMS:
        return True
    if kind is list:
        if not depth:
            return False
        for item in value:  # noqa: SIM110 - a generator takes twice as long
            if type(item) not in _ATOMS and not _is_plain(item, depth - 1):
                return False
        return True
    if kind is dict:
        if not depth:
            return False
        for key, item in value.items():
            if type(key) is not str or key == MARK or key.startswith(FOREIGN_MARKS):
                return False
            if type(item) not in _ATOMS and not _is_plain(item, depth - 1):
                return False
        return True
    return False


class _Writer:
    """One run of writing; finds what plain JSON lacks, values that hold themselves, and their paths."""

    def __init__(self, converters: Mapping[str, tuple[ToPlain, FromPlain]], allows_main: bool) -> None:
        self._converters = converters
        self._allows_main = allows_main
        self._open: set[int] = set()

    def plain(self, value: Any) -> Any:
        cls = type(value)
        if value is None or cls is bool:
            return value
        if cls is str:
            return value if value.isascii() or is_storable(value) else self._tagged(TEXT, value)
        if cls is int:
            return value if value.bit_length() <= _LARGEST_PLAIN_INT else self._tagged(INT, value)
        if cls is float:
            return value if isfinite(value) else self._tagged(FLOAT, value)
        if id(value) in self._open:
            raise RefusedError("a circular reference: the value contains itself")
        if len(self._open) >= DEEPEST:
            raise RefusedError(f"more than {DEEPEST} values are nested in each other")
        self._open.add(id(value))
        try:
            return self._container(cls, value)
        finally:
            self._open.discard(id(value))

    def _container(self, cls: type, value: Any) -> Any:
        if cls is list:
            return self.items(value)
        if cls is dict:
            return self.fields(value) if all(map(_is_plain_key, value)) else self._tagged(DICT, value)
        path = f"{type.__getattribute__(cls, '__module__')}:{type.__getattribute__(cls, '__qualname__')}"
        if path in self._converters:
            data = user_call(f"the converter for {path}", self._converters[path][0], value)
            return {MARK: _CONVERTED, "class": path, "data": self.plain(data)}
        kind = _BY_TYPE.get(cls)
        if kind is not None:
            return self._tagged(kind, value)
        for of_classes in _OF_CLASSES:
            if of_classes.fits(cls):
                return self._tagged(of_classes.kind, value)
        raise RefusedError(
            f"{described(value)} is not carried. Make the class a dataclass, give it 'to_json' and "
            f"'from_json', register a converter (app.serializer.register), pass what it is made of, or "
            f"choose the JsonPickleSerializer"
        )

    def _tagged(self, kind: Kind, value: Any) -> dict[str, Any]:
        return {MARK: kind.tag, **kind.write(value, self)}

    def items(self, values: Iterable[Any]) -> list[Any]:
        found: list[Any] = []
        for value in values:
            try:
                found.append(self.plain(value))
            except RefusedError as refused:
                raise refused.inside(f"[{len(found)}]") from None
        return found

    def pairs(self, mapping: Mapping[Any, Any]) -> list[list[Any]]:
        found: list[list[Any]] = []
        for key, value in mapping.items():
            try:
                found.append([self.plain(key), self.plain(value)])
            except RefusedError as refused:
                raise refused.inside(f"[{described(key)}]") from None
        return found

    def fields(self, values: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in values.items():
            if not _is_plain_key(name):
                raise RefusedError(f"{described(name)} cannot be the name of a field")
            try:
                found[name] = self.plain(value)
            except RefusedError as refused:
                raise refused.inside(f".{name}") from None
        return found

    def path_of(self, cls: type) -> str:
        return path_of(cls, self._allows_main)


def _is_plain_key(key: object) -> bool:
    return type(key) is str and key != MARK and not key.startswith(FOREIGN_MARKS) and is_storable(key)


_UNORDERED = ("set", "frozenset", "dict", "defaultdict", "counter")


def _in_order(plain: Any) -> Any:
    """Return plain JSON with what sets and dictionaries hold in an order of its own."""
    if isinstance(plain, list):
        return [_in_order(each) for each in plain]
    if not isinstance(plain, dict):
        return plain
    found = {name: _in_order(inner) for name, inner in plain.items()}
    if found.get(MARK) in _UNORDERED and isinstance(found.get("items"), list):
        found["items"].sort(key=lambda each: json.dumps(each, sort_keys=True))
    return found
