"""Logging: records that say for which app, runner and invocation something was done."""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from types import TracebackType
from typing import Any, Protocol

from pynenc.conf.config_pynenc import ArgumentPrintMode, ConfigPynenc, LogFormat
from pynenc.conf.headers import stored_headers
from pynenc.context import (
    current_headers,
    current_invocation_id,
    current_run,
    current_runner,
    current_task_key,
    running_runner,
)
from pynenc.identifiers.texts import error_text, shown, storable, type_name, visible
from pynenc.interruption import is_key_press

ROOT = "pynenc"
_PARTS = ("storage", "security", "plugins", "conf")
_SHORT, _LONGEST = 8, 8192
_CONTEXT = (
    "app_id",
    "runner_cls",
    "runner_id",
    "invocation_id",
    "task_id",
    "workflow_id",
    "attempt",
    "trace_id",
)
_TRACE = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)
_REMOTE_ERROR = "remote_error"
_OF_RECORDS = {*vars(logging.makeLogRecord({})), *_CONTEXT, _REMOTE_ERROR, "message", "asctime", "taskName"}
"""What a record has besides the `extra` of whoever logs."""


class RemoteError(Protocol):
    """An exception, as people read it."""

    @property
    def type_name(self) -> str:
        """The import path of its class."""

    @property
    def message(self) -> str:
        """The text."""

    @property
    def traceback(self) -> str:
        """The traceback."""


_RESET = "\033[0m"
_COLOURS = {
    "DEBUG": "\033[36m",
    "INFO": "\033[32m",
    "WARNING": "\033[33m",
    "ERROR": "\033[31m",
    "CRITICAL": "\033[35m",
}


class InvocationFilter(logging.Filter):
    """Adds to each record what the running code is part of; what is there already stays.

    Put it on a handler of your own, and its format may name `app_id`, `runner_cls`, `runner_id`,
    `invocation_id`, `task_id`, `workflow_id`, `attempt` and `trace_id`; each is None where there is none.

    Args:
        app_id: The app of records that are made outside of any runner.
    """

    def __init__(self, app_id: str | None = None) -> None:
        super().__init__()
        self._app_id = app_id

    def filter(self, record: logging.LogRecord) -> bool:
        runner, run, running = current_runner.get(), current_run.get(), running_runner.get()
        fields = vars(record)
        app_id = self._app_id if self._app_id is not None or running is None else running.app_id
        fields.setdefault("app_id", app_id)
        fields.setdefault("runner_cls", runner.runner_cls if runner else None)
        fields.setdefault("runner_id", runner.runner_id if runner else None)
        fields.setdefault("invocation_id", current_invocation_id.get())
        fields.setdefault("task_id", current_task_key.get())
        fields.setdefault("workflow_id", run.workflow_id if run else None)
        fields.setdefault("attempt", run.attempt if run else None)
        headers = current_headers.get()
        fields.setdefault("trace_id", _trace_of(headers) if headers is not None else None)
        return True


@lru_cache(maxsize=256)
def _trace_of(headers: str) -> str | None:
    """Return the trace that stored headers name in W3C trace context, None if they name none.

    https://www.w3.org/TR/trace-context/#traceparent-header
    """
    found = _TRACE.fullmatch(stored_headers(headers).get("traceparent", ""))
    return found[1] if found is not None else None


class TextFormatter(logging.Formatter):
    """One line for people."""

    def __init__(self, colours: bool, compact: bool) -> None:
        super().__init__()
        self._colours = colours
        self._compact = compact

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
        level = f"{record.levelname:<8}"
        if self._colours:
            level = f"{_COLOURS.get(record.levelname, '')}{level}{_RESET}"
        text = f"{moment} {level} [{self._context(record)}] {visible(record.getMessage())}"
        if record.exc_info:
            text = f"{text}\n{visible(self.formatException(record.exc_info))}"
        elif record.exc_text:
            text = f"{text}\n{visible(record.exc_text)}"
        if record.stack_info:
            text = f"{text}\n{visible(self.formatStack(record.stack_info))}"
        return text

    def _context(self, record: logging.LogRecord) -> str:
        fields = vars(record)
        parts = [str(fields.get("app_id"))]
        if fields.get("runner_id"):
            parts.append(f"{fields['runner_cls']}:{self._id(fields['runner_id'])}")
        if fields.get("invocation_id"):
            parts.append(f"invocation:{self._id(fields['invocation_id'])}")
        return " ".join(parts)

    def _id(self, value: object) -> str:
        # Ids begin with their time, so the tail tells them apart. Users may log things of their own so named.
        text = value if isinstance(value, str) else shown(value, _LONGEST)
        return visible(text[-_SHORT:] if self._compact else text)


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        fields = vars(record)
        entry: dict[str, Any] = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        for name in _CONTEXT:
            if fields.get(name) is not None:
                entry[name] = fields[name]
        exception = self._exception(record)
        if exception is not None:
            entry["exception"] = exception
        if record.stack_info:
            entry["stack"] = self.formatStack(record.stack_info)
        extra = {name: value for name, value in fields.items() if name not in _OF_RECORDS}
        for name, value in extra.items():
            entry[f"{name}_" if name in entry else name] = _plain(value)
        return json.dumps(entry, default=str)

    def _exception(self, record: logging.LogRecord) -> dict[str, str] | None:
        remote = vars(record).get(_REMOTE_ERROR)
        if remote is not None:
            return {"type": remote.type_name, "message": remote.message, "stack": remote.traceback}
        if not record.exc_info:
            return None
        _, error, _ = record.exc_info
        if error is None:
            return None
        stack = self.formatException(record.exc_info)
        return {"type": type_name(type(error)), "message": error_text(error), "stack": stack}


def _plain(value: object) -> object:
    """Return a value of `extra` as JSON can carry it."""
    try:
        text = json.dumps(value, allow_nan=False)
    except BaseException as error:
        if is_key_press(error):
            raise
        return shown(value, _LONGEST)
    return value if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _reaches_root(name: str) -> bool:
    """Return whether the root logger has handlers that show the records of a logger."""
    root = logging.getLogger()
    logger: logging.Logger | None = logging.getLogger(name)
    while logger is not None and logger is not root:
        if not logger.propagate:
            return False
        logger = logger.parent
    return bool(root.handlers)


class _CurrentStreamHandler(logging.Handler):
    """Writes to what `sys.stderr` or `sys.stdout` is at the moment of writing.

    Args:
        stream_name: Which of them.

    Attributes:
        yields: Whether it is silent while the root logger has handlers, which show the record as well.
    """

    def __init__(self, stream_name: str, yields: bool) -> None:
        super().__init__()
        self._stream_name = stream_name
        self.yields = yields

    def emit(self, record: logging.LogRecord) -> None:
        if self.yields and _reaches_root(record.name):
            return
        try:
            text = self._text(record)
            stream = getattr(sys, self._stream_name)
            try:
                stream.write(text + "\n")
            except UnicodeEncodeError:  # the stream's encoding lacks a character
                stream.write(text.encode("ascii", "backslashreplace").decode("ascii") + "\n")
            stream.flush()
        except Exception:  # noqa: BLE001 - logging ends nothing
            self.handleError(record)

    def _text(self, record: logging.LogRecord) -> str:
        """Return a record as text; one whose arguments do not fit or raise is shown without them."""
        try:
            return storable(self.format(record))
        except BaseException as error:
            if is_key_press(error):
                raise
            why = f"{type_name(type(error))}: {error_text(error)}"
            record.msg = f"{shown(record.msg)} [its arguments cannot be shown: {why}]"
            record.args = record.exc_info = record.exc_text = None
            return storable(self.format(record))


def app_logger(conf: ConfigPynenc) -> logging.Logger:
    """Return the logger of an app, set up as its settings say.

    While the root logger has handlers, whoever set them up sees its records there, and there only.
    """
    logger = logging.getLogger(f"{ROOT}.app.{conf.app_id}")
    handler = _handler(conf, yields=True)
    _set_up(logger, conf, handler)
    for part in _PARTS:  # they serve all apps of a process; the latest says how they are shown
        _set_up(logging.getLogger(f"{ROOT}.{part}"), conf, handler)
    return logger


def log_everything(conf: ConfigPynenc) -> None:
    """Show what all loggers of this process log, as the settings say, unless it shows that itself.

    For processes that are runners and nothing else: there the loggers of users have no handler yet.
    Warnings are logged, too, and exceptions that end a thread or the process.
    """
    global _owned
    root = _owned = logging.getLogger()
    logging.captureWarnings(True)
    sys.excepthook = _log_end_of_process
    threading.excepthook = _log_end_of_thread
    if root.handlers:
        return
    root.addHandler(_handler(conf, yields=False))
    root.setLevel(conf.logging_level.upper())


_owned: logging.Logger | None = None


def owned_logger() -> logging.Logger | None:
    """Return the root logger if this process is a runner and nothing else, None elsewhere."""
    return _owned


def _log_end_of_process(
    cls: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    if issubclass(cls, Exception):
        logging.getLogger(ROOT).critical("the process ends", exc_info=(cls, error, traceback))
    else:
        sys.__excepthook__(cls, error, traceback)


def _log_end_of_thread(ended: threading.ExceptHookArgs) -> None:
    if ended.exc_value is not None and not issubclass(ended.exc_type, SystemExit):
        name = ended.thread.name if ended.thread is not None else "unknown"
        told = (ended.exc_type, ended.exc_value, ended.exc_traceback)
        logging.getLogger(ROOT).error("thread '%s' ends", name, exc_info=told)


def _set_up(logger: logging.Logger, conf: ConfigPynenc, handler: logging.Handler) -> None:
    logger.setLevel(conf.logging_level.upper())
    for old in [each for each in logger.handlers if isinstance(each, _CurrentStreamHandler)]:
        logger.removeHandler(old)
    for known in [each for each in logger.filters if isinstance(each, InvocationFilter)]:
        logger.removeFilter(known)
    logger.addFilter(InvocationFilter(conf.app_id))
    logger.addHandler(handler)


def _handler(conf: ConfigPynenc, yields: bool) -> logging.Handler:
    handler = _CurrentStreamHandler(conf.log_stream, yields)
    handler.addFilter(InvocationFilter(conf.app_id))
    if conf.log_format == LogFormat.JSON:
        handler.setFormatter(JsonFormatter())
    else:
        terminal = getattr(getattr(sys, conf.log_stream), "isatty", lambda: False)()
        colours = terminal if conf.log_use_colors is None else conf.log_use_colors
        handler.setFormatter(TextFormatter(colours, conf.compact_log_context))
    return handler


def write_record(
    logger: logging.Logger,
    level: int,
    text: str,
    context: Mapping[str, object],
    error: RemoteError | None = None,
) -> None:
    """Write a record with a context of its own, and the traceback of an exception if one is given.

    Args:
        logger: The logger.
        level: The level.
        text: The message.
        context: The fields of the record that `InvocationFilter` would set.
        error: The exception, as people read it.
    """
    if not logger.isEnabledFor(level):
        return
    record = logger.makeRecord(logger.name, level, __file__, 0, "%s", (text,), None, extra=dict(context))
    if error is not None:
        record.exc_text = error.traceback.rstrip("\n")
        vars(record)[_REMOTE_ERROR] = error
    logger.handle(record)


def shown_arguments(conf: ConfigPynenc, arguments: Mapping[str, object]) -> str:
    """Return arguments as logs show them."""
    mode = conf.argument_print_mode
    if not conf.print_arguments or mode == ArgumentPrintMode.HIDDEN:
        return "<hidden>" if arguments else ""
    if mode == ArgumentPrintMode.KEYS:
        return ", ".join(arguments)
    limit = conf.truncate_arguments_length if mode == ArgumentPrintMode.TRUNCATED else None
    return ", ".join(f"{name}={shown(value, limit)}" for name, value in arguments.items())
