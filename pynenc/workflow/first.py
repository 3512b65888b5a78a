"""Waiting for whichever comes first: an event, a time, a child."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeAlias

from pynenc.calls.interfaces import BaseInvocation
from pynenc.exceptions import EventTimeoutError, WorkflowUsageError
from pynenc.identifiers.texts import shown
from pynenc.lifecycle.parking import NEVER
from pynenc.state_backend.workflow_records import Step
from pynenc.trigger.conditions.base import Filter
from pynenc.trigger.filter_checks import check_filter
from pynenc.trigger.records import check_code
from pynenc.workflow.branches import Branch
from pynenc.workflow.journal import Entry, Place
from pynenc.workflow.run import EVENT
from pynenc.workflow.updates import UpdateOperations
from pynenc.workflow.waiting_operations import GIVEN_UP, LOOK_AGAIN_S, WAIT, described, seconds_of

FIRST = "first"
_NONE_IN_TIME = -1
_LONGEST_S = 3600.0
_GIVEN, _LEFT = "given", "left"


@dataclass(frozen=True)
class EventOf:
    """An event to wait for with others; see `wait_event`.

    Attributes:
        code: What kind of event.
        filter: On its payload.
    """

    code: str
    filter: Filter | None = None


@dataclass(frozen=True)
class Timer:
    """A time to wait for with others.

    Attributes:
        duration: Seconds or timedelta.
    """

    duration: float | timedelta


Awaited: TypeAlias = EventOf | Timer | BaseInvocation[..., Any]
"""Something that `first` waits for."""


@dataclass(frozen=True)
class _Prepared:
    """A thing that is waited for: one of a due time, the place of an event, and a child."""

    due: float | None = None
    event: EventOf | None = None
    at: tuple[Branch, Place] | None = None
    child: BaseInvocation[..., Any] | None = None


class FirstOperations(UpdateOperations):
    """The part of `task.wf` that waits for whichever comes first."""

    def event(self, code: str, filter: Filter | None = None) -> EventOf:
        """Return an event for `first` to wait for; parameters as of `wait_event`."""
        return EventOf(code, filter)

    def timer(self, duration: float | timedelta) -> Timer:
        """Return a time for `first` to wait for: seconds or timedelta."""
        return Timer(duration)

    def first(self, *awaited: Awaited, timeout: float | timedelta | None = None) -> tuple[int, Any]:
        """Wait for whichever comes first; the others are given up, and a child goes on.

        Coroutines have `asyncio.wait` for this.

        Args:
            awaited: What `event` and `timer` return, and handles on children.
            timeout: Longest wait (seconds or timedelta).

        Returns:
            The number of the one that came, from 0, and the payload of the event, None for a time, or
            the handle on the child, which may have failed. Of several, the first in order.

        Raises:
            EventTimeoutError: None came in time.
            InvocationCancelledError: The invocation was cancelled.
        """
        if not awaited:
            raise WorkflowUsageError("'first' needs something to wait for")
        seconds = None if timeout is None else seconds_of(timeout, "a timeout")
        now = self.run.journal.now
        deadline = float(
            self.run.perform(WAIT, FIRST, lambda _: NEVER if seconds is None else now() + seconds)
        )
        prepared = [self._prepare(each) for each in awaited]
        branch, place = self.run.begin(FIRST, "")
        given: dict[int, Step] = {}
        look_s = self.first_look_s
        while (step := self.run.recorded(branch, place, FIRST, "")) is None:
            self.run.raise_cancelled(place)
            winner = self._winner(prepared, given)
            if winner is None and deadline <= now():
                winner = _NONE_IN_TIME
            if winner is not None:
                self._give_up_others(prepared, winner)
                step = self.run.record(branch, Entry(place, FIRST, "", winner))
                break
            self._sit_out_first(prepared, deadline, look_s)
            look_s = min(look_s * 2, LOOK_AGAIN_S)
        number = int(self.run.outcome(step))
        if number == _NONE_IN_TIME:
            raise EventTimeoutError("nothing of what was waited for came in time")
        return number, self._value_of(prepared[number], given.get(number))

    def _prepare(self, awaited: Awaited) -> _Prepared:
        if isinstance(awaited, Timer):
            return _Prepared(due=self._due(awaited.duration))
        if isinstance(awaited, EventOf):
            check_code(awaited.code)
            check_filter(awaited.filter, f"event '{awaited.code}'", plain=True)
            return _Prepared(event=awaited, at=self.run.begin(EVENT, awaited.code))
        if isinstance(awaited, BaseInvocation):
            return _Prepared(child=awaited)
        raise WorkflowUsageError(
            f"'first' cannot wait for {shown(awaited, 80)}; give it wf.event(...), wf.timer(...) or the "
            f"handle on a child"
        )

    def _winner(self, prepared: Sequence[_Prepared], given: dict[int, Step]) -> int | None:
        """Return the number of the first that has come, if one has; an event that was given now is noted."""
        for number, each in enumerate(prepared):  # an event that was given before a crash stays given
            if self._recorded(each) is _GIVEN:
                return number
        ended = self._runtime.ended([each.child.invocation_id for each in prepared if each.child is not None])
        for number, each in enumerate(prepared):
            if each.due is not None and each.due <= self.run.journal.now():
                return number
            if each.child is not None and each.child.invocation_id in ended:
                return number
            if each.event is not None and each.at is not None and self._recorded(each) is None:
                event = each.event
                step = self._listen(*each.at, event.code, event.filter, NEVER)
                if step is not None:
                    given[number] = step
                    return number
        return None

    def _recorded(self, each: _Prepared) -> str | None:
        """Return what is recorded of an event that is waited for, if anything is."""
        if each.event is None or each.at is None:
            return None
        step = self.run.recorded(*each.at, EVENT, each.event.code)
        if step is None:
            return None
        return _LEFT if self.run.journal.value(step) is GIVEN_UP else _GIVEN

    def _give_up_others(self, prepared: Sequence[_Prepared], winner: int) -> None:
        for number, each in enumerate(prepared):
            if each.event is None or each.at is None or number == winner:
                continue
            if self._recorded(each) is None:
                self._give_up(*each.at, each.event.code, each.event.filter)

    def _value_of(self, come: _Prepared, given: Step | None) -> Any:
        if come.event is None or come.at is None:
            return self._runtime.fresh(come.child)
        step = given or self.run.recorded(*come.at, EVENT, come.event.code)
        return None if step is None else self._payload_of(step, come.event.code)

    def _sit_out_first(self, prepared: Sequence[_Prepared], deadline: float, look_s: float) -> None:
        """Sit out a short wait, or leave the body for a long one if no child needs it to stay.

        Args:
            prepared: What is waited for.
            deadline: Until when, in seconds since the epoch.
            look_s: After how many seconds to look whether a child that runs has been parked.
        """
        now = self.run.journal.now()
        children = [each.child.invocation_id for each in prepared if each.child is not None]
        running = [each for each in children if self._runtime.parked_child([each]) is None]
        due = min([deadline, *(each.due for each in prepared if each.due is not None)])
        if len(running) < len(children):
            due = min(due, now + LOOK_AGAIN_S)
        words = [f"event '{each.event.code}'" for each in prepared if each.event is not None]
        words += [f"workflow {child}" for child in children]
        words += [f"until {described(due)}"] if due < NEVER else []
        parking = self._parking(due, " or ".join(words), self._events_seen)
        if due - now > self._park_after_s and not running:
            raise self.run.park(parking)
        over = threading.Event()
        with ExitStack() as listening:
            listening.enter_context(self.run.interruption.waking(over.set))
            listening.enter_context(self._runtime.subscribe(over.set, children))
            if self._runtime.events_counted() != self._events_seen or self._runtime.ended(children):
                return
            listening.enter_context(self._runtime.waiting(running))
            if not self.run.interruption.is_requested or self.run.interruption.is_acknowledged:
                over.wait(max(0.0, min(due - now, look_s if running else _LONGEST_S)))
