"""Keeping the warnings of a runner in the store."""

from __future__ import annotations

import logging

from pynenc.conf.config_observation import Observation, StoredLogs
from pynenc.exceptions import StorageError
from pynenc.identifiers.ids import new_id
from pynenc.identifiers.texts import storable
from pynenc.lifecycle.components import Components
from pynenc.logs import InvocationFilter, owned_logger
from pynenc.recording.log_ring import LogRing
from pynenc.state_backend.log_records import LogLine
from pynenc.storage.record_store import Save

_LEVELS = {StoredLogs.WARNING: logging.WARNING, StoredLogs.ERROR: logging.ERROR}


class LogKeeper:
    """Keeps what is logged in this process from a level on, as the settings say.

    In a process that is a runner and nothing else these are the records of all loggers, elsewhere those of
    the app.

    Args:
        components: The components, which store it.
        runner_id: The runner or worker.
    """

    def __init__(self, components: Components, runner_id: str) -> None:
        self._components = components
        self._runner_id = runner_id
        conf = components.conf
        level = _LEVELS.get(conf.store_logs) if conf.observation == Observation.FULL else None
        self._ring = LogRing(level) if level is not None else None
        self._logger = owned_logger() or components.logger
        if self._ring is not None:
            self._ring.addFilter(InvocationFilter(components.app_id))

    def start(self) -> None:
        """Begin to keep."""
        if self._ring is not None:
            self._logger.addHandler(self._ring)

    def stop(self) -> None:
        """Store what is left, and end."""
        if self._ring is not None:
            self.flush()
            self._logger.removeHandler(self._ring)

    def flush(self) -> None:
        """Store what was kept; a store that is away gets it later."""
        if self._ring is None:
            return
        lines = self._ring.take()
        if not lines:
            return
        records = [
            LogLine(
                new_id(),
                each.at,
                storable(each.level),
                storable(each.logger),
                storable(each.text),
                self._runner_id,
                None if each.invocation_id is None else storable(each.invocation_id),
                None if each.task_id is None else storable(each.task_id),
            )
            for each in lines
        ]
        try:
            self._components.state_backend.write([Save(each) for each in records])
        except StorageError as error:
            self._ring.put_back(lines)
            self._components.logger.debug("log lines are stored later: %s", error)
        except Exception:  # whatever no store takes would not be taken later either
            self._components.logger.debug("%d log line(s) cannot be stored", len(lines), exc_info=True)
