"""Schedules that are made at run time: named, stored, and the same for all runners."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, NoReturn, TypedDict, Unpack

import msgspec

from pynenc.exceptions import ScheduleError, TaskDefinitionError
from pynenc.identifiers.ids import derived_id
from pynenc.identifiers.task_id import TaskId
from pynenc.identifiers.texts import is_storable
from pynenc.task import Task
from pynenc.trigger.base_trigger import BaseTrigger
from pynenc.trigger.builder import HasTaskId, TriggerBuilder
from pynenc.trigger.conditions.cron import CronCondition, IntervalCondition, ScheduleCondition
from pynenc.trigger.definition import Misfire, StoredTrigger, TriggerDefinition, tick_marks
from pynenc.trigger.plain_values import to_stored
from pynenc.trigger.records import pause_mark

_LONGEST_NAME = 200


class Timing(TypedDict, total=False):
    """Options that say when a schedule ticks.

    Attributes:
        cron: A cron expression; this or `every`.
        every: The time between two ticks (seconds or timedelta); this or `cron`.
        timezone: IANA name of the time zone in which `cron` is read; UTC by default.
        misfire: What becomes of missed ticks: `skip`, `fire_once` (the default) or `fire_all`.
        jitter: Each tick is fired up to this much later (seconds or timedelta).
        start: No tick comes before this moment.
        end: No tick comes after this moment.
    """

    cron: str
    every: float | timedelta
    timezone: str
    misfire: Misfire | str
    jitter: float | timedelta
    start: datetime | None
    end: datetime | None


@dataclass(frozen=True, slots=True)
class ScheduleData:
    """A schedule as it is stored.

    Attributes:
        name: Its name.
        task_id: The task that it starts.
        condition: When it ticks.
        arguments: The arguments of the task.
        misfire: What becomes of missed ticks.
        is_paused: Whether it is paused.
        trigger_id: The id under which triggers know it.
    """

    name: str
    task_id: str
    condition: ScheduleCondition
    arguments: Mapping[str, Any]
    misfire: Misfire
    is_paused: bool
    trigger_id: str

    def next_times(self, count: int = 10, after: datetime | None = None) -> list[datetime]:
        """Return the next ticks, in the time zone of the schedule; fewer if it is over before.

        Args:
            count: Most to return.
            after: After this moment; now by default.
        """
        schedule = self.condition.schedule()
        low = (after or datetime.now(UTC)).timestamp()
        return [schedule.local(tick) for tick in islice(schedule.between(low, float("inf")), count)]


class Schedules:
    """Makes, changes, pauses and deletes schedules; runners act on it at once.

    Args:
        store: Gives the trigger store.
        find_task: Gives a task by its id.
    """

    def __init__(
        self, store: Callable[[], BaseTrigger], find_task: Callable[[TaskId | str], Task[..., Any]]
    ) -> None:
        self._store = store
        self._find_task = find_task

    def create(
        self,
        name: str,
        task: HasTaskId | TaskId | str,
        arguments: Mapping[str, Any] | None = None,
        **timing: Unpack[Timing],
    ) -> ScheduleData:
        """Make a schedule.

        Args:
            name: How to call it.
            task: The task to start, or its id.
            arguments: The arguments by name.
            timing: When it ticks; see `Timing`.

        Raises:
            ScheduleError: There is one with this name, or the name is not valid.
            TaskDefinitionError: An option is not valid.
            TaskNotFoundError: There is no such task.
            TypeError: The arguments do not fit the task.
        """
        if not isinstance(name, str) or not name or len(name) > _LONGEST_NAME or not is_storable(name):
            raise ScheduleError(
                f"{name!r} is not a name of a schedule: a text of 1 to {_LONGEST_NAME} characters is"
            )
        stored = self._stored(name, _task_id(task), arguments or {}, timing)
        store = self._store()
        if not store.add_definition(stored):
            raise ScheduleError(f"there is a schedule '{name}' already; use change, or delete it before")
        return self.get(name)

    def change(
        self, name: str, arguments: Mapping[str, Any] | None = None, **timing: Unpack[Timing]
    ) -> ScheduleData:
        """Change a schedule; what is not given stays. It begins anew: no tick counts as missed.

        Args:
            name: Its name.
            arguments: The arguments by name, in place of all that it had.
            timing: When it ticks; see `Timing`.

        Raises:
            ScheduleError: There is none with this name.
            TaskDefinitionError: An option is not valid.
            TypeError: The arguments do not fit the task.
        """
        known = self.get(name)
        given = arguments if arguments is not None else known.arguments
        merged = {**_timing_of(known, timing), **timing}
        stored = self._stored(name, known.task_id, given, merged)  # type: ignore[arg-type]
        store = self._store()
        store.swap_definition(stored)
        store.clear_marks(tick_marks(stored))
        return self.get(name)

    def delete(self, name: str) -> None:
        """Delete a schedule.

        Raises:
            ScheduleError: There is none with this name.
        """
        known = self._definition(name)
        store = self._store()
        store.delete_definitions([known.trigger_id])
        store.clear_marks([*tick_marks(known), pause_mark(known.trigger_id)])

    def pause(self, name: str) -> bool:
        """Keep a schedule from ticking; return False if it was paused already.

        Raises:
            ScheduleError: There is none with this name.
        """
        return self._store().pause(self._definition(name).trigger_id)

    def resume(self, name: str) -> bool:
        """Let a paused schedule tick again; what it missed stays so. Return False if it was not paused.

        Raises:
            ScheduleError: There is none with this name.
        """
        return self._store().resume(self._definition(name).trigger_id)

    def get(self, name: str) -> ScheduleData:
        """Return a schedule.

        Raises:
            ScheduleError: There is none with this name.
        """
        return self._data([self._definition(name)])[0]

    def all(self) -> list[ScheduleData]:
        """Return all schedules that were made at run time, by name."""
        found = [each for each in self._store().find_definitions() if each.name]
        return self._data(sorted(found, key=lambda each: each.name))

    def _definition(self, name: str) -> StoredTrigger:
        wanted = _id_of(name)
        (found,) = self._store().read_definitions([wanted])
        if found is None:
            raise ScheduleError(f"there is no schedule '{name}'")
        return found

    def _data(self, stored: list[StoredTrigger]) -> list[ScheduleData]:
        marks = self._store().read_marks([pause_mark(each.trigger_id) for each in stored]) if stored else []
        found = []
        for each, mark in zip(stored, marks, strict=True):
            definition = TriggerDefinition.restored(each)
            (condition,) = definition.conditions
            assert isinstance(condition, ScheduleCondition)
            (provider,) = definition.providers
            assert isinstance(provider.value, dict)
            found.append(
                ScheduleData(
                    each.name,
                    each.task_id,
                    condition,
                    provider.value,
                    definition.options.misfire,
                    mark is not None,
                    each.trigger_id,
                )
            )
        return found

    def _stored(
        self, name: str, task_id: TaskId | str, arguments: Mapping[str, Any], timing: Timing
    ) -> StoredTrigger:
        task = self._find_task(task_id)
        task.binder.bind((), arguments)
        to_stored(arguments, _refuse)
        stored = _builder(timing).with_args_static(arguments).build(task.task_id).stored()
        return msgspec.structs.replace(stored, trigger_id=_id_of(name), name=name)


def _refuse(function: Callable[..., Any]) -> NoReturn:
    raise TaskDefinitionError(f"the arguments of a schedule are stored, and {function!r} is a function")


def _id_of(name: str) -> str:
    return derived_id("schedule", name)


def _task_id(task: HasTaskId | TaskId | str) -> TaskId | str:
    return task if isinstance(task, TaskId | str) else task.task_id


def _builder(timing: Timing) -> TriggerBuilder:
    unknown = timing.keys() - Timing.__annotations__.keys()
    if unknown:
        raise ScheduleError(
            f"a schedule has no option '{min(unknown)}'; there are: {', '.join(Timing.__annotations__)}"
        )
    cron, every = timing.get("cron"), timing.get("every")
    if (cron is None) == (every is None):
        raise ScheduleError("a schedule needs 'cron' or 'every', one of them")
    misfire = timing.get("misfire", Misfire.FIRE_ONCE)
    jitter, start, end = timing.get("jitter", 0), timing.get("start"), timing.get("end")
    if cron is not None:
        zone = timing.get("timezone", "UTC")
        return TriggerBuilder().on_cron(cron, zone, misfire, jitter=jitter, start=start, end=end)
    if "timezone" in timing:
        raise ScheduleError("'timezone' goes with 'cron'; 'every' knows no time of day")
    assert every is not None
    return TriggerBuilder().on_interval(every, misfire, jitter=jitter, start=start, end=end)


def _timing_of(known: ScheduleData, changes: Timing) -> Timing:
    """Return when a schedule ticks, but for what the changes replace."""
    condition = known.condition
    timing: Timing = {
        "misfire": known.misfire,
        "jitter": condition.jitter_s,
        "start": _moment(condition.starts_at),
        "end": _moment(condition.ends_at),
    }
    if isinstance(condition, CronCondition) and "every" not in changes:
        timing["cron"], timing["timezone"] = condition.expression, condition.timezone
    if isinstance(condition, IntervalCondition) and "cron" not in changes:
        timing["every"] = condition.seconds
    return timing


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
