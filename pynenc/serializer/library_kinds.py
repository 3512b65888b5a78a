"""Values of the standard library: times, numbers, paths, addresses, patterns."""

from __future__ import annotations

import ipaddress
import pathlib
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic_core import TzInfo

from pynenc.serializer.kinds import Kind, Reading, RefusedError, Writing, exactly, whole_numbers


def _write_zone(zone: tzinfo | None, writing: Writing) -> dict[str, Any]:
    return {} if zone is None else {"zone": writing.plain(zone)}


def _zone(data: dict[str, Any]) -> tzinfo | None:
    zone = data.get("zone")
    if zone is not None and not isinstance(zone, tzinfo):
        raise RefusedError("'zone' is not a time zone")
    return zone


def _write_moment(value: datetime | time, writing: Writing) -> dict[str, Any]:
    fold = {"fold": 1} if value.fold else {}
    return {"text": value.replace(tzinfo=None).isoformat(), **fold, **_write_zone(value.tzinfo, writing)}


def _read_moment(cls: type[datetime] | type[time]) -> Callable[[dict[str, Any], Reading], datetime | time]:
    def read(data: dict[str, Any], reading: Reading) -> datetime | time:
        moment = cls.fromisoformat(exactly(data, "text", str))
        fold = exactly(data, "fold", int) if "fold" in data else 0
        return moment.replace(tzinfo=_zone(data), fold=fold)

    return read


def _write_timedelta(value: timedelta, writing: Writing) -> dict[str, Any]:
    return {"items": [value.days, value.seconds, value.microseconds]}


def _read_timedelta(data: dict[str, Any], reading: Reading) -> timedelta:
    days, seconds, microseconds = whole_numbers(data, 3)
    return timedelta(days, seconds, microseconds)


def _write_offset(value: timezone, writing: Writing) -> dict[str, Any]:
    offset, *name = value.__getinitargs__()  # type: ignore[attr-defined]
    named = {"name": writing.plain(name[0])} if name else {}
    return {"offset": writing.plain(offset), **named}


def _read_offset(data: dict[str, Any], reading: Reading) -> timezone:
    offset = exactly(data, "offset", timedelta)
    if "name" in data:
        return timezone(offset, exactly(data, "name", str))
    return UTC if not offset else timezone(offset)


def _write_zone_info(value: ZoneInfo, writing: Writing) -> dict[str, Any]:
    if value.key is None:
        raise RefusedError("a time zone made of a file has no name by which it could be found again")
    return {"text": value.key}


def _write_pydantic_offset(value: TzInfo, writing: Writing) -> dict[str, Any]:
    return {"offset": writing.plain(value.utcoffset(None))}


def _read_pydantic_offset(data: dict[str, Any], reading: Reading) -> TzInfo:
    return TzInfo(exactly(data, "offset", timedelta).total_seconds())


def _write_fraction(value: Fraction, writing: Writing) -> dict[str, Any]:
    return {"items": writing.items((value.numerator, value.denominator))}


def _read_fraction(data: dict[str, Any], reading: Reading) -> Fraction:
    numerator, denominator = whole_numbers(data, 2)
    return Fraction(numerator, denominator)


def _write_pattern(value: re.Pattern[Any], writing: Writing) -> dict[str, Any]:
    if value.flags & re.DEBUG:
        raise RefusedError("a pattern with the flag DEBUG would write to the reader's output")
    return {"pattern": writing.plain(value.pattern), "flags": value.flags}


def _read_pattern(data: dict[str, Any], reading: Reading) -> re.Pattern[Any]:
    pattern = exactly(data, "pattern", str, bytes)
    flags = exactly(data, "flags", int)
    if flags & re.DEBUG:
        raise RefusedError("a pattern with the flag DEBUG is not read")
    return re.compile(pattern, flags)


def _by_text(tag: str, words: str, read: Callable[[str], Any], text: Callable[[Any], str] = str) -> Kind:
    """Return a kind whose values have one text each."""
    return Kind(
        tag,
        words,
        lambda value, writing: {"text": writing.plain(text(value))},
        lambda data, reading: read(exactly(data, "text", str)),
    )


def _by_itself(cls: type, tag: str, words: str) -> Kind:
    return _by_text(tag, words, cls)


LIBRARY_KINDS: dict[type, Kind] = {
    datetime: Kind(
        "datetime",
        "`datetime` (naive, or with a time zone that is carried)",
        _write_moment,
        _read_moment(datetime),
    ),
    date: _by_text("date", "`date`", date.fromisoformat, date.isoformat),
    time: Kind("time", "`time`", _write_moment, _read_moment(time)),
    timedelta: Kind("timedelta", "`timedelta`", _write_timedelta, _read_timedelta),
    timezone: Kind("timezone", "`timezone`", _write_offset, _read_offset),
    ZoneInfo: Kind(
        "zone info",
        "`ZoneInfo`",
        _write_zone_info,
        lambda data, reading: ZoneInfo(exactly(data, "text", str)),
    ),
    TzInfo: Kind("pydantic offset", "`pydantic_core.TzInfo`", _write_pydantic_offset, _read_pydantic_offset),
    UUID: _by_itself(UUID, "uuid", "`UUID`"),
    Decimal: _by_itself(Decimal, "decimal", "`Decimal`"),
    Fraction: Kind("fraction", "`Fraction`", _write_fraction, _read_fraction),
    re.Pattern: Kind("pattern", "compiled patterns", _write_pattern, _read_pattern),
    **{
        cls: _by_itself(cls, cls.__name__, f"`pathlib.{cls.__name__}`")
        for cls in (
            pathlib.PurePosixPath,
            pathlib.PureWindowsPath,
            pathlib.PosixPath,
            pathlib.WindowsPath,
        )
    },
    **{
        cls: _by_itself(cls, cls.__name__, f"`ipaddress.{cls.__name__}`")
        for cls in (
            ipaddress.IPv4Address,
            ipaddress.IPv6Address,
            ipaddress.IPv4Network,
            ipaddress.IPv6Network,
            ipaddress.IPv4Interface,
            ipaddress.IPv6Interface,
        )
    },
}
"""The kinds by the exact type of a value."""
