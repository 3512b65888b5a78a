"""A bounded memory of log records that are to be stored."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

_MOST_LINES = 500
_MOST_A_SECOND, _MOST_A_MINUTE = 20, 200
_LONGEST = 2000
_HEAD = 600


class LoggedLine(NamedTuple):
    """A log record as it is to be stored.

    Attributes:
        at: When it was made, in seconds since the epoch, by the clock of this machine.
        level: The name of its level.
        logger: The name of its logger.
        text: The message, and the traceback if there is one; cut in the middle.
        invocation_id: The invocation whose body has made it, if one has.
        task_id: The task of that.
    """

    at: float
    level: str
    logger: str
    text: str
    invocation_id: str | None
    task_id: str | None


class LogRing(logging.Handler):
    """Keeps the latest records from a level on.

    Of errors and of what is below them it keeps at most 20 a second and 200 a minute each.

    Args:
        level: The level.
        clock: Returns seconds that only rise.
    """

    def __init__(self, level: int, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(level)
        self._clock = clock
        self._lines: deque[LoggedLine] = deque(maxlen=_MOST_LINES)
        self._recent: dict[bool, deque[float]] = {
            is_error: deque(maxlen=_MOST_A_MINUTE) for is_error in (False, True)
        }
        self._dropped = 0
        self._guard = threading.Lock()

    def emit(self, record: logging.LogRecord) -> None:
        with self._guard:
            now, recent = self._clock(), self._recent[record.levelno >= logging.ERROR]
            if _is_too_much(recent, now):
                self._dropped += 1
                return
            recent.append(now)
        fields = vars(record)
        line = LoggedLine(
            record.created,
            str(record.levelname).lower(),
            str(record.name),
            _cut(_text_of(record)),
            _text_or_none(fields.get("invocation_id")),
            _text_or_none(fields.get("task_id")),
        )
        with self._guard:
            if len(self._lines) == _MOST_LINES:
                self._dropped += 1
            self._lines.append(line)

    def take(self) -> list[LoggedLine]:
        """Return what was kept since the last time; a last line says how many records were not."""
        with self._guard:
            lines, dropped = list(self._lines), self._dropped
            self._lines.clear()
            self._dropped = 0
        if dropped:
            text = f"{dropped} more record(s) were not kept"
            lines.append(LoggedLine(time.time(), "warning", "pynenc", text, None, None))
        return lines

    def put_back(self, lines: list[LoggedLine]) -> None:
        """Keep lines that could not be stored, as far as there is room."""
        with self._guard:
            room = _MOST_LINES - len(self._lines)
            self._dropped += max(0, len(lines) - room)
            self._lines.extendleft(reversed(lines[len(lines) - room :] if len(lines) > room else lines))


def _is_too_much(recent: deque[float], now: float) -> bool:
    if len(recent) == _MOST_A_MINUTE and now - recent[0] < 60.0:
        return True
    return len(recent) >= _MOST_A_SECOND and now - recent[-_MOST_A_SECOND] < 1.0


_formatter = logging.Formatter()


def _text_of(record: logging.LogRecord) -> str:
    try:
        text = record.getMessage()
    except Exception as error:  # noqa: BLE001 - arguments of the user's that do not fit, or raise
        message = record.msg if isinstance(record.msg, str) else f"a {type(record.msg).__name__}"
        text = f"{message} [it cannot be shown with its arguments: {type(error).__name__}]"
    trace = record.exc_text
    if not trace and record.exc_info:
        try:
            trace = _formatter.formatException(record.exc_info)
        except Exception as error:  # noqa: BLE001 - an exception of the user's that cannot be shown
            trace = f"[its traceback cannot be shown: {type(error).__name__}]"
    return f"{text}\n{trace}" if trace else text


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None  # users may log things of their own under these names


def _cut(text: str) -> str:
    if len(text) <= _LONGEST:
        return text
    return f"{text[:_HEAD]}\n[...]\n{text[_HEAD - _LONGEST :]}"
