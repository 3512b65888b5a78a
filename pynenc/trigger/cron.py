"""The ticks of cron expressions, in a time zone, across changes of its clock.

A time of day that the change to summer time leaves out counts as the moment that it would have been
with the clock unchanged. Where the change back makes a time of day happen twice, an expression whose
hours are fixed ticks the first time only; one whose hours begin with `*` ticks both times.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from croniter import croniter
from croniter.croniter import CroniterBadDateError

from pynenc.exceptions import TaskDefinitionError
from pynenc.trigger.schedule import Schedule

_NEAR = timedelta(hours=3)
_HOUR_FIELD = 1
_ALL_YEARS = 130

_NAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


class CronSchedule(Schedule):
    """The ticks of one expression.

    Args:
        expression: Five fields; a sixth has seconds and a seventh years. Or a name such as `@daily`.
            It is valid.
        timezone: IANA name of the time zone in which it is read.
        starts_at: No tick comes before this moment; None for no bound.
        ends_at: No tick comes after this moment; None for no bound.
    """

    def __init__(
        self,
        expression: str,
        timezone: str = "UTC",
        starts_at: float | None = None,
        ends_at: float | None = None,
    ) -> None:
        zone = ZoneInfo(timezone)
        super().__init__(starts_at, ends_at, zone)
        self._expression = _NAMES.get(expression.strip().lower(), expression)
        self._cron_zone = zone
        hours = self._expression.split()[_HOUR_FIELD]
        self._every_hour = hours == "*"
        self._both_times = hours.startswith("*")

    def following(self, moment: float) -> float | None:
        after = datetime.fromtimestamp(moment, UTC)
        naive = after.astimezone(self._cron_zone).replace(tzinfo=None)
        candidate = self._naive_after(naive)
        if candidate is None:
            # The last time of day of all may come a second time, or later than its own clock says.
            return self._first(after, naive)
        if self._every_hour and candidate - naive <= _NEAR:
            return (after + (candidate - naive)).timestamp()  # time that passes, whatever the clock says
        tick = self._moment(candidate, 0)
        if tick > after and self._is_steady(after, tick):
            return tick.timestamp()
        return self._first(after, candidate)

    def _first(self, after: datetime, candidate: datetime) -> float | None:
        found = [each for each in self._near(after, candidate) if each > after]
        return min(found).timestamp() if found else None

    def _naive_after(self, naive: datetime) -> datetime | None:
        try:
            found: datetime = croniter(self._expression, naive).get_next(datetime)
        except CroniterBadDateError:
            return None
        return found

    def _moment(self, naive: datetime, fold: int) -> datetime:
        return naive.replace(tzinfo=self._cron_zone, fold=fold).astimezone(UTC)

    def _is_steady(self, after: datetime, found: datetime) -> bool:
        """Return whether the zone's clock does not change near one of the moments."""
        return all(
            len(
                {
                    (each + shift).astimezone(self._cron_zone).utcoffset()
                    for shift in (-_NEAR, timedelta(0), _NEAR)
                }
            )
            == 1
            for each in (after, found)
        )

    def _near(self, after: datetime, candidate: datetime) -> Iterator[datetime]:
        """Return all ticks around a change of the clock, in no order."""
        naive = self._naive_after(after.astimezone(self._cron_zone).replace(tzinfo=None) - _NEAR)
        while naive is not None:
            first, second = self._moment(naive, 0), self._moment(naive, 1)
            exists = first.astimezone(self._cron_zone).replace(tzinfo=None) == naive
            yield first
            if exists and first != second and self._both_times:
                yield second
            if naive > candidate + 2 * _NEAR and first > after:
                return
            naive = self._naive_after(naive)


def check_expression(expression: object) -> None:
    """Refuse what is not a cron expression, and what each process would read in a way of its own.

    Raises:
        TaskDefinitionError: Says what is wrong.
    """
    text = expression if isinstance(expression, str) else ""
    if text.strip().startswith("@"):
        if text.strip().lower() in _NAMES:
            return
        raise TaskDefinitionError(
            f"'{expression}' is not the name of a schedule; there are: {', '.join(_NAMES)}"
        )
    if len(text.split()) < 5 or not croniter.is_valid(text):
        raise TaskDefinitionError(
            f"'{expression}' is not a cron expression: it needs five fields (minute, hour, day of month, "
            f"month, day of week), may have seconds as a sixth and years as a seventh, such as "
            f"'0 0 * * *', or is a name such as '@daily'"
        )
    if _never_comes(text):
        raise TaskDefinitionError(f"the time that '{expression}' names never comes")
    if any(field[:1] in "RH" for field in text.upper().split()):
        raise TaskDefinitionError(
            f"'{expression}' leaves a field to chance, and each runner would choose a time of its own; "
            f"name a time, and spread the starts with 'jitter'"
        )


def _never_comes(expression: str) -> bool:
    try:
        croniter(expression, datetime(1970, 1, 1), max_years_between_matches=_ALL_YEARS).get_next(datetime)
    except CroniterBadDateError:
        return True
    return False
