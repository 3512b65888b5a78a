"""Text that stands for any object: safe to make, to store and to show, whatever the object does.

Every function here returns, whatever the methods of the object raise. The last resort is a
constant.
"""

from __future__ import annotations

import traceback

_MOST = 100_000
_MOST_FRAMES = 200
_SHORT = 80
_LONGEST_NAME = 200


def storable(text: str) -> str:
    """Return text that every engine can store: a lone surrogate becomes its escape sequence."""
    if text.isascii():
        return text
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def is_storable(text: str) -> bool:
    """Return whether every engine can store a text as it is: it holds no lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


_CONTROLS = {
    code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"
} | {
    code: f"\\u{code:04x}"
    for code in (
        0x061C,
        0x200E,
        0x200F,
        0x2028,
        0x2029,
        0xFEFF,
        *range(0x202A, 0x202F),
        *range(0x2066, 0x206A),
    )
}


def visible(text: str) -> str:
    """Return text for a terminal or log: control characters and escape sequences are shown, not obeyed."""
    return storable(text).translate(_CONTROLS)


def type_name(cls: type) -> str:
    """Return the import path of a class, as far as it can be told."""
    try:
        module, name = type.__getattribute__(cls, "__module__"), type.__getattribute__(cls, "__qualname__")
        return storable(f"{module}.{name}").removeprefix("builtins.")
    except BaseException:  # noqa: BLE001 - a class may lie about its name
        return "<a class without a name>"


def class_name(cls: type) -> str:
    """Return the name of a class without its module, cut if it is very long."""
    return bare_name(type_name(cls))


def bare_name(path: str) -> str:
    """Return the name at the end of an import path, cut if it is very long."""
    return path.rpartition(".")[2][:_LONGEST_NAME]


def error_text(error: BaseException) -> str:
    """Return the text of an exception, shortened in the middle if it is very long."""
    try:
        return _bounded(storable(_exact(str(error))))
    except BaseException as broken:  # noqa: BLE001 - a broken __str__ must not hide the error
        return f"<its text cannot be made: {type_name(type(broken))}>"


def traceback_text(error: BaseException) -> str:
    """Return the traceback of an exception with those of its causes, shortened if it is very long."""
    try:
        told = traceback.TracebackException(
            type(error), error, error.__traceback__, limit=-_MOST_FRAMES, compact=True
        )
        return _bounded(storable("".join(told.format())))
    except BaseException as broken:  # noqa: BLE001 - an odd exception must not hide itself
        frames = _frames_text(error)
        why = f"<the traceback cannot be made: {type_name(type(broken))}>"
        return f"{frames}{type_name(type(error))}: {error_text(error)}\n{why}\n"


def _frames_text(error: BaseException) -> str:
    try:
        frames = traceback.extract_tb(BaseException.__dict__["__traceback__"].__get__(error), -_MOST_FRAMES)
        return storable("".join(["Traceback (most recent call last):\n", *traceback.format_list(frames)]))
    except BaseException:  # noqa: BLE001 - see the caller
        return ""


def described(value: object) -> str:
    """Return a value for error messages: its type, and its text if that is short."""
    kind = "a class without a name"
    try:
        kind = storable(_exact(type.__getattribute__(type(value), "__qualname__")))
        text = storable(_exact(repr(value)))
    except BaseException:  # noqa: BLE001 - a broken __repr__ must not hide the real error
        return f"an object of {kind}"
    return f"{text} ({kind})" if len(text) <= _SHORT else f"an object of {kind}"


def shown(value: object, limit: int | None = None) -> str:
    """Return the `repr` of a value, cut to a number of characters if a limit is given."""
    if limit is not None and type(value) in (str, bytes):
        value = value[: limit + 1]  # type: ignore[index]  # a huge value is not written out to be cut
    try:
        text = storable(_exact(repr(value)))
    except BaseException as broken:  # noqa: BLE001 - a broken __repr__ must not fail its caller
        return f"<{type_name(type(value))}, whose repr raises {type_name(type(broken))}>"
    return text if limit is None or len(text) <= limit else f"{text[:limit]}..."


def _exact(text: str) -> str:
    """Return a plain `str`: a subclass may override any of its methods."""
    return str.__str__(text)


def _bounded(text: str) -> str:
    return shortened(text, _MOST)


def shortened(text: str, most: int) -> str:
    """Return a text with its middle left out, if it has more than so many characters."""
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]}\n... {len(text) - 2 * half} characters left out ...\n{text[-half:]}"
