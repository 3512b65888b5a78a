"""Every error that pynenc raises itself.

All derive from `PynencError`, so one `except` catches what the framework has to say and
leaves the errors of user code alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any


class PynencError(Exception):
    """Base of all errors raised by pynenc."""


class RetryError(PynencError):
    """Raise it inside a task to ask for another attempt, whatever `retry_for` says.

    Args:
        args: The message.
        after: When to try again, in seconds from then; None as the options of the task say.
    """

    def __init__(self, *args: object, after: float | timedelta | None = None) -> None:
        super().__init__(*args)
        seconds = after.total_seconds() if isinstance(after, timedelta) else after
        is_number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
        if seconds is not None and not (is_number and 0 <= seconds < float("inf")):
            raise ValueError(f"after={after!r} is not a number of seconds from 0")
        self.after = None if seconds is None else float(seconds)


# --- settings and plugins ------------------------------------------------------------


class ConfigError(PynencError):
    """A setting is unknown, unreadable or has a wrong value."""


class BuilderMethodError(ConfigError, AttributeError):
    """The builder has no such method; perhaps its plugin is not installed."""


class PluginError(PynencError):
    """A plugin could not be loaded or registers something invalid."""


class UnknownComponentError(ConfigError):
    """The selected component is not installed."""


# --- tasks and arguments -------------------------------------------------------------


class TaskError(PynencError):
    """Base of errors about the definition or lookup of a task."""


class NotRunningHereError(RuntimeError, AttributeError):
    """An attribute of a task was read that exists only inside its body; `hasattr` returns False."""


class TaskDefinitionError(TaskError):
    """The function cannot be a task, or an option of the decorator is invalid."""


class TaskNotFoundError(TaskError):
    """No task with this id is known to the process."""

    def __init__(self, task_id: str, known: Iterable[str] = (), reason: str | None = None) -> None:
        self.task_id = task_id
        self.known = tuple(sorted(known))
        self.reason = reason
        super().__init__(task_id, self.known, reason)

    def __str__(self) -> str:
        modules = sorted({name.rpartition(".")[0] for name in self.known})
        listed = ", ".join(modules) if modules else "none"
        why = f" ({self.reason})" if self.reason else ""
        return (
            f"task '{self.task_id}' is not known here{why}. Modules with tasks known to this process: "
            f"{listed}. Import the module that defines it before the runner starts, or name it in "
            f"the setting 'task_modules'."
        )


class SerializationError(PynencError):
    """A value cannot be turned into text, or a text cannot be turned back.

    Attributes:
        why: The reason.
        path: Where the reason lies, such as `argument 'order' → lines[3].price`; empty if that is
            the whole value.
    """

    def __init__(self, why: str, path: str = "") -> None:
        self.why = why
        self.path = path
        super().__init__(why, path)

    def inside(self, whole: str) -> SerializationError:
        """Return this error, told of a value that is a part of something named."""
        return SerializationError(self.why, f"{whole} → {self.path}" if self.path else whole)

    def __str__(self) -> str:
        return f"{self.path}: {self.why}" if self.path else self.why


class CodecError(SerializationError):
    """A stored record or value cannot be opened: its signature, its key or its size is wrong."""


class ClientDataNotFoundError(PynencError):
    """A large value that an invocation refers to is no longer in the client data store."""


# --- invocations ---------------------------------------------------------------------


class InvocationError(PynencError):
    """Base of errors about one invocation."""


class InvocationNotFoundError(InvocationError):
    """No invocation with this id is stored, or it cannot be read."""

    def __init__(self, invocation_id: str, reason: str | None = None) -> None:
        self.invocation_id = invocation_id
        self.reason = reason
        super().__init__(invocation_id, reason)

    def __str__(self) -> str:
        if self.reason:
            return f"the invocation '{self.invocation_id}' cannot be read: {self.reason}"
        return (
            f"no invocation '{self.invocation_id}' is stored for this app: the id is wrong, it "
            f"belongs to another app or backend, or it was purged after its retention time"
        )


class InvocationStatusError(InvocationError):
    """A status change is not legal."""


class StatusTransitionError(InvocationStatusError):
    """The state machine has no edge between the two statuses."""

    def __init__(self, current: str, wanted: str, allowed: Iterable[str]) -> None:
        self.current = current
        self.wanted = wanted
        self.allowed = tuple(sorted(allowed))
        super().__init__(current, wanted, self.allowed)

    def __str__(self) -> str:
        targets = ", ".join(self.allowed) if self.allowed else "nothing, it is final"
        return f"an invocation cannot go from {self.current} to {self.wanted}; allowed: {targets}"


class StatusOwnershipError(InvocationStatusError):
    """Somebody else than the owner tried to change the status."""

    def __init__(self, current: str, wanted: str, owner: str | None, attempted_by: str | None) -> None:
        self.current = current
        self.wanted = wanted
        self.owner = owner
        self.attempted_by = attempted_by
        super().__init__(current, wanted, owner, attempted_by)

    def __str__(self) -> str:
        return (
            f"the change from {self.current} to {self.wanted} belongs to runner {self.owner}, "
            f"but {self.attempted_by or 'nobody'} attempted it"
        )


class InvocationConcurrencyWithDifferentArgumentsError(InvocationError):
    """Registration found a waiting invocation with the same key and other arguments."""


class InvocationCancelledError(InvocationError):
    """The invocation was cancelled, so it has no result."""


class WaitCycleError(InvocationError):
    """Invocations wait for each other in a circle, so none of them could ever end."""

    def __init__(self, circle: Iterable[str]) -> None:
        self.circle = tuple(circle)
        super().__init__(self.circle)

    def __str__(self) -> str:
        chain = " waits for ".join((*self.circle, self.circle[0]))
        return f"invocations wait for each other in a circle: {chain}"


class InvocationTimeoutError(InvocationError):
    """The run took longer than its `timeout`."""


class ConcurrencyControlledError(InvocationError):
    """The invocation was blocked by concurrency control for good, so it has no result."""


class RecoveryLimitError(InvocationError):
    """The invocation took down its runner too often and is not run again."""


class RemoteTaskError(InvocationError):
    """Stands for an exception of a task which cannot be rebuilt in this process.

    Attributes:
        type_name: Import path of the original exception class.
        remote_message: Text of the original exception.
    """

    def __init__(self, type_name: str, remote_message: str) -> None:
        self.type_name = type_name
        self.remote_message = remote_message
        super().__init__(type_name, remote_message)

    def __str__(self) -> str:
        return f"{self.type_name}: {self.remote_message}"


class RemoteTraceback(Exception):
    """Carries the traceback text of the worker; attached as the cause of a task's error."""

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(text)

    def __str__(self) -> str:
        return f'\n"""\n{self.text}"""'


# --- storage and runners -------------------------------------------------------------


class SearchError(PynencError, ValueError):
    """A search cannot be understood, or its cursor belongs to another one."""


class StorageError(PynencError):
    """The storage engine could not do what was asked."""


class StorageUnavailableError(StorageError):
    """The storage engine cannot be reached or opened."""


class ValueTooLargeError(StorageError):
    """A value is larger than the engine can store; nothing of the write was done."""


class StorageCorruptedError(StorageError):
    """The stored data is damaged or is not a database of this engine at all."""


class StorageLayoutError(StorageError):
    """The stored data was written by a newer version or is not ours."""


class RunnerError(PynencError):
    """A runner cannot start or work with this configuration."""


# --- workflows -----------------------------------------------------------------------


class WorkflowError(PynencError):
    """Base of errors about recorded operations."""


class WorkflowUsageError(WorkflowError):
    """An operation was called where it cannot be recorded."""


class NonDeterminismError(WorkflowError):
    """The body does something else than what it had recorded when it ran before."""


class WorkflowExistsError(WorkflowError):
    """A workflow with the wanted name is stored already."""

    def __init__(self, workflow_id: str, invocation_id: str, status: str) -> None:
        self.workflow_id = workflow_id
        self.invocation_id = invocation_id
        self.status = status
        super().__init__(workflow_id, invocation_id, status)

    def __str__(self) -> str:
        return (
            f"a workflow with the name '{self.workflow_id}' exists: invocation {self.invocation_id}, which "
            f"is {self.status}. Nothing was started."
        )


class UpdateRefusedError(WorkflowError):
    """The workflow has refused an update; the message says why."""


class CodeVersionError(WorkflowError):
    """A workflow that is pinned to the version of the code with which it began met another."""


class StepTimeoutError(WorkflowError, TimeoutError):
    """A step took longer than its timeout."""


class EventTimeoutError(WorkflowError, TimeoutError):
    """No event came in time."""


# --- triggers ------------------------------------------------------------------------


class TriggerError(PynencError):
    """A trigger could not be evaluated or fired."""


class TriggerFunctionError(TriggerError):
    """A function of a trigger cannot be called in this process."""


class TriggerNotFoundError(TriggerError):
    """No trigger with this id is stored, or its beginning fits several."""

    def __init__(self, trigger_id: str, fitting: int, known: int) -> None:
        self.trigger_id = trigger_id
        self.fitting = fitting
        self.known = known
        what = f"{fitting} triggers have" if fitting else "no trigger has"
        super().__init__(
            f"{what} an id that begins with '{trigger_id}'; {known} are stored; see 'pynenc triggers list'"
        )


class CallConflictError(PynencError):
    """A call names itself like an earlier one, and is another call.

    Attributes:
        invocation_id: The id of the earlier one.
        earlier: The earlier call, as logs show it.
        refused: This call, likewise.
    """

    def __init__(self, invocation_id: str, earlier: str, refused: str) -> None:
        self.invocation_id = invocation_id
        self.earlier = earlier
        self.refused = refused
        super().__init__(
            f"invocation {invocation_id} was submitted as {earlier}, so {refused} cannot have the same "
            f"idempotency_key or invocation_id; nothing was submitted"
        )


class ScheduleError(TriggerError):
    """A schedule that was asked for is not there, is there already, or is not described fully."""


def accepted_ids(error: BaseException) -> tuple[str, ...] | None:
    """Return the ids of what was accepted before the await of a call or an event was cancelled.

    Args:
        error: The `CancelledError`, or the `TimeoutError` that `asyncio.timeout` made of it.

    Returns:
        The ids; empty if nothing was submitted, None if the error says nothing about that.
    """
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        accepted = getattr(current, "accepted", None)
        if isinstance(current, asyncio.CancelledError) and isinstance(accepted, tuple):
            return accepted
        current = current.__cause__ or current.__context__
    return None


class PartlySubmittedError(PynencError):
    """A parallel call failed after some of its calls were accepted; `__cause__` says why.

    Attributes:
        invocations: Handles on those that were accepted, in the order of the items. If the storage
            failed, some of the next may have been accepted as well.
    """

    def __init__(self, invocations: Sequence[Any], total: int | None = None) -> None:
        self.invocations = list(invocations)
        self.total = total
        super().__init__(self.invocations, total)

    def __str__(self) -> str:
        rest = "" if self.total is None else f" of {self.total}"
        why = "" if self.__cause__ is None else f": {type(self.__cause__).__name__}: {self.__cause__}"
        return f"{len(self.invocations)}{rest} call(s) were accepted before it failed{why}"
