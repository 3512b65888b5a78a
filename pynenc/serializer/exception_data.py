"""Exceptions as text: as faithfully as the serializer can, and readable in any case."""

from __future__ import annotations

import traceback

import msgspec

from pynenc.exceptions import RemoteTaskError, RemoteTraceback, SerializationError
from pynenc.serializer.base_serializer import BaseSerializer


class ExceptionData(msgspec.Struct, frozen=True):
    """An exception of a task.

    Attributes:
        type_name: Import path of its class.
        message: Its text.
        traceback: The formatted traceback of the worker.
        payload: The serialized exception, or None if it cannot be serialized.
    """

    type_name: str
    message: str
    traceback: str
    payload: str | None


def pack_exception(serializer: BaseSerializer, error: BaseException) -> str:
    """Return an exception as text. Never raises for an odd exception."""
    cls = type(error)
    try:
        message = str(error)
    except Exception as broken:  # noqa: BLE001 - a broken __str__ must not hide the error
        message = f"<its text cannot be made: {type(broken).__name__}>"
    text = "".join(traceback.format_exception(cls, error, error.__traceback__))
    payload: str | None
    try:
        payload = serializer.serialize(error)
    except SerializationError:
        payload = None
    data = ExceptionData(f"{cls.__module__}.{cls.__qualname__}", message, text, payload)
    return msgspec.json.encode(data).decode()


def unpack_exception(serializer: BaseSerializer, text: str) -> BaseException:
    """Return the exception, with the remote traceback as its cause.

    Returns:
        The original exception, or a `RemoteTaskError` that stands for it where it cannot be
        rebuilt here.
    """
    data = msgspec.json.decode(text, type=ExceptionData)
    error: BaseException | None = None
    if data.payload is not None:
        try:
            found = serializer.deserialize(data.payload)
        except SerializationError:
            found = None
        if isinstance(found, BaseException):
            error = found
    if error is None:
        error = RemoteTaskError(data.type_name, data.message)
    error.__cause__ = RemoteTraceback(data.traceback)
    return error
