"""Logging: records that say for which app, runner and invocation something was done."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pynenc.conf.config_pynenc import ArgumentPrintMode, ConfigPynenc, LogFormat
from pynenc.context import current_invocation_id, current_runner, current_task_key
from pynenc.identifiers.texts import error_text, shown, storable, type_name, visible
from pynenc.interruption import is_key_press

ROOT = "pynenc"
_PARTS = ("storage", "security", "plugins", "conf")
_SHORT = 8
_CONTEXT = ("app_id", "runner_cls", "runner_id", "invocation_id", "task_id")
_OF_RECORDS = {*vars(logging.makeLogRecord({})), *_CONTEXT, "message", "asctime"}
"""What a record has besides the `extra` of whoever logs."""

_RESET = "\033[0m"
_COLOURS = {
    "DEBUG": "\033[36m",
    "INFO": "\033[32m",
    "WARNING": "\033[33m",
    "ERROR": "\033[31m",
    "CRITICAL": "\033[35m",
}


class _ContextFilter(logging.Filter):
    """Adds what the running code is part of to each record."""

    def __init__(self, app_id: str) -> None:
        super().__init__()
        self._app_id = app_id

    def filter(self, record: logging.LogRecord) -> bool:
        runner = current_runner.get()
        record.app_id = self._app_id
        record.runner_cls = runner.runner_cls if runner else None
        record.runner_id = runner.runner_id if runner else None
        record.invocation_id = current_invocation_id.get()
        record.task_id = current_task_key.get()
        return True


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

    def _id(self, value: str) -> str:
        # Ids begin with their time, so the tail tells them apart.
        return value[-_SHORT:] if self._compact else value


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
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            entry["stack"] = self.formatStack(record.stack_info)
        extra = {name: value for name, value in fields.items() if name not in _OF_RECORDS}
        for name, value in extra.items():
            entry[f"extra_{name}" if name in entry else name] = _plain(value)
        return json.dumps(entry, default=str)


def _plain(value: object) -> object:
    """Return a value of `extra` as JSON can carry it."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return shown(value)
    return value


class _CurrentStreamHandler(logging.Handler):
    """Writes to what `sys.stderr` or `sys.stdout` is at the moment of writing."""

    def __init__(self, stream_name: str) -> None:
        super().__init__()
        self._stream_name = stream_name

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = self._text(record)
            stream = getattr(sys, self._stream_name)
            try:
                stream.write(text + "\n")
            except UnicodeEncodeError:  # the stream's encoding lacks a character
                stream.write(text.encode("ascii", "backslashreplace").decode("ascii") + "\n")
            stream.flush()
        except (ValueError, OSError, AttributeError):
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

    It hands records on to the root logger as well only where that has handlers of its own.
    """
    logger = logging.getLogger(f"{ROOT}.app.{conf.app_id}")
    handler = _handler(conf)
    _set_up(logger, conf, handler)
    for part in _PARTS:  # they serve all apps of a process; the latest says how they are shown
        _set_up(logging.getLogger(f"{ROOT}.{part}"), conf, handler)
    return logger


def log_everything(conf: ConfigPynenc) -> None:
    """Show what all loggers of this process log, as the settings say, unless it shows that itself.

    For processes that are runners and nothing else: there the loggers of users have no handler yet.
    """
    root = logging.getLogger()
    if root.handlers:
        return
    handler = _handler(conf)
    handler.addFilter(_ContextFilter(conf.app_id))
    own = tuple(f"{ROOT}.{part}" for part in ("app", *_PARTS))
    handler.addFilter(lambda record: not f"{record.name}.".startswith(tuple(f"{each}." for each in own)))
    root.addHandler(handler)
    root.setLevel(conf.logging_level.upper())


def _set_up(logger: logging.Logger, conf: ConfigPynenc, handler: logging.Handler) -> None:
    logger.setLevel(conf.logging_level.upper())
    for old in [each for each in logger.handlers if isinstance(each, _CurrentStreamHandler)]:
        logger.removeHandler(old)
    for known in [each for each in logger.filters if isinstance(each, _ContextFilter)]:
        logger.removeFilter(known)
    logger.addFilter(_ContextFilter(conf.app_id))
    logger.addHandler(handler)


def _handler(conf: ConfigPynenc) -> logging.Handler:
    handler = _CurrentStreamHandler(conf.log_stream)
    if conf.log_format == LogFormat.JSON:
        handler.setFormatter(JsonFormatter())
    else:
        terminal = getattr(getattr(sys, conf.log_stream), "isatty", lambda: False)()
        colours = terminal if conf.log_use_colors is None else conf.log_use_colors
        handler.setFormatter(TextFormatter(colours, conf.compact_log_context))
    return handler


def shown_arguments(conf: ConfigPynenc, arguments: Mapping[str, object]) -> str:
    """Return arguments as logs show them."""
    mode = conf.argument_print_mode
    if not conf.print_arguments or mode == ArgumentPrintMode.HIDDEN:
        return "<hidden>" if arguments else ""
    if mode == ArgumentPrintMode.KEYS:
        return ", ".join(arguments)
    limit = conf.truncate_arguments_length if mode == ArgumentPrintMode.TRUNCATED else None
    return ", ".join(f"{name}={shown(value, limit)}" for name, value in arguments.items())
