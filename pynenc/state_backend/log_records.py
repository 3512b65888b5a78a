"""The records of log lines that are kept."""

from __future__ import annotations

import msgspec

from pynenc.storage.operations import Index
from pynenc.storage.record_store import RecordSpec


class LogLine(msgspec.Struct, frozen=True):
    """A log record of a runner.

    Attributes:
        line_id: Its id.
        at: When it was made, in seconds since the epoch, by the clock of its machine.
        level: The name of its level.
        logger: The name of its logger.
        text: The message, and the traceback if there is one.
        runner_id: The runner or worker.
        invocation_id: The invocation whose body has made it, if one has.
        task_id: The task of that.
    """

    line_id: str = msgspec.field(name="key")
    at: float
    level: str
    logger: str
    text: str
    runner_id: str
    invocation_id: str | None
    task_id: str | None


LOG_RECORDS = (
    RecordSpec(LogLine, "log_line", (Index((), "at"), Index(("invocation_id",), "at", is_sparse=True))),
)
"""The kinds of records that kept logs need."""
