"""Filters: the conditions under which an invocation is found."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from pynenc.conf.tags import stored_tags
from pynenc.identifiers.texts import bare_name, is_storable, shown
from pynenc.invocation.data import InvocationData
from pynenc.invocation.state import HistoryEntry, InvocationState
from pynenc.invocation.status import InvocationStatus
from pynenc.recording.failures import group_of, place_in
from pynenc.serializer.exception_data import ExceptionData

_WILD = ("*", "?", "[")


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Conditions that an invocation must fit; one that is left out does not matter.

    Of several values of one attribute, one must fit; all attributes that are given must.

    Attributes:
        ids: Ids of invocations.
        id_tail: The last digits of its id.
        statuses: Its status, in any case of letters.
        tasks: Its task, as stored, such as `shop.price`; with `*` and `?`, a pattern.
        queues: Its queue, or a pattern for it.
        workflow_id: The workflow that it belongs to; of sub-workflows only the roots.
        is_workflow: Whether it is the root of a declared workflow.
        parent_id: The invocation whose body submitted it.
        created_since: Made at this time or later, in seconds since the epoch.
        created_until: Made before this time.
        changed_since: In its status since this time or later.
        changed_until: In its status since before this time.
        runner_id: A runner that claimed it.
        error_types: The class of the exception with which it failed, without its module; also of one
            that is about to run again.
        tags: Its tags, each as `name=value`; all of them must fit.
        text: A part of the stored text of an argument, in any case of letters. Large arguments, which
            are kept apart, are not looked into.
        triggered_by: The trigger that started it.
        failure_group: The group of failures that its last failed attempt belongs to, if it has failed or is
            about to run again.
        min_retries: How often it has run again at least.
        code_version: The version of the code with which it began, of a workflow.
        without: The opposite: not one attribute of it may fit.
    """

    ids: tuple[str, ...] = ()
    id_tail: str | None = None
    statuses: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    workflow_id: str | None = None
    is_workflow: bool | None = None
    parent_id: str | None = None
    created_since: float | None = None
    created_until: float | None = None
    changed_since: float | None = None
    changed_until: float | None = None
    runner_id: str | None = None
    error_types: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    text: str | None = None
    triggered_by: str | None = None
    failure_group: str | None = None
    min_retries: int | None = None
    code_version: str | None = None
    without: Filter | None = None

    def __post_init__(self) -> None:
        for name in ("ids", "statuses", "tasks", "queues", "error_types", "tags"):
            value = getattr(self, name)
            if isinstance(value, str):
                raise TypeError(f"'{name}' is the text {value!r}; give several texts, such as ({value!r},)")
            if not isinstance(value, tuple):
                msgspec.structs.force_setattr(self, name, tuple(value))
            for each in getattr(self, name):
                _check_text(name, each)
        for name in (
            "id_tail",
            "workflow_id",
            "parent_id",
            "runner_id",
            "text",
            "triggered_by",
            "failure_group",
            "code_version",
        ):
            if getattr(self, name) is not None:
                _check_text(name, getattr(self, name))
        if self.min_retries is not None and not 0 <= self.min_retries < 2**53:
            raise ValueError(f"min_retries={self.min_retries!r} is not a number of retries")
        known = {status.value for status in InvocationStatus}
        lower = tuple(str(each).lower() for each in self.statuses)
        unknown = [each for each in lower if each not in known]
        if unknown:
            raise ValueError(f"'{unknown[0]}' is not a status; the statuses are: {', '.join(sorted(known))}")
        msgspec.structs.force_setattr(self, "statuses", tuple(dict.fromkeys(lower)))
        bare = tuple(map(bare_name, self.error_types))
        msgspec.structs.force_setattr(self, "error_types", bare)
        if any("=" not in each for each in self.tags):
            raise ValueError(f"a tag is searched for as name=value, not as {self.tags!r}")
        for name in ("created_since", "created_until", "changed_since", "changed_until"):
            value = getattr(self, name)
            if value is not None and not math.isfinite(value):
                raise ValueError(f"{name}={value!r} is not a time in seconds since the epoch")
        if self.without is not None and self.without.without is not None:
            raise ValueError("'without' has a 'without' of its own")
        if self.without is not None and self.without.triggered_by is not None:
            raise ValueError("what a trigger has started cannot be left out of a search")

    @property
    def exact_tasks(self) -> tuple[str, ...]:
        """The tasks, if none is a pattern."""
        return () if any(is_pattern(each) for each in self.tasks) else self.tasks


def _check_text(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise TypeError(f"'{name}' holds {shown(value, 80)}, which is not a string")
    if not is_storable(value):
        raise ValueError(
            f"'{name}' holds {shown(value, 80)}, which has a lone surrogate, so nothing can fit it"
        )


def is_pattern(text: str) -> bool:
    """Return whether a name has wildcards."""
    return any(sign in text for sign in _WILD)


def _fits_name(name: str, wanted: str) -> bool:
    return name == wanted or (is_pattern(wanted) and fnmatchcase(name, wanted))


def names_of(value: Any) -> tuple[str, ...]:
    """Return one text, several or None as texts."""
    if value is None:
        return ()
    return (str(value),) if isinstance(value, str) else tuple(str(each) for each in value)


OnState = Callable[[InvocationState], bool]
OnData = Callable[[InvocationData], bool]
OnFailure = Callable[[InvocationState, ExceptionData | None], bool]
OnHistory = Callable[[Sequence[HistoryEntry]], bool]


class Checks(msgspec.Struct):
    """The conditions of a filter, by what has to be read to check them.

    Attributes:
        on_state: Those that the status record answers.
        on_data: Those that the unchanging part answers.
        on_history: Those that only the history answers.
        on_failure: Those that only the exception of the last failed attempt answers.
    """

    on_state: list[OnState] = []
    on_data: list[OnData] = []
    on_history: list[OnHistory] = []
    on_failure: list[OnFailure] = []

    @classmethod
    def of(cls, wanted: Filter) -> Checks:
        """Return the conditions of a filter, those of `without` turned round."""
        checks = _checks(wanted)
        if wanted.without is not None:
            unwanted = _checks(wanted.without)
            checks.on_state += [_not(each) for each in unwanted.on_state]
            checks.on_data += [_not(each) for each in unwanted.on_data]
            checks.on_history += [_not(each) for each in unwanted.on_history]
            checks.on_failure += [_not_failure(each) for each in unwanted.on_failure]
        return checks

    def fits_state(self, state: InvocationState) -> bool:
        """Return whether a status record fits."""
        return all(check(state) for check in self.on_state)

    def fits_data(self, data: InvocationData) -> bool:
        """Return whether the unchanging part fits."""
        return all(check(data) for check in self.on_data)

    def fits_failure(self, state: InvocationState, error: ExceptionData | None) -> bool:
        """Return whether the exception of the last failed attempt fits; None if there is none."""
        return all(check(state, error) for check in self.on_failure)

    def fits_history(self, entries: Sequence[HistoryEntry]) -> bool:
        """Return whether a history fits."""
        return all(check(entries) for check in self.on_history)


def _not_failure(check: OnFailure) -> OnFailure:
    return lambda state, error: not check(state, error)


def _not(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda subject: not check(subject)


def _checks(wanted: Filter) -> Checks:
    checks = Checks([], [], [], [])
    checks.on_state += _state_checks(wanted)
    checks.on_data += _data_checks(wanted)
    if wanted.runner_id is not None:
        runner_id = wanted.runner_id
        checks.on_history.append(lambda entries: any(each.runner_id == runner_id for each in entries))
    if wanted.failure_group is not None:
        group = wanted.failure_group
        checks.on_failure.append(lambda state, error: group_of_failure(state, error) == group)
    return checks


def group_of_failure(state: InvocationState, error: ExceptionData | None) -> str | None:
    """Return the group that the last failed attempt of an invocation belongs to, None if it has none."""
    if error is None:
        return None
    place = place_in(error.type_name, error.message, error.traceback)
    return group_of(state.task_id, error.type_name, place)


def _state_checks(wanted: Filter) -> Iterable[OnState]:
    if wanted.statuses:
        statuses = frozenset(wanted.statuses)
        yield lambda state: state.status.value in statuses
    if wanted.queues:
        queues = wanted.queues
        yield lambda state: any(_fits_name(state.queue, each) for each in queues)
    if wanted.is_workflow is not None:
        is_workflow = wanted.is_workflow
        yield lambda state: bool(state.is_workflow) == is_workflow
    if wanted.error_types:
        types = frozenset(wanted.error_types)
        yield lambda state: state.error_type in types
    if wanted.min_retries is not None:
        least = wanted.min_retries
        yield lambda state: state.retries >= least
    if wanted.code_version is not None:
        version = wanted.code_version
        yield lambda state: state.code_version == version
    if wanted.changed_since is not None:
        since = wanted.changed_since
        yield lambda state: state.changed_at >= since
    if wanted.changed_until is not None:
        until = wanted.changed_until
        yield lambda state: state.changed_at < until
    if wanted.tasks:
        tasks = wanted.tasks
        yield lambda state: any(_fits_name(state.task_id, each) for each in tasks)


def _data_checks(wanted: Filter) -> Iterable[OnData]:
    if wanted.ids:
        ids = frozenset(wanted.ids)
        yield lambda data: data.invocation_id in ids
    if wanted.id_tail is not None:
        tail = wanted.id_tail
        yield lambda data: data.invocation_id.endswith(tail)
    if wanted.workflow_id is not None:
        workflow = wanted.workflow_id
        yield lambda data: workflow in (data.workflow_id, data.family)
    if wanted.parent_id is not None:
        parent = wanted.parent_id
        yield lambda data: data.parent_invocation_id == parent
    if wanted.created_since is not None:
        since = wanted.created_since
        yield lambda data: data.created_at >= since
    if wanted.created_until is not None:
        until = wanted.created_until
        yield lambda data: data.created_at < until
    for tag in wanted.tags:
        name, _, value = tag.partition("=")
        yield lambda data, name=name, value=value: stored_tags(data.tags).get(name) == value  # type: ignore[misc]
    if wanted.text is not None:
        text = wanted.text.lower()
        yield lambda data: any(text in each.lower() for each in _argument_texts(data.arguments))


def _argument_texts(stored: str) -> Iterable[str]:
    try:
        return msgspec.json.decode(stored, type=dict[str, str]).values()
    except (msgspec.MsgspecError, ValueError, TypeError):
        return (stored,)
