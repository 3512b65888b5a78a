"""The values of Python itself that plain JSON lacks, and those of `collections`."""

from __future__ import annotations

import base64
from collections import Counter, OrderedDict, defaultdict, deque
from typing import Any

import msgspec

from pynenc.serializer.kinds import Kind, Reading, RefusedError, Writing, exactly, whole_numbers

_FACTORIES: dict[str, type] = {
    cls.__name__: cls
    for cls in (
        list, dict, set, frozenset, tuple, str, bytes, bytearray, int, float, complex, bool,
        deque, Counter, OrderedDict,
    )
}  # fmt: skip
_CONSTANTS = {"Ellipsis": ..., "NotImplemented": NotImplemented, "UNSET": msgspec.UNSET}


def _read_int(data: dict[str, Any], reading: Reading) -> int:
    return int(exactly(data, "hex", str), 16)


def _write_text(value: str, writing: Writing) -> dict[str, Any]:
    return {"escaped": value.encode("unicode_escape").decode("ascii")}


def _read_text(data: dict[str, Any], reading: Reading) -> str:
    return str(exactly(data, "escaped", str).encode("ascii").decode("unicode_escape"))


def _read_float(data: dict[str, Any], reading: Reading) -> float:
    return float(exactly(data, "text", str))


def _write_complex(value: complex, writing: Writing) -> dict[str, Any]:
    return {"real": writing.plain(value.real), "imag": writing.plain(value.imag)}


def _read_complex(data: dict[str, Any], reading: Reading) -> complex:
    return complex(exactly(data, "real", float), exactly(data, "imag", float))


def _write_bytes(value: bytes | bytearray, writing: Writing) -> dict[str, Any]:
    return {"base64": base64.b64encode(value).decode("ascii")}


def _bytes(data: dict[str, Any]) -> bytes:
    return base64.b64decode(exactly(data, "base64", str), validate=True)


def _write_items(value: Any, writing: Writing) -> dict[str, Any]:
    return {"items": writing.items(value)}


def _items(data: dict[str, Any]) -> list[Any]:
    items: list[Any] = exactly(data, "items", list)
    return items


def _write_set(value: set[Any] | frozenset[Any], writing: Writing) -> dict[str, Any]:
    # Equal sets have equal texts, which concurrency control and the cache of results compare.
    return {"items": sorted(writing.items(value), key=repr)}


def _as_set(data: dict[str, Any]) -> frozenset[Any]:
    items = _items(data)
    found = frozenset(items)
    if len(found) != len(items):
        raise RefusedError("a set holds an item twice")
    return found


def _write_deque(value: deque[Any], writing: Writing) -> dict[str, Any]:
    return {"items": writing.items(value), "maxlen": value.maxlen}


def _read_deque(data: dict[str, Any], reading: Reading) -> deque[Any]:
    most = None if data.get("maxlen") is None else exactly(data, "maxlen", int)
    return deque(_items(data), most)


def _write_range(value: range, writing: Writing) -> dict[str, Any]:
    return {"items": writing.items((value.start, value.stop, value.step))}


def _read_range(data: dict[str, Any], reading: Reading) -> range:
    start, stop, step = whole_numbers(data, 3)
    return range(start, stop, step)


def _write_slice(value: slice, writing: Writing) -> dict[str, Any]:
    return {"items": writing.items((value.start, value.stop, value.step))}


def _read_slice(data: dict[str, Any], reading: Reading) -> slice:
    start, stop, step = _items(data)
    return slice(start, stop, step)


def _write_pairs(value: dict[Any, Any], writing: Writing) -> dict[str, Any]:
    if getattr(value, "__dict__", None):
        raise RefusedError(f"a {type(value).__name__} with attributes of its own is not carried")
    return {"items": writing.pairs(value)}


def _pairs(data: dict[str, Any]) -> dict[Any, Any]:
    pairs = _items(data)
    found = dict(pairs)
    if len(found) != len(pairs):
        raise RefusedError("a dictionary holds a key twice")
    return found


def _write_defaultdict(value: defaultdict[Any, Any], writing: Writing) -> dict[str, Any]:
    factory = value.default_factory
    if factory is None:
        return {"items": writing.pairs(value), "factory": None}
    name = next((name for name, cls in _FACTORIES.items() if cls is factory), None)
    if name is None:
        raise RefusedError(
            f"the factory of a defaultdict must be one of {', '.join(_FACTORIES)} or None to be stored"
        )
    return {"items": writing.pairs(value), "factory": name}


def _read_defaultdict(data: dict[str, Any], reading: Reading) -> defaultdict[Any, Any]:
    name = data.get("factory")
    if name is not None and name not in _FACTORIES:
        raise RefusedError(f"{name!r} is not a factory that a defaultdict may have")
    return defaultdict(None if name is None else _FACTORIES[name], _pairs(data))


def _write_constant(value: Any, writing: Writing) -> dict[str, Any]:
    return {"name": next(name for name, constant in _CONSTANTS.items() if constant is value)}


def _read_constant(data: dict[str, Any], reading: Reading) -> Any:
    name = exactly(data, "name", str)
    if name not in _CONSTANTS:
        raise RefusedError(f"{name!r} is not a constant that can be stored")
    return _CONSTANTS[name]


INT = Kind("int", "integers of any size", lambda value, writing: {"hex": hex(value)}, _read_int)
TEXT = Kind("str", "strings with lone surrogates", _write_text, _read_text)
FLOAT = Kind("float", "`nan`, `inf`, `-inf`", lambda value, writing: {"text": repr(value)}, _read_float)
DICT = Kind("dict", "dictionaries with keys of any carried kind", _write_pairs, lambda d, r: _pairs(d))
_CONSTANT = Kind("constant", "`...`, `NotImplemented`, `msgspec.UNSET`", _write_constant, _read_constant)

BUILTIN_KINDS: dict[type, Kind] = {
    complex: Kind("complex", "`complex`", _write_complex, _read_complex),
    bytes: Kind("bytes", "`bytes`", _write_bytes, lambda data, reading: _bytes(data)),
    bytearray: Kind("bytearray", "`bytearray`", _write_bytes, lambda data, reading: bytearray(_bytes(data))),
    tuple: Kind("tuple", "`tuple`", _write_items, lambda data, reading: tuple(_items(data))),
    set: Kind("set", "`set`", _write_set, lambda data, reading: set(_as_set(data))),
    frozenset: Kind("frozenset", "`frozenset`", _write_set, lambda data, reading: _as_set(data)),
    range: Kind("range", "`range`", _write_range, _read_range),
    slice: Kind("slice", "`slice`", _write_slice, _read_slice),
    type(...): _CONSTANT,
    type(NotImplemented): _CONSTANT,
    type(msgspec.UNSET): _CONSTANT,
    deque: Kind("deque", "`collections.deque`", _write_deque, _read_deque),
    OrderedDict: Kind(
        "ordered dict", "`collections.OrderedDict`", _write_pairs, lambda data, r: OrderedDict(_pairs(data))
    ),
    defaultdict: Kind(
        "defaultdict",
        "`collections.defaultdict` with a built-in type as its factory",
        _write_defaultdict,
        _read_defaultdict,
    ),
    Counter: Kind("counter", "`collections.Counter`", _write_pairs, lambda data, r: _counter(_pairs(data))),
}
"""The kinds by the exact type of a value."""


def _counter(counts: dict[Any, Any]) -> Counter[Any]:
    counter: Counter[Any] = Counter()
    dict.update(counter, counts)  # the counts as they were, zero and negative ones too
    return counter
