"""One run of a body whose operations are recorded.

An operation that was recorded before gives back what was recorded; the first that was not is
performed and recorded. So a body that runs again comes to where it was, as long as it does the same
operations in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from pynenc.exceptions import (
    InvocationCancelledError,
    NonDeterminismError,
    SerializationError,
    WorkflowUsageError,
)
from pynenc.interruption import Interruption
from pynenc.lifecycle.parking import Parking
from pynenc.state_backend.workflow_records import Step
from pynenc.workflow.attempts import CANCELLED, PATCHED, EarlierAttempts, path_and_attempt
from pynenc.workflow.branches import Branch, Branches
from pynenc.workflow.journal import Entry, Journal, Place, check_name

CHILD = "task"
EVENT = "event"
STEP = "step"
_SHOWN = 8

inside_step: ContextVar[str | None] = ContextVar("pynenc_inside_step", default=None)
"""The step whose callable runs in this context."""


class Parked(BaseException):
    """Leaves a body that waits for long; it runs again later."""


class DurableRun:
    """The recorded operations of one run.

    Args:
        journal: Where they are kept.
        interruption: How the body is asked to end.
        is_workflow: Whether it is the root of a workflow.
        cancel_requested: Whether it was cancelled before this run began.
        attempt: How often the body asked for another run.
        when_cancelled: Is called just before the body is told for the first time that it was cancelled.

    Attributes:
        was_cancelled: Whether the body has been told.
        misfit: The error that says that the code does not fit the record, once that was seen. Nothing that
            the body does after it is recorded, and the run ends with it.
    """

    def __init__(
        self,
        journal: Journal,
        interruption: Interruption,
        is_workflow: bool,
        cancel_requested: bool,
        attempt: int,
        when_cancelled: Callable[[], None] = lambda: None,
    ) -> None:
        self.journal = journal
        self.interruption = interruption
        self.attempt = attempt
        self.parking: Parking | None = None
        self.branches = Branches()
        self.is_workflow = is_workflow
        self._cancel_requested = cancel_requested
        self._when_cancelled = when_cancelled
        self.was_cancelled = False
        self.misfit: NonDeterminismError | None = None
        self._known: dict[Place, Step] | None = None
        self._earlier = EarlierAttempts()
        self._sources: dict[Place, Step | None] = {}
        self._new: list[Step] = []
        self._raised: list[tuple[BaseException, Place]] = []
        self._children: list[tuple[Any, Place]] = []
        self._patches: dict[str, bool] = {}

    @property
    def known(self) -> dict[Place, Step]:
        """The steps that earlier runs of this attempt have recorded."""
        if self._known is None:
            self._known, earlier = self.journal.load()
            self._earlier = EarlierAttempts(earlier)
        return self._known

    @property
    def has_steps(self) -> bool:
        """True if anything was recorded."""
        return bool(self._new or self._known)

    # --- operations --------------------------------------------------------------------

    def perform(
        self,
        kind: str,
        name: str,
        act: Callable[[Place], Any],
        shared: Sequence[tuple[str, Any]] = (),
        keep_errors: bool = False,
        at: Callable[[Place], object] = lambda place: None,
    ) -> Any:
        """Return an operation: what was recorded, or what `act` gives now.

        Args:
            kind: What kind of operation.
            name: What it is called.
            act: Performs it; gets its place.
            shared: Values that the workflow shares, set together with the record.
            keep_errors: Whether an exception of `act` is recorded, too.
            at: Is told the place.

        Raises:
            NonDeterminismError: Another operation was recorded here.
            InvocationCancelledError: The invocation was cancelled.
        """
        branch, place = self.begin(kind, name)
        at(place)
        step = self.recorded(branch, place, kind, name)
        if step is None:
            self.raise_cancelled(place)
            self.journal.check_new()
            step = self.record(branch, self._acted(kind, name, place, act, keep_errors), shared)
        return self.outcome(step)

    def _acted(
        self, kind: str, name: str, place: Place, act: Callable[[Place], Any], keep_errors: bool
    ) -> Entry:
        try:
            return Entry(place, kind, name, act(place))
        except Exception as error:
            if not keep_errors:
                raise
            return Entry(place, kind, name, error, is_error=True)

    def begin(self, kind: str, name: str) -> tuple[Branch, Place]:
        """Take the place for an operation."""
        check_name(kind, name)
        step = inside_step.get()
        if step is not None:
            raise WorkflowUsageError(
                f"'{kind}' was called inside the step '{step}', which is recorded as a whole; call it in "
                f"the body"
            )
        if self.parking is not None:
            raise Parked  # the body has caught it, or a coroutine beside still runs
        if self.misfit is not None:
            raise self.misfit
        branch = self.branches.current()
        return branch, branch.take(kind, name)

    def recorded(self, branch: Branch, place: Place, kind: str, name: str) -> Step | None:
        """Return what an earlier run has recorded at a place, or an earlier attempt for such an operation.

        Raises:
            NonDeterminismError: It is another operation.
            InvocationCancelledError: The body was told there that it was cancelled.
        """
        step = self.known.get(place)
        if place not in self._sources:
            self._sources[place] = self._earlier.take(place[0], kind, name)
        source = self._sources[place]
        if step is None and source is not None:
            value = self.journal.value(source)
            step = self.journal.record(Entry(place, kind, name, value, bool(source.is_error)))
            self.known[place] = step
        if step is not None:
            self._check_same(branch, step, kind, name)
        return step

    def record(self, branch: Branch, entry: Entry, shared: Sequence[tuple[str, Any]] = ()) -> Step:
        """Record an operation; what is recorded then, for another run may have been first."""
        try:
            step = self.journal.record(entry, shared)
        except SerializationError as error:
            what = f"{entry.kind} '{entry.name}'" if entry.name else entry.kind
            refused = SerializationError(error.why, f"{what} → {error.path}" if error.path else what)
            if entry.kind != STEP:
                raise refused from error
            # It was done, so it is not done again: what is recorded is that its result cannot be.
            step = self.journal.record(Entry(entry.place, STEP, entry.name, refused, is_error=True))
        self._new.append(step)
        self._check_same(branch, step, entry.kind, entry.name)
        return step

    def outcome(self, step: Step) -> Any:
        """Return the value of a step; an exception is raised."""
        value = self.journal.value(step)
        if not step.is_error:
            return value
        self._raised.append((value, (step.branch, step.index)))
        raise value

    def patched(self, name: str) -> bool:
        """Return whether this invocation does what a change of the code has brought.

        It does if it comes here for the first time, and not if it has gone past without the change.
        """
        if name not in self._patches:
            branch = self.branches.current()
            step = self.known.get(branch.ahead)
            if step is None or (step.kind, step.name) == (PATCHED, name):
                self.perform(PATCHED, name, lambda _: True)
                self._patches[name] = True
            else:
                self._patches[name] = False
        return self._patches[name]

    def repeats(self, kind: str, name: str) -> bool:
        """Return whether this was recorded as the next operation; if so, it is done with."""
        branch = self.branches.current()
        step = self.known.get(branch.ahead)
        if step is not None:
            is_next = (step.kind, step.name) == (kind, name)
        else:
            is_next = self._earlier.has(branch.path, kind, name)
        if is_next:
            self.perform(kind, name, lambda _: None)
        return is_next

    def used_events(self) -> set[str]:
        """Return the ids of the events that waits have given."""
        steps = [each for each in [*self.recorded_steps(), *self._earlier.left] if each.kind == EVENT]
        values = [self.journal.value(step) for step in steps]
        return {value["event_id"] for value in values if isinstance(value, dict)}

    # --- children and errors -----------------------------------------------------------

    def add_child(self, handle: Any, place: Place) -> None:
        """Note the handle on a child."""
        self._children.append((handle, place))

    def forget_failure(self, error: BaseException) -> bool:
        """Drop the operation that raised an error and those behind it, so that the next run tries anew.

        Returns:
            False if no operation has raised it.
        """
        for raised, place in [*self._raised, *_failed_children(self._children)]:
            if raised is error:
                self.forget_from(place)
                return True
        return False

    def forget_from(self, place: Place) -> None:
        """Drop what is recorded at a place and behind it, in its branch."""
        branch, index = place
        last = max(at for path, at in [*self.known, place, *self._taken(branch)] if path == branch)
        places = [(branch, at) for at in range(index, last + 1)]
        sources = [step for each in places if (step := self._sources.get(each)) is not None]
        behind = [step for step in self._earlier.drop() if path_and_attempt(step.branch)[0] == branch]
        self.journal.forget(places, [*sources, *behind])

    def recorded_steps(self) -> list[Step]:
        """Return what this attempt has recorded, in this run and before."""
        return [*self.known.values(), *self._new]

    def _taken(self, path: str) -> list[Place]:
        return [(path, branch.next_index - 1) for branch in self.branches.all if branch.path == path]

    def check_complete(self) -> None:
        """Refuse an end that comes before everything that was recorded.

        Raises:
            NonDeterminismError: The body has not done all that it had done before.
        """
        for branch in self.branches.all:
            step = self.known.get(branch.ahead)
            if step is not None:
                raise self._misfit(branch, "the body ended")

    # --- cancelling --------------------------------------------------------------------

    @property
    def _is_cancelling(self) -> bool:
        if self.interruption.is_acknowledged:
            return False
        return self._cancel_requested or isinstance(self.interruption.error, InvocationCancelledError)

    def raise_cancelled(self, place: Place, where: str = "") -> None:
        """Raise the cancelling in the body of a workflow, once, and record where.

        Raises:
            InvocationCancelledError: It was cancelled and the body does not know yet.
        """
        if not self.is_workflow:
            self.interruption.check()
        elif self._is_cancelling:
            self._when_cancelled()
            self._new.append(self.journal.record(Entry(place, CANCELLED, where, None)))
            raise self._cancelling()
        else:
            self.interruption.check()

    def raise_cancelled_ahead(self, where: str) -> None:
        """Do the same as `raise_cancelled` between two operations: at a wait."""
        branch = self.branches.current()
        step = self.known.get(branch.ahead)
        if step is not None:
            if (step.kind, step.name) == (CANCELLED, where):
                branch.take(CANCELLED, where)
                raise self._cancelling()
            return
        if not self.is_workflow or self._is_cancelling:
            self.raise_cancelled(branch.take(CANCELLED, where) if self.is_workflow else branch.ahead, where)

    def _cancelling(self) -> InvocationCancelledError:
        """Return the error that tells the body; it may wait again afterwards, to compensate."""
        self.was_cancelled = True
        error = self.interruption.error
        if not isinstance(error, InvocationCancelledError):
            error = InvocationCancelledError("the invocation was cancelled")
            self.interruption.request(error)
        self.interruption.acknowledge()
        return error

    @contextmanager
    def waiting_for(self, invocation_ids: Sequence[str]) -> Iterator[None]:
        """Enter what the body does between two operations: waiting for other invocations."""
        where = f"waiting for {invocation_ids[0]}" if invocation_ids else "waiting"
        if not self.is_workflow:
            yield
            return
        self.raise_cancelled_ahead(where)
        try:
            yield
        except InvocationCancelledError as error:
            if error is self.interruption.error and not self.interruption.is_acknowledged:
                self.raise_cancelled_ahead(where)
            raise

    # --- parking -----------------------------------------------------------------------

    def park(self, parking: Parking) -> Parked:
        """Note that the body waits for long; what to raise."""
        self.parking = parking
        return Parked()

    # --- differences -------------------------------------------------------------------

    def _check_same(self, branch: Branch, step: Step, kind: str, name: str) -> None:
        if (step.kind, step.name) == (kind, name):
            return
        if step.kind == CANCELLED:
            raise self._cancelling()
        raise self._misfit(branch, f"it now does {_shown(kind, name)}")

    def _misfit(self, branch: Branch, what: str) -> NonDeterminismError:
        """Note that the code does not fit the record; what to raise, now and at every further operation."""
        self.misfit = NonDeterminismError(self._compared(branch, what))
        return self.misfit

    def _compared(self, branch: Branch, what: str) -> str:
        recorded = {index: step for (path, index), step in self.known.items() if path == branch.path}
        last = max(len(branch.done), max(recorded, default=-1) + 1)
        differ = next(
            (
                index
                for index in range(last)
                if index >= len(branch.done)
                or index not in recorded
                or (recorded[index].kind, recorded[index].name) != branch.done[index]
            ),
            last,
        )
        lines = [f"{'':>6}  {'recorded before':<40} this run"]
        for index in range(max(0, differ - _SHOWN), min(last, differ + _SHOWN)):
            before = _shown(recorded[index].kind, recorded[index].name) if index in recorded else "-"
            now = _shown(*branch.done[index]) if index < len(branch.done) else "-"
            mark = "->" if index == differ else ""
            lines.append(f"{mark:>2} {index:>3}  {before:<40} {now}")
        where = f" in branch {branch.path}" if branch.path else ""
        expected = _shown(recorded[differ].kind, recorded[differ].name) if differ in recorded else "nothing"
        return (
            f"the code no longer fits what this invocation has recorded: operation {differ}{where} was "
            f"{expected}, and {what}. Put the change behind 'if task.wf.patched(\"name\"):', or let "
            f"running invocations end before it is deployed.\n" + "\n".join(lines)
        )


def _shown(kind: str, name: str) -> str:
    return f"{kind} '{name}'" if name else kind


def _failed_children(children: Sequence[tuple[Any, Place]]) -> list[tuple[BaseException, Place]]:
    pairs = [(handle.error if handle.is_settled else None, place) for handle, place in children]
    return [(error, place) for error, place in pairs if error is not None]
