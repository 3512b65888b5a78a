"""Problems of triggers: noted on each of them, and told once per change."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from pynenc.identifiers.texts import error_text, shown, type_name
from pynenc.trigger.base_trigger import BaseTrigger
from pynenc.trigger.records import TriggerProblem

_LONGEST = 2000


class Problems:
    """The problems that this process has met.

    Args:
        store: Where they are noted.
        logger: Where to tell of them.
    """

    def __init__(self, store: BaseTrigger, logger: logging.Logger) -> None:
        self._store = store
        self._logger = logger
        self._told: dict[str, str] = {}

    def note(self, trigger_id: str, task_id: str, error: BaseException | str, cause: str = "") -> None:
        """Note that something went wrong with a trigger; the operator is told if it is something new.

        Args:
            trigger_id: Which.
            task_id: The task to start.
            error: What went wrong.
            cause: What was to start the task, in words.
        """
        text = error if isinstance(error, str) else f"{type_name(type(error))}: {error_text(error)}"
        text = text[:_LONGEST]
        if self._told.get(trigger_id) != text:
            self._told[trigger_id] = text
            what = f"did not start it for {cause}" if cause else "cannot be evaluated"
            self._logger.error("trigger %s of task %s %s: %s", trigger_id, task_id, what, shown(text))
        now = self._store.now()
        self._store.note_problem(TriggerProblem(trigger_id, task_id, text, 1, now, now))

    def load(self) -> None:
        """Learn of the problems that other processes have noted, so that they are solved here too."""
        for problem in self._store.find_problems():
            self._told.setdefault(problem.trigger_id, problem.error)

    def solved(self, trigger_ids: Iterable[str]) -> None:
        """Note that triggers work; those without a problem that is known here are left alone."""
        known = [each for each in trigger_ids if self._told.pop(each, None) is not None]
        if known:
            self._store.delete_problems(known)
