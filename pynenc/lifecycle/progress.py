"""Progress reports on their way from bodies to the store.

A body only leaves its latest report here. One thread of the process stores what was left, twice a
second at most, and ends when nothing comes for a while. The end of a body takes its last report along.
A report names the claim under which its body ran, so that of a body which has lost its ownership counts
for nothing.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from pynenc.exceptions import StorageError
from pynenc.invocation.progress import Progress
from pynenc.invocation.state import InvocationState
from pynenc.state_backend.base_state_backend import BaseStateBackend
from pynenc.state_backend.progress_records import CHANGING, ProgressData
from pynenc.storage.group import Group
from pynenc.storage.record_store import upserts

_PAUSE_S = 0.5
_IDLE_S = 2.0


class ProgressReports:
    """The reports of the bodies that run in this process.

    Args:
        state_backend: Stores them.
        logger: Tells of what cannot be stored.

    Attributes:
        left: The reports that are not known to be stored, by invocation.
    """

    def __init__(self, state_backend: BaseStateBackend, logger: logging.Logger) -> None:
        self._state_backend = state_backend
        self._logger = logger
        self.left: dict[str, ProgressData] = {}
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._woken = threading.Event()
        self._thread: threading.Thread | None = None

    def leave(self, invocation_id: str, claim: int, report: Progress) -> None:
        """Have a report stored soon."""
        data = ProgressData(
            invocation_id, claim, report.done, report.total, report.message or "", report.at.timestamp()
        )
        with self._lock:
            later = self.left.get(invocation_id)
            if later is not None and later.claim > claim:
                return  # a thread that an earlier run has left behind
            self.left[invocation_id] = data
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="pynenc-progress", daemon=True)
                self._thread.start()
            self._woken.set()

    def latest(self, state: InvocationState) -> Progress | None:
        """Return the latest report of an invocation; None if its latest attempt has made none."""
        found = self.left.get(state.invocation_id)
        if found is None:
            (found,) = self._state_backend.read(ProgressData, [state.invocation_id])
        # A workflow that was parked is claimed anew and is still the same attempt.
        if found is None or (found.claim < state.claim and not state.has_steps):
            return None
        return Progress(found.done, found.total, found.message or None, datetime.fromtimestamp(found.at, UTC))

    def stage(self, group: Group, ended: Sequence[tuple[str, int]]) -> None:
        """Store what bodies that have ended have left, as a step of a group.

        Args:
            group: The group.
            ended: The invocations and the claims under which the bodies ran.
        """
        with self._writing:  # what the thread is storing is older
            known = [(self.left.get(invocation_id), claim) for invocation_id, claim in ended]
        found = [data for data, claim in known if data is not None and data.claim == claim]
        if found:
            self._state_backend.stage_write(group, upserts(found, CHANGING))
            group.after(lambda: self._drop(found))

    def flush(self) -> None:
        """Store what was left, now, if the store takes it."""
        with self._writing:
            self._store(list(self.left.values()))

    def _run(self) -> None:
        while self._is_wanted():
            self._woken.clear()
            with self._writing:
                self._store(list(self.left.values()))
            time.sleep(_PAUSE_S)

    def _is_wanted(self) -> bool:
        """Wait for the next report; return False if none comes for a while, so that the thread ends."""
        while not self._woken.wait(_IDLE_S):
            with self._lock:
                if not (self._woken.is_set() or self.left):
                    self._thread = None
                    return False
        return True

    def _store(self, taken: Sequence[ProgressData]) -> None:
        if not taken:
            return
        try:
            self._state_backend.write(upserts(taken, CHANGING))
        except StorageError as error:
            self._logger.debug("progress is stored later: %s", error)
            self._woken.set()
            return
        except Exception:  # whatever no store takes would not be taken later either
            self._logger.debug("progress cannot be stored", exc_info=True)
        self._drop(taken)

    def _drop(self, stored: Sequence[ProgressData]) -> None:
        """Forget reports, unless there are later ones."""
        with self._lock:
            for each in stored:
                if self.left.get(each.invocation_id) is each:
                    del self.left[each.invocation_id]
