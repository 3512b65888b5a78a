"""Objects of classes that say what they consist of: enumerations, data classes, models.

Objects are built field by field, without their constructors, except msgspec structs, whose
constructor is part of the class that msgspec generates.
"""

from __future__ import annotations

import dataclasses
import functools
import operator
import sys
import types
from collections.abc import Callable, Iterable, Mapping
from enum import Enum, Flag
from typing import Any

import msgspec

from pynenc.identifiers.texts import type_name
from pynenc.serializer.class_paths import attribute_of, defines
from pynenc.serializer.kinds import Kind, Reading, RefusedError, Writing, exactly, user_call

_MODEL_PARTS = ("__dict__", "__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__")
_IGNORED = frozenset({"__orig_class__"})  # what `Generic[int](...)` notes of its creation


@dataclasses.dataclass(frozen=True, slots=True)
class ClassKind:
    """A kind of classes.

    Attributes:
        kind: How their objects are written and read.
        fits: Whether a class is of the kind.
    """

    kind: Kind
    fits: Callable[[type], bool]


def _class(data: Mapping[str, Any], reading: Reading, kind: ClassKind) -> type:
    cls = reading.find_class(exactly(data, "class", str))
    if not kind.fits(cls):
        raise RefusedError(f"{data['class']} cannot stand for '{kind.kind.tag}'")
    return cls


# --- enumerations ------------------------------------------------------------------------


def _write_enum(value: Enum, writing: Writing) -> dict[str, Any]:
    cls = type(value)
    path, members = writing.path_of(cls), cls.__members__
    if value.name is not None and members.get(value.name) is value:
        return {"class": path, "name": value.name}
    if isinstance(value, Flag) and _is_of_enum_module(cls):
        flags: Any = value
        names = [name for name, member in members.items() if member in flags and member.name == name]
        if _combined(cls, names) is value:
            return {"class": path, "names": names}
    raise RefusedError(f"{value!r} is not made of members of its enumeration")


def _is_of_enum_module(cls: type) -> bool:
    """Return whether flags are combined by the code of Python itself."""
    names = ("__or__", "_missing_", "__new__")
    makers = (attribute_of(cls, name) for name in names)
    return all(getattr(getattr(each, "__func__", each), "__module__", "enum") == "enum" for each in makers)


def _combined(cls: type[Enum], names: list[str]) -> Enum:
    members = [cls.__members__[name] for name in names]
    if not members:
        return cls(0)
    combined: Enum = functools.reduce(operator.or_, members)
    return combined


def _read_enum(data: dict[str, Any], reading: Reading) -> Enum:
    cls: Any = _class(data, reading, ENUM)
    names = exactly(data, "names", list) if "names" in data else [exactly(data, "name", str)]
    if "names" in data and not (issubclass(cls, Flag) and _is_of_enum_module(cls)):
        raise RefusedError(f"{data['class']} has no combined members")
    for name in names:
        if name not in cls.__members__:
            raise RefusedError(f"{data['class']} has no member {name!r} here")
    return _combined(cls, names) if "names" in data else cls.__members__[names[0]]


ENUM = ClassKind(
    Kind("enum", "`Enum` and `Flag` members", _write_enum, _read_enum), lambda cls: issubclass(cls, Enum)
)


# --- classes with to_json and from_json --------------------------------------------------


def _write_object(value: Any, writing: Writing) -> dict[str, Any]:
    data = user_call("to_json", value.to_json)
    return {"class": writing.path_of(type(value)), "data": writing.plain(data)}


def _read_object(data: dict[str, Any], reading: Reading) -> Any:
    cls: Any = _class(data, reading, OBJECT)
    if "data" not in data:
        raise RefusedError("'data' is missing")
    value = user_call(f"from_json of {data['class']}", cls.from_json, data["data"])
    if type(value) is not cls:
        raise RefusedError(f"from_json of {data['class']} does not return an object of that class")
    return value


OBJECT = ClassKind(
    Kind(
        "object", "objects with `to_json()` and a class method `from_json(data)`", _write_object, _read_object
    ),
    lambda cls: defines(cls, "to_json") and defines(cls, "from_json"),
)


# --- named tuples ------------------------------------------------------------------------


def _write_named_tuple(value: Any, writing: Writing) -> dict[str, Any]:
    if getattr(value, "__dict__", None):
        raise RefusedError("a named tuple with attributes besides its fields cannot be stored")
    fields = dict(zip(type(value)._fields, tuple.__iter__(value), strict=True))
    return {"class": writing.path_of(type(value)), "fields": writing.fields(fields)}


def _read_named_tuple(data: dict[str, Any], reading: Reading) -> Any:
    cls: Any = _class(data, reading, NAMED_TUPLE)
    fields = exactly(data, "fields", dict)
    defaults = cls._field_defaults
    _check_names(fields, cls._fields, data["class"])
    values = [fields[name] if name in fields else _default(name, defaults, data) for name in cls._fields]
    return tuple.__new__(cls, values)


def _default(name: str, defaults: Mapping[str, Any], data: Mapping[str, Any]) -> Any:
    if name not in defaults:
        raise RefusedError(f"field '{name}' of {data['class']} is missing")
    return defaults[name]


NAMED_TUPLE = ClassKind(
    Kind("named tuple", "named tuples", _write_named_tuple, _read_named_tuple),
    lambda cls: issubclass(cls, tuple) and defines(cls, "_fields"),
)


# --- dataclasses and attrs ---------------------------------------------------------------


def _write_fields(value: Any, names: tuple[str, ...], writing: Writing) -> dict[str, Any]:
    """Write the fields of an object, and what else its dictionary holds."""
    _check_buildable(type(value), names)
    for name in _slots(type(value)) - set(names):
        if _is_set(value, name):
            raise RefusedError(f"attribute '{name}' is neither a field nor in the dictionary of the object")
    found = {name: object.__getattribute__(value, name) for name in names if _is_set(value, name)}
    rest = {
        name: item
        for name, item in getattr(value, "__dict__", {}).items()
        if name not in found and name not in _IGNORED
    }
    if any(map(_is_special, rest)):
        raise RefusedError("an attribute whose name begins with two underscores is not carried")
    more = {"more": writing.fields(rest)} if rest else {}
    return {"class": writing.path_of(type(value)), "fields": writing.fields(found), **more}


def _check_buildable(cls: type, names: Iterable[str]) -> None:
    """Refuse a class whose objects cannot be made field by field, or not without running its code."""
    try:
        object.__new__(cls)
    except TypeError:
        raise RefusedError(
            f"the class {type_name(cls)} is derived from a built-in type, whose content is not carried"
        ) from None
    for name in names:
        attribute = attribute_of(cls, name)
        if defines(type(attribute), "__set__") and not isinstance(attribute, types.MemberDescriptorType):
            raise RefusedError(f"field '{name}' of {type_name(cls)} is a property or another descriptor")


def _slots(cls: type) -> set[str]:
    """Return the names of all slots of a class, as its objects know them."""
    names: set[str] = set()
    for base in cls.__mro__:
        slots = vars(base).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            is_private = name.startswith("__") and not name.endswith("__")
            names.add(f"_{base.__name__.lstrip('_')}{name}" if is_private else name)
    return names - {"__dict__", "__weakref__", *_MODEL_PARTS, "_attrs_cached_hash"}


def _is_set(value: Any, name: str) -> bool:
    try:
        object.__getattribute__(value, name)
    except AttributeError:
        return False
    return True


def _build(
    cls: type, data: dict[str, Any], names: tuple[str, ...], defaults: Mapping[str, Callable[[], Any]]
) -> Any:
    """Return an object with the stored fields; a field that it was stored without has its default."""
    fields, more = exactly(data, "fields", dict), _attributes(data, "more")
    _check_names(fields, names, data["class"])
    _check_buildable(cls, names)
    value: Any = object.__new__(cls)
    for name in names:
        if name in fields:
            object.__setattr__(value, name, fields[name])
        elif name in defaults:
            object.__setattr__(value, name, user_call(f"the default of '{name}'", defaults[name]))
    if more:
        object.__getattribute__(value, "__dict__").update(more)
    return value


def _is_special(name: object) -> bool:
    return type(name) is not str or name.startswith("__")


def _check_names(fields: Mapping[Any, Any], names: tuple[str, ...], path: str) -> None:
    for name in fields:
        if name not in names:
            raise RefusedError(f"{path} has no field {name!r} here; newer code has written this")


def _dataclass_names(cls: Any) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(cls))


def _read_dataclass(data: dict[str, Any], reading: Reading) -> Any:
    cls: Any = _class(data, reading, DATACLASS)
    missing = dataclasses.MISSING
    defaults: dict[str, Callable[[], Any]] = {}
    for field in dataclasses.fields(cls):
        if field.default_factory is not missing:
            defaults[field.name] = field.default_factory
        elif field.default is not missing:
            defaults[field.name] = functools.partial(_same, field.default)
        elif field.init and field.name not in data.get("fields", {}):
            raise RefusedError(f"field '{field.name}' of {data['class']} is missing")
    return _build(cls, data, _dataclass_names(cls), defaults)


def _same(value: Any) -> Any:
    return value


DATACLASS = ClassKind(
    Kind(
        "dataclass",
        "dataclasses (slots, frozen, inherited and generic ones)",
        lambda value, writing: _write_fields(value, _dataclass_names(value), writing),
        _read_dataclass,
    ),
    lambda cls: defines(cls, "__dataclass_fields__"),
)


def _attrs_names(cls: Any) -> tuple[str, ...]:
    return tuple(attribute.name for attribute in cls.__attrs_attrs__)


def _read_attrs(data: dict[str, Any], reading: Reading) -> Any:
    cls: Any = _class(data, reading, ATTRS)
    fields = exactly(data, "fields", dict)
    nothing = vars(sys.modules["attr"])["NOTHING"]  # who has such a class has imported it
    defaults: dict[str, Callable[[], Any]] = {}
    for attribute in cls.__attrs_attrs__:
        default, factory = attribute.default, getattr(attribute.default, "factory", None)
        if factory is not None and not attribute.default.takes_self:
            defaults[attribute.name] = factory
        elif factory is None and default is not nothing:
            defaults[attribute.name] = functools.partial(_same, default)
        elif attribute.name not in fields and attribute.init:
            raise RefusedError(f"field '{attribute.name}' of {data['class']} is missing")
    value = _build(cls, data, _attrs_names(cls), defaults)
    if defines(cls, "_attrs_cached_hash"):
        object.__setattr__(value, "_attrs_cached_hash", None)
    return value


ATTRS = ClassKind(
    Kind(
        "attrs",
        "attrs classes",
        lambda value, writing: _write_fields(value, _attrs_names(type(value)), writing),
        _read_attrs,
    ),
    lambda cls: defines(cls, "__attrs_attrs__"),
)


# --- msgspec and pydantic ----------------------------------------------------------------


def _write_struct(value: msgspec.Struct, writing: Writing) -> dict[str, Any]:
    cls = type(value)
    if defines(cls, "__post_init__"):
        raise RefusedError(f"{type_name(cls)} has a '__post_init__', which would run again when it is read")
    if getattr(value, "__dict__", None):
        raise RefusedError("a struct with attributes besides its fields is not carried")
    fields = {name: getattr(value, name) for name in cls.__struct_fields__}
    return {"class": writing.path_of(type(value)), "fields": writing.fields(fields)}


def _read_struct(data: dict[str, Any], reading: Reading) -> Any:
    cls: Any = _class(data, reading, STRUCT)
    fields = exactly(data, "fields", dict)
    _check_names(fields, cls.__struct_fields__, data["class"])
    if defines(cls, "__post_init__"):
        raise RefusedError(f"{data['class']} has a '__post_init__'")
    return user_call(f"making {data['class']}", functools.partial(cls, **fields))


STRUCT = ClassKind(
    Kind("struct", "`msgspec.Struct` objects", _write_struct, _read_struct),
    lambda cls: issubclass(cls, msgspec.Struct),
)


def _write_model(value: Any, writing: Writing) -> dict[str, Any]:
    values, given, extra, private = (object.__getattribute__(value, name) for name in _MODEL_PARTS)
    cls, names = type(value), type(value).__pydantic_fields__
    for name in _slots(cls):
        if _is_set(value, name):
            raise RefusedError(f"attribute '{name}' of a slot is not carried")
    for name, field in names.items():
        if name not in values and field.is_required():
            raise RefusedError(f"field '{name}' is missing in this object")
    stored: dict[str, Any] = {
        "class": writing.path_of(type(value)),
        "fields": writing.fields({name: item for name, item in values.items() if name in names}),
        "given": sorted(given),
    }
    rest = {name: item for name, item in values.items() if name not in names}
    for name, part in (("more", rest), ("extra", extra), ("private", private)):
        if part and any(map(_is_special, part)):
            raise RefusedError("an attribute whose name begins with two underscores is not carried")
        if part:
            stored[name] = writing.fields(part)
    return stored


def _read_model(data: dict[str, Any], reading: Reading) -> Any:
    cls: Any = _class(data, reading, MODEL)
    fields, given = exactly(data, "fields", dict), exactly(data, "given", list)
    _check_names(fields, tuple(cls.__pydantic_fields__), data["class"])
    more, extra, private = (_attributes(data, name) for name in ("more", "extra", "private"))
    for name, field in cls.__pydantic_fields__.items():
        if name in fields:
            continue
        if field.is_required():
            raise RefusedError(f"field '{name}' of {data['class']} is missing")
        default = functools.partial(field.get_default, call_default_factory=True)
        fields[name] = user_call(f"the default of '{name}'", default)
    allows_extra = cls.model_config.get("extra") == "allow"
    value = object.__new__(cls)
    parts = (
        {**fields, **(more or {})},
        set(given),
        (extra or {}) if allows_extra else None,
        private if private or not cls.__private_attributes__ else {},
    )
    for name, part in zip(_MODEL_PARTS, parts, strict=True):
        if part is not None or isinstance(getattr(cls, name, None), types.MemberDescriptorType):
            object.__setattr__(value, name, part)
    return value


def _attributes(data: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    if name not in data:
        return None
    found: dict[str, Any] = exactly(data, name, dict)
    if any(_is_special(each) for each in found):
        raise RefusedError(f"'{name}' of {data['class']} is not a set of attributes")
    return found


def _is_model(cls: type) -> bool:
    pydantic = sys.modules.get("pydantic.main")
    base = vars(pydantic).get("BaseModel") if pydantic is not None else None
    return isinstance(base, type) and issubclass(cls, base)


MODEL = ClassKind(Kind("model", "pydantic models", _write_model, _read_model), _is_model)

CLASS_KINDS = (ENUM, OBJECT, NAMED_TUPLE, DATACLASS, ATTRS, STRUCT, MODEL)
"""The kinds of classes; the first that fits counts."""
