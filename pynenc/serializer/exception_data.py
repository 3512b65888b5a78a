"""Exceptions as text: as faithfully as the serializer can, and readable in any case."""

from __future__ import annotations

import msgspec

from pynenc.exceptions import RemoteTaskError, RemoteTraceback, SerializationError
from pynenc.identifiers.texts import error_text, shortened, traceback_text, type_name
from pynenc.serializer.base_serializer import BaseSerializer
from pynenc.serializer.kinds import is_passed_on

_MOST_CAUSES = 50


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


def exception_data(serializer: BaseSerializer, error: BaseException) -> ExceptionData:
    """Return what is stored of an exception. Never raises for an odd exception."""
    payload: str | None = None
    try:
        payload = serializer.serialize(error)
        payload.encode()
    except BaseException as refused:
        if is_passed_on(refused):
            raise
        payload = None
    return ExceptionData(type_name(type(error)), error_text(error), traceback_text(error), payload)


def readable(error: BaseException, most_message: int, most_trace: int) -> ExceptionData:
    """Return what people read of an exception, cut to so many characters. Never raises."""
    message, trace = error_text(error), traceback_text(error)
    return ExceptionData(
        type_name(type(error)), shortened(message, most_message), shortened(trace, most_trace), None
    )


def as_text(data: ExceptionData) -> str:
    """Return an exception as text."""
    return msgspec.json.encode(data).decode()


def read_exception(text: str) -> ExceptionData | None:
    """Return what people read of an exception; None if the text is damaged. Deserializes nothing."""
    try:
        return msgspec.json.decode(text, type=ExceptionData)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def unpack_exception(serializer: BaseSerializer, text: str) -> Exception:
    """Return the exception of a task, with the remote traceback at the end of its causes.

    Returns:
        The original exception, or a `RemoteTaskError` that stands for it where it cannot be
        rebuilt here, or where it is one that would end who reads it, such as `SystemExit`.
    """
    try:
        data = msgspec.json.decode(text, type=ExceptionData)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        return SerializationError(f"the stored exception of the task cannot be read: {error}")
    found: object = None
    if data.payload is not None:
        try:
            found = serializer.deserialize(data.payload)
        except BaseException as error:
            if is_passed_on(error):
                raise
    told = found if isinstance(found, Exception) else RemoteTaskError(data.type_name, data.message)
    _attach(told, RemoteTraceback(data.traceback))
    return told


def _attach(error: BaseException, remote: RemoteTraceback) -> None:
    """Make the traceback of the worker the last in the chain of causes, unless that is very long."""
    last = error
    for _ in range(_MOST_CAUSES):
        if last.__cause__ is None:
            last.__cause__ = remote
            return
        last = last.__cause__
    error.__cause__ = remote
