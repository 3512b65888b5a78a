"""Retention of groups: what was made together goes together, once its last member is past its time."""

from __future__ import annotations

from collections.abc import Iterable

from pynenc.identifiers.ids import IdSeries
from pynenc.invocation.state import InvocationState
from pynenc.lifecycle.components import Components

_PAGE = 200
_MOST_KNOWN = 10_000


class Groups:
    """Groups, and whether they are over.

    A group that is over stays so, and only then its members are deleted; so one that is not found is over.

    Args:
        components: The components.
        before: Members that ended before this moment are past their time, in seconds since the epoch.
    """

    def __init__(self, components: Components, before: float) -> None:
        self._components = components
        self._before = before
        self._known: dict[str, bool] = {}

    def is_over(self, group: str | None) -> bool:
        """Return whether all members of a group are past their time; true if there is no group."""
        if group is None:
            return True
        series = IdSeries.parse(group)
        if series.first_id not in self._known:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[series.first_id] = self._look(series)
        return self._known[series.first_id]

    def _look(self, series: IdSeries) -> bool:
        """Look at the later ones first, because they are likely to end last."""
        start = series.count
        while page := self._members(series, range(start, start + _PAGE)):  # more was read from an iterator
            if not self._are_over(page):
                return False
            start += _PAGE
        return all(
            self._are_over(self._members(series, range(max(0, end - _PAGE), end)))
            for end in range(series.count, 0, -_PAGE)
        )

    def _members(self, series: IdSeries, numbers: Iterable[int]) -> list[InvocationState]:
        states = self._components.orchestrator.read_states([series.id_of(number) for number in numbers])
        return [state for state in states if state is not None]

    def _are_over(self, members: Iterable[InvocationState]) -> bool:
        return all(state.status.final and state.since < self._before for state in members)
