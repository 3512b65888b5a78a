"""Updates: messages to a running workflow that it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from pynenc.exceptions import UpdateRefusedError, WorkflowUsageError
from pynenc.identifiers.texts import error_text
from pynenc.trigger.records import check_code
from pynenc.workflow.waiting_operations import WAIT, WaitingOperations, seconds_of

ANSWER = "answer"
INTERNAL = "pynenc."
"""The names of values that the framework keeps among those of a workflow begin with this."""

Validate = Callable[[Any], object]
"""Gets the payload of an update, and raises `ValueError` or `UpdateRefusedError` to refuse it."""


def answer_name(update_id: str) -> str:
    """Return the name of the value that holds the answer to an update."""
    return f"{INTERNAL}answer.{update_id}"


class Update:
    """An update that the body has been given, to be answered once.

    Attributes:
        update_id: Its id.
        code: What kind of update.
        payload: What it carries.
    """

    def __init__(self, operations: UpdateOperations, update_id: str, code: str, payload: Any) -> None:
        self._operations = operations
        self.update_id = update_id
        self.code = code
        self.payload = payload
        self._is_answered = False

    def answer(self, value: Any = None) -> None:
        """Answer it; who has sent it gets the value, which must be serializable."""
        self._once()
        self._operations.answer_update(self, {"value": value})

    def refuse(self, reason: str) -> None:
        """Refuse it; who has sent it gets an `UpdateRefusedError` with the reason."""
        self._once()
        self._operations.answer_update(self, {"refused": str(reason)})

    def _once(self) -> None:
        if self._is_answered:
            raise WorkflowUsageError(f"update '{self.code}' ({self.update_id}) has been answered already")
        self._is_answered = True


class UpdateOperations(WaitingOperations):
    """The part of `task.wf` that answers updates."""

    def wait_update(
        self, code: str, validate: Validate | None = None, timeout: float | timedelta | None = None
    ) -> Update:
        """Wait for an update that `app.update_workflow` has sent to this invocation.

        Args:
            code: What kind of update.
            validate: Refuses what it raises an exception for; the body goes on waiting. It is called
                again when the body runs again, so it must come to the same end.
            timeout: Longest wait for one that is not refused (seconds or timedelta).

        Returns:
            The update; answer it by `answer` or `refuse`.

        Raises:
            EventTimeoutError: None came in time.
            InvocationCancelledError: The invocation was cancelled.
        """
        deadline = self._deadline(code, timeout)
        while True:
            update = self._update(code, self.wait_event(_event_code(code), timeout=self._left(deadline)))
            if self._is_accepted(update, validate):
                return update

    async def async_wait_update(
        self, code: str, validate: Validate | None = None, timeout: float | timedelta | None = None
    ) -> Update:
        """Do the same as `wait_update`, for coroutines."""
        deadline = self._deadline(code, timeout)
        while True:
            event = await self.async_wait_event(_event_code(code), timeout=self._left(deadline))
            update = self._update(code, event)
            if self._is_accepted(update, validate):
                return update

    def _deadline(self, code: str, timeout: float | timedelta | None) -> float | None:
        """Return until when to wait, recorded once for all the updates that are refused meanwhile."""
        check_code(code)
        if timeout is None:
            return None
        seconds = seconds_of(timeout, "a timeout")
        return float(self.run.perform(WAIT, _event_code(code), lambda _: self.run.journal.now() + seconds))

    def _left(self, deadline: float | None) -> float | None:
        return None if deadline is None else max(0.0, deadline - self.run.journal.now())

    def _update(self, code: str, event: Mapping[str, Any]) -> Update:
        return Update(self, str(event["update_id"]), code, event["payload"])

    def _is_accepted(self, update: Update, validate: Validate | None) -> bool:
        if validate is None:
            return True
        try:
            validate(update.payload)
        except Exception as error:  # noqa: BLE001 - one malformed message must not fail the workflow
            is_meant = isinstance(error, (ValueError, UpdateRefusedError))
            update.refuse(error_text(error) if is_meant else f"{type(error).__name__}: {error_text(error)}")
            return False
        return True

    def answer_update(self, update: Update, answer: dict[str, Any]) -> None:
        """Record the answer to an update, and tell who waits for it."""
        shared = [(answer_name(update.update_id), answer)]
        self.run.perform(ANSWER, update.code, lambda _: None, shared)
        self._runtime.announce([answer_channel(update.update_id)])


def _event_code(code: str) -> str:
    return f"{INTERNAL}update.{code}"


def answer_channel(update_id: str) -> str:
    """Return the channel on which who has sent an update hears that it is answered."""
    return f"answer:{update_id}"


def update_event(code: str, update_id: str, payload: Any) -> tuple[str, dict[str, Any]]:
    """Return the code and the payload of the event that carries an update."""
    return _event_code(code), {"update_id": update_id, "payload": payload}
