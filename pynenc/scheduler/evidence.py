"""The evidence behind occurrences: contexts for conditions, read in batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, auto
from functools import cached_property
from typing import Any

import msgspec

from pynenc.exceptions import RemoteTaskError, StorageUnavailableError
from pynenc.identifiers.texts import error_text, type_name
from pynenc.invocation.arguments import Arguments
from pynenc.invocation.data import InvocationData
from pynenc.invocation.state import HistoryEntry, InvocationState
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle.components import Components
from pynenc.lifecycle.waiting import Ended, RaisedError, load_results
from pynenc.scheduler.firing import MatchedTrigger
from pynenc.scheduler.occurrences import StatusPayload
from pynenc.storage.group import Group
from pynenc.trigger.conditions.base import Condition
from pynenc.trigger.conditions.composite import AnyContext
from pynenc.trigger.conditions.cron import ScheduleCondition
from pynenc.trigger.conditions.event import EventCondition, EventContext
from pynenc.trigger.conditions.exception import ExceptionCondition, ExceptionContext
from pynenc.trigger.conditions.result import ResultCondition, ResultContext
from pynenc.trigger.conditions.status import StatusCondition, StatusContext
from pynenc.trigger.definition import TriggerDefinition
from pynenc.trigger.filters import passes, result_passes
from pynenc.trigger.records import EVENT, STATUS, TICK, Occurrence

_UNKNOWN_S = 60.0
"""How long an invocation may be unknown that is about to be registered."""


class TickPayload(msgspec.Struct, frozen=True):
    """The content of an occurrence of the kind `tick`: the number of the condition, and the moment."""

    index: int
    tick: float


@dataclass
class Evidence:
    """An occurrence and what is behind it.

    Attributes:
        components: The components.
        occurrence: The occurrence.
        defaults_of: Gives the defaults of a task's parameters.
        state: For a status: the record as it is now.
        data: For a status: the invocation.
        was_so: For a status: whether the record had it before.
        beside: For a status: this and the others that were gathered with it.
    """

    components: Components
    occurrence: Occurrence
    defaults_of: Callable[[str], Mapping[str, Any]]
    state: InvocationState | None = None
    data: InvocationData | None = None
    was_so: bool = False
    beside: Sequence[Evidence] = ()

    @property
    def depth(self) -> int:
        """The number of triggers in a row that led here."""
        if self.data is not None:
            return self.data.trigger_depth or 0
        return self.occurrence.depth

    @property
    def code(self) -> str:
        """The code, or the task whose invocation changed."""
        return self.data.task_id if self.data is not None else self.occurrence.code

    @property
    def is_readable(self) -> bool:
        """True unless newer, damaged or hostile code has written the occurrence."""
        kind = self.occurrence.kind
        try:
            return (
                isinstance(self.payload, dict)
                if kind == EVENT
                else bool(self.tick if kind == TICK else self.status)
            )
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return False

    @cached_property
    def payload(self) -> Any:
        """The payload of an event."""
        return msgspec.json.decode(self.occurrence.payload)

    @cached_property
    def status(self) -> StatusPayload:
        """The content of a status occurrence."""
        return msgspec.json.decode(self.occurrence.payload, type=StatusPayload)

    @cached_property
    def tick(self) -> TickPayload:
        """The content of a tick."""
        return msgspec.json.decode(self.occurrence.payload, type=TickPayload)

    @property
    def arguments(self) -> Arguments:
        """The arguments of the invocation, with the defaults of those that the call left out."""
        if self.data is None:
            return Arguments()
        given = self._loaded("_arguments", _unpack_arguments)
        return Arguments({**self.defaults_of(self.data.task_id), **given})

    @property
    def outcome(self) -> Any:
        """The result, or a `RaisedError`."""
        return self._loaded("_outcome", _load_outcomes) if self.state else None

    def _loaded(self, name: str, load: Callable[[Sequence[Evidence]], list[Any]]) -> Any:
        """Return a value that is loaded once, together with those of the facts beside this one."""
        if not hasattr(self, name):
            missing = [each for each in self.beside if each.state and each.data and not hasattr(each, name)]
            try:
                values = load(missing)
            except StorageUnavailableError:
                raise
            except Exception:  # noqa: BLE001 - one of them cannot be read; this one perhaps can
                missing, values = [self], load([self])
            for evidence, value in zip(missing, values, strict=True):
                setattr(evidence, name, value)
        return getattr(self, name)

    @property
    def cause(self) -> str:
        """The cause, in words."""
        kind = self.occurrence.kind
        if kind == EVENT:
            return f"event '{self.occurrence.code}' ({self.occurrence.occurrence_id})"
        if kind == TICK:
            return f"tick of {datetime.fromtimestamp(self.tick.tick, UTC).isoformat()}"
        return f"{self.status.status} of {self.code} ({self.status.invocation_id})"

    # --- conditions --------------------------------------------------------------------

    def context(self, index: int, condition: Condition) -> AnyContext | None:
        """Return what a condition tells its functions, if this meets it."""
        kind, moment = self.occurrence.kind, datetime.fromtimestamp(self.occurrence.at, UTC)
        if isinstance(condition, EventCondition):
            if kind != EVENT or condition.code != self.occurrence.code:
                return None
            if condition.payload_filter is not None and not passes(condition.payload_filter, self.payload):
                return None
            return EventContext(self.occurrence.occurrence_id, condition.code, self.payload, moment)
        if isinstance(condition, ScheduleCondition):
            if kind != TICK or self.tick.index != index:
                return None
            return condition.told(condition.schedule().local(self.tick.tick))
        if kind != STATUS or not isinstance(
            condition, (StatusCondition, ResultCondition, ExceptionCondition)
        ):
            return None
        fits = self.code == condition.task_id and self._fits(condition)
        return self._told(condition, moment) if fits else None

    def _fits(self, condition: StatusCondition | ResultCondition | ExceptionCondition) -> bool:
        status = self.status.status
        if isinstance(condition, StatusCondition):
            if status not in condition.statuses:
                return False
        elif isinstance(condition, ResultCondition):
            if status != InvocationStatus.SUCCESS or isinstance(self.outcome, RaisedError):
                return False
        elif status != InvocationStatus.FAILED or not _is_one_of(self.outcome, condition.exception_types):
            return False
        if not passes(condition.call_arguments, self.arguments):
            return False
        if isinstance(condition, ResultCondition) and not condition.any_result:
            return result_passes(condition.filter_result, self.outcome)
        return True

    def _told(
        self, condition: StatusCondition | ResultCondition | ExceptionCondition, moment: datetime
    ) -> AnyContext:
        invocation_id, arguments = self.status.invocation_id, self.arguments
        if isinstance(condition, StatusCondition):
            return StatusContext(invocation_id, self.code, self.status.status, arguments, moment)
        if isinstance(condition, ResultCondition):
            return ResultContext(invocation_id, self.code, arguments, self.outcome)
        error = self.outcome.error
        name = error.type_name if isinstance(error, RemoteTaskError) else type(error).__name__
        text = error.remote_message if isinstance(error, RemoteTaskError) else str(error)
        return ExceptionContext(invocation_id, self.code, arguments, name.rpartition(".")[2], text)


def _unpack_arguments(found: Sequence[Evidence]) -> list[Any]:
    return list(
        found[0].components.values.unpack_arguments(
            [evidence.data.arguments for evidence in found if evidence.data]
        )
    )


def _load_outcomes(found: Sequence[Evidence]) -> list[Any]:
    return load_results(found[0].components, [Ended(evidence.state) for evidence in found if evidence.state])


def _is_one_of(outcome: Any, names: Sequence[str]) -> bool:
    """Return whether an outcome is an exception of one of the classes, or of a class derived from one."""
    if not isinstance(outcome, RaisedError):
        return False
    error = outcome.error
    if isinstance(error, RemoteTaskError):
        known = {error.type_name, error.type_name.rpartition(".")[2]}
    else:
        known = {each.__name__ for each in type(error).__mro__}
    return not names or not known.isdisjoint(names)


def gather(
    components: Components,
    occurrences: Sequence[Occurrence],
    defaults_of: Callable[[str], Mapping[str, Any]],
) -> list[Evidence]:
    """Return the facts behind occurrences that can be read, in four round trips at most.

    Args:
        components: The components.
        occurrences: The occurrences.
        defaults_of: Gives the defaults of a task's parameters.
    """
    every = [Evidence(components, one, defaults_of) for one in occurrences]
    found = [each for each in every if each.is_readable]
    statuses = [evidence for evidence in found if evidence.occurrence.kind == STATUS]
    if statuses:
        ids = [evidence.status.invocation_id for evidence in statuses]
        group = Group()
        states = components.orchestrator.stage_read_states(group, ids)
        data = components.state_backend.stage_read_invocations(group, ids)
        group.send()
        for evidence, state, known in zip(statuses, states.get(), data.get(), strict=True):
            evidence.state, evidence.data, evidence.beside = state, known, statuses
    changed = [
        evidence
        for evidence in statuses
        if evidence.state is not None and not _is(evidence.state, evidence.status)
    ]
    if changed:
        histories = components.orchestrator.histories([evidence.status.invocation_id for evidence in changed])
        for evidence, entries in zip(changed, histories, strict=True):
            evidence.was_so = any(_is(entry, evidence.status) for entry in entries)
        # The record may have changed between the two looks; what came of it is named by the later one.
        confirmed = [evidence for evidence in changed if evidence.was_so]
        ids = [evidence.status.invocation_id for evidence in confirmed]
        later = components.orchestrator.read_states(ids) if ids else []
        for evidence, state in zip(confirmed, later, strict=True):
            evidence.state = state or evidence.state
    return found


def _is(state: InvocationState | HistoryEntry, wanted: StatusPayload) -> bool:
    return (state.status, state.claim) == (wanted.status, wanted.claim)


class Certainty(Enum):
    """The certainty that what was about to happen when an occurrence was stored did happen."""

    YES = auto()
    NO = auto()
    OPEN = auto()


def certainty(evidence: Evidence, now: float) -> Certainty:
    """Return whether a change of status was made; an occurrence is stored just before the change itself.

    It is open as long as the record may still change so.

    Args:
        evidence: The occurrence.
        now: Seconds since the epoch.
    """
    if evidence.occurrence.kind != STATUS:
        return Certainty.YES
    if evidence.state is None or evidence.data is None:
        return Certainty.OPEN if now - evidence.occurrence.at < _UNKNOWN_S else Certainty.NO
    if evidence.was_so or _is(evidence.state, evidence.status):
        return Certainty.YES
    has_passed = evidence.state.status.final or evidence.state.claim > evidence.status.claim
    return Certainty.NO if has_passed else Certainty.OPEN


@dataclass(frozen=True, slots=True)
class ConditionMatches:
    """The conditions of a trigger that an occurrence meets.

    Attributes:
        contexts: Contexts of the conditions that it meets, by their numbers.
        problem: Which filter failed, and how.
    """

    contexts: Mapping[int, AnyContext]
    problem: str | None


def match_conditions(
    evidence: Evidence, definition: TriggerDefinition, only: int | None = None
) -> ConditionMatches:
    """Look whether an occurrence meets the conditions of a trigger, or only one of them.

    Raises:
        StorageUnavailableError: A storage is away; it can be tried again.
    """
    contexts: dict[int, AnyContext] = {}
    problem: str | None = None
    for index in range(len(definition.conditions)) if only is None else (only,):
        try:
            context = evidence.context(index, definition.conditions[index])
        except StorageUnavailableError:
            raise
        except BaseException as error:  # noqa: BLE001 - a function of the user's; the run tells of it
            problem = f"its filter failed: {type_name(type(error))}: {error_text(error)}"
            continue
        if context is not None:
            contexts[index] = context
    return ConditionMatches(contexts, problem)


def match_trigger(
    trigger_id: str, definition: TriggerDefinition, evidence: Evidence
) -> MatchedTrigger | None:
    """Return a trigger that any one condition meets, as an occurrence meets it; None if it does not.

    Raises:
        StorageUnavailableError: A storage is away; it can be tried again.
    """
    looked = match_conditions(evidence, definition)
    parts = list(looked.contexts.values())
    if not parts and looked.problem is None:
        return None
    problem = None if parts else looked.problem
    return MatchedTrigger(
        trigger_id, definition, parts, [evidence.occurrence], evidence.cause, evidence.depth, problem
    )
