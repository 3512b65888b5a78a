"""Firing: from a trigger that is met to the task that it starts.

The invocation's id is derived from the trigger and its occurrences, and it is stored if absent.
So firing again, after a crash or on another machine, does nothing.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from pynenc.exceptions import StorageUnavailableError, TriggerError
from pynenc.identifiers.ids import derived_id
from pynenc.identifiers.texts import error_text, type_name
from pynenc.recording.recorder import FIRED, Recorder
from pynenc.scheduler.problems import Problems
from pynenc.trigger.base_trigger import BaseTrigger
from pynenc.trigger.conditions.composite import AnyContext, TriggerContext
from pynenc.trigger.conditions.event import EventContext
from pynenc.trigger.conditions.exception import ExceptionContext
from pynenc.trigger.conditions.result import ResultContext
from pynenc.trigger.conditions.status import StatusContext
from pynenc.trigger.definition import TriggerDefinition
from pynenc.trigger.records import Occurrence, RunState, TriggerRun

_OF_INVOCATIONS = (StatusContext, ResultContext, ExceptionContext)
_FIRST_RETRY_S, _LAST_RETRY_S = 1.0, 60.0
_APART_S = 1e-6
"""Keeps the runs of one batch in their order."""


@dataclass(frozen=True, slots=True)
class Start:
    """A task to start.

    Attributes:
        task_id: Which.
        arguments: Its arguments, or None to take those of `offered` that it has parameters for.
        offered: See `arguments`.
        invocation_id: The id of its invocation.
        run_id: The run that starts it.
        depth: How many triggers in a row led here.
        source_id: The invocation whose headers it gets: the one that changed, or that emitted the event.
    """

    task_id: str
    arguments: Mapping[str, Any] | None
    offered: Mapping[str, Any]
    invocation_id: str
    run_id: str
    depth: int
    source_id: str | None = None


class Starter(Protocol):
    """Starts tasks; the app does."""

    def __call__(self, starts: Sequence[Start]) -> list[str | None]:
        """Start tasks, those with an id that is known already excepted.

        Returns:
            For each the reason why it could not be started, or None.

        Raises:
            StorageUnavailableError: A storage is away; all of it can be tried again.
        """


class Used(msgspec.Struct, frozen=True):
    """An occurrence that a run uses: the id of the part that it made of a composite, which condition it met.

    The id is empty where the trigger is not a composite.
    """

    part_id: str
    index: int
    occurrence: Occurrence


@dataclass(frozen=True, slots=True)
class MatchedTrigger:
    """A trigger that is met.

    Attributes:
        trigger_id: Which.
        definition: Its definition.
        parts: What met its conditions, in their order.
        occurrences: What occurred.
        cause: The same in words.
        depth: How many triggers in a row led to the occurrences.
        problem: What went wrong when its conditions were looked at.
        attempts: How often it was tried to start the task before.
        since: When that was tried first, in seconds since the epoch; 0 if it is tried first now.
        used: The parts of a composite that it uses; empty for others.
    """

    trigger_id: str
    definition: TriggerDefinition
    parts: Sequence[AnyContext]
    occurrences: Sequence[Occurrence]
    cause: str
    depth: int
    problem: str | None = None
    attempts: int = 0
    since: float = 0.0
    used: Sequence[Used] = ()

    @property
    def context(self) -> TriggerContext:
        """The context that the functions of the trigger are called with."""
        return TriggerContext({each.kind: each for each in reversed(self.parts)}, tuple(self.parts))

    @property
    def run_id(self) -> str:
        """The id of the run, the same whenever the same is met."""
        return derived_id("run", self.trigger_id, *(each.occurrence_id for each in self.occurrences))


@dataclass
class Firing:
    """Fires triggers that are met.

    Args:
        store: The trigger store.
        starter: Starts tasks.
        max_depth: How many triggers in a row may lead to a start.
        logger: Where to tell of triggers that were held back.
        problems: Where to note what went wrong.
        retry_s: For how many seconds a task that could not be started is tried again.
        recorder: Counts the runs.

    Attributes:
        next_retry_at: When the first of those is tried again that this process knows of, in seconds
            since the epoch.
    """

    store: BaseTrigger
    starter: Starter
    max_depth: int
    logger: logging.Logger
    problems: Problems
    retry_s: float
    recorder: Recorder = field(default_factory=Recorder)
    next_retry_at: float = math.inf
    _counts: dict[str, int] = field(default_factory=dict)

    def fire(self, met: Sequence[MatchedTrigger]) -> list[TriggerRun]:
        """Start the tasks; what came of each, to be stored. Those of one trigger keep their order."""
        self._counts.clear()
        now = self.store.now()
        runs: dict[int, TriggerRun] = {}
        starts: list[tuple[int, Start]] = []
        for at, each in sorted(enumerate(met), key=lambda pair: pair[1].trigger_id):
            refusal = self._refusal(each, now)
            if refusal is None:
                try:
                    starts.append((at, _start(each)))
                    continue
                except StorageUnavailableError:
                    raise
                except BaseException as error:  # noqa: BLE001 - a function of the user's; the run tells of it
                    refusal = RunState.FAILED, f"its arguments could not be made: {_described(error)}"
            runs[at] = self._unstarted(each, now + at * _APART_S, *refusal)
        reasons = self.starter([start for _, start in starts]) if starts else []
        for (at, _), reason in zip(starts, reasons, strict=True):
            moment = now + at * _APART_S
            if reason is None:
                runs[at] = _run(met[at], moment, RunState.FIRED, None)
            else:
                runs[at] = self._unstarted(met[at], moment, RunState.FAILED, reason)
        self.problems.solved(run.trigger_id for run in runs.values() if run.state == RunState.FIRED)
        for run in runs.values():
            self.recorder.note((FIRED, "", "", run.state.value, 0.0))
        return [runs[at] for at in range(len(met))]

    def carry_out(self, met: Sequence[MatchedTrigger]) -> list[TriggerRun]:
        """Start the tasks, and store what came of it."""
        runs = self.fire(met)
        self.store.mark_evaluated([], runs)
        return runs

    def _unstarted(self, met: MatchedTrigger, now: float, state: RunState, reason: str) -> TriggerRun:
        """Return the run of a trigger that could not start its task now, after telling the operator."""
        run = _run(met, now, state, reason)
        if state != RunState.FAILED:
            level = logging.INFO if state == RunState.CAPPED else logging.ERROR
            self.logger.log(
                level, "trigger %s of task %s did not start it for %s: %s",
                run.trigger_id, run.task_id, run.cause, reason,
            )  # fmt: skip
            return run
        self.problems.note(met.trigger_id, run.task_id, reason, met.cause)
        began = met.since or now
        if now - began >= self.retry_s:
            return run
        retry_at = now + min(_FIRST_RETRY_S * 2**met.attempts, _LAST_RETRY_S)
        self.next_retry_at = min(self.next_retry_at, retry_at)
        used = met.used or [Used("", 0, each) for each in met.occurrences]
        return msgspec.structs.replace(
            run,
            state=RunState.RETRYING,
            at=began,
            parts=msgspec.json.encode(used).decode(),
            retry_at=retry_at,
        )

    def _refusal(self, met: MatchedTrigger, now: float) -> tuple[RunState, str] | None:
        if met.problem is not None:
            return RunState.FAILED, met.problem
        if met.depth >= self.max_depth:
            return RunState.STOPPED, (
                f"{met.depth} triggers in a row have led here, so it seems to fire itself in a loop; the "
                f"setting 'max_trigger_depth' allows {self.max_depth}"
            )
        options = met.definition.options
        if options.cap is not None:
            if met.trigger_id not in self._counts:
                self._counts[met.trigger_id] = self.store.count_runs(met.trigger_id, now - options.cap_s)
            if self._counts[met.trigger_id] >= options.cap:
                return RunState.CAPPED, f"it has its cap of {options.cap} starts within {options.cap_s:g} s"
            self._counts[met.trigger_id] += 1
        return None


def planned(met: MatchedTrigger, now: float, parts: str) -> TriggerRun:
    """Return the run of a composite that is about to be fired."""
    return msgspec.structs.replace(_run(met, now, RunState.FIRING, None), parts=parts)


def _run(met: MatchedTrigger, now: float, state: RunState, reason: str | None) -> TriggerRun:
    return TriggerRun(
        met.run_id,
        met.trigger_id,
        met.definition.task_id,
        state,
        met.cause,
        now,
        _invocation_id(met) if state in (RunState.FIRED, RunState.FIRING) else "",
        msgspec.json.encode([each.occurrence_id for each in met.occurrences]).decode(),
        met.depth + 1,
        reason,
        attempts=met.attempts + 1,
    )


def _invocation_id(met: MatchedTrigger) -> str:
    """Ordered by time like other ids, and the same whenever the same is met."""
    moment = int(max((each.at for each in met.occurrences), default=0.0) * 1e9)
    return f"{moment:016x}{derived_id('invocation', met.run_id)[:16]}"


def _start(met: MatchedTrigger) -> Start:
    offered: dict[str, Any] = {}
    for context in met.parts:
        offered.update(_offer(context))
    arguments = _arguments(met) if met.definition.providers else None
    emitters = (each.source_id for each in met.occurrences if each.source_id is not None)
    changed = (each.invocation_id for each in met.parts if isinstance(each, _OF_INVOCATIONS))
    return Start(
        met.definition.task_id,
        arguments,
        offered,
        _invocation_id(met),
        met.run_id,
        met.depth + 1,
        next(changed, None) or next(emitters, None),
    )


def _offer(context: AnyContext) -> Mapping[str, Any]:
    """Return what a context has for parameters of the same name."""
    if isinstance(context, EventContext):
        return context.payload
    if isinstance(context, _OF_INVOCATIONS):
        return context.arguments
    return {}


def _arguments(met: MatchedTrigger) -> dict[str, Any]:
    """Return what the providers make; later ones win, those for other kinds of conditions are left out."""
    arguments: dict[str, Any] = {}
    context = met.context
    for provider in met.definition.providers:
        if not callable(provider.value):
            arguments.update(provider.value)
            continue
        if provider.source == "trigger":
            made = provider.value(context)
        elif provider.source in context.contexts:
            made = provider.value(context[provider.source])
        else:
            continue
        if not isinstance(made, Mapping):
            raise TriggerError(f"the function for the arguments gave {made!r}, which is not a dictionary")
        arguments.update(made)
    return arguments


def _described(error: BaseException) -> str:
    return f"{type_name(type(error))}: {error_text(error)}"
