"""Going over the candidates of a search, and keeping those that fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pynenc.exceptions import ClientDataNotFoundError, SearchError
from pynenc.invocation.data import InvocationData
from pynenc.invocation.state import InvocationState
from pynenc.lifecycle.components import Components
from pynenc.search.filters import Checks, Filter
from pynenc.search.merge import Merge
from pynenc.search.page import PRESS, Budget, FoundInvocation, Position, SearchPage, hash_of, position_of
from pynenc.search.planner import chosen, drivers_of
from pynenc.search.streams import Candidate, Driver, Order
from pynenc.serializer.exception_data import ExceptionData

_PAGE = 200
MOST_ROWS = 10_000
"""The largest number of rows on a page."""


def search(
    components: Components,
    wanted: Filter,
    limit: int = 50,
    cursor: str | None = None,
    budget: Budget = PRESS,
    order: Order | None = None,
    now: float | None = None,
) -> SearchPage:
    """Return a page of the invocations that fit a filter.

    Args:
        components: The components.
        wanted: The filter.
        limit: The largest number of rows.
        cursor: That of the page before, with the same filter.
        budget: How much to look at.
        order: The order to prefer where two ways are equally short.
        now: The time of the first page, in seconds since the epoch, if that was asked for already.

    Raises:
        SearchError: The cursor is not one of this search.
        ValueError: The limit is not a number from 1 to 10,000.
    """
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= MOST_ROWS:
        raise ValueError(f"limit={limit!r} is not a number from 1 to {MOST_ROWS}")
    position = None if cursor is None else position_of(cursor, wanted)
    if position is not None:
        now = position.now
    elif now is None:
        now = components.now()
    drivers = drivers_of(components, wanted, now)
    if position is None:
        driver = chosen(drivers, order)
        position = Position(hash_of(wanted), driver.plan, now, 0, [None] * len(driver.streams))
    else:
        driver = _resumed(drivers, position)
    return _Scan(components, driver, Checks.of(wanted), position).page(limit, budget)


def _resumed(drivers: Sequence[Driver], position: Position) -> Driver:
    for driver in drivers:
        if driver.plan == position.plan and len(driver.streams) == len(position.places):
            return driver
    raise SearchError("the cursor is that of another version of pynenc; begin anew without a cursor")


class _Scan:
    """One page of a search."""

    def __init__(self, components: Components, driver: Driver, checks: Checks, begin: Position) -> None:
        self._components = components
        self._driver = driver
        self._checks = checks
        self._begin = begin

    def page(self, limit: int, budget: Budget) -> SearchPage:
        begin, size = self._begin, min(_PAGE, limit)
        merge = Merge(self._driver.streams, begin.cursors())
        places, searched = list(begin.places), begin.searched
        rows: list[FoundInvocation] = []
        known: set[str] = set()
        until = budget.begun()
        is_over = False
        while len(rows) < limit and not is_over:
            batch = merge.next(size)
            if not batch:
                break
            candidates = [candidate for _, candidate in batch]
            for (at, candidate), row in zip(batch, self._fitting(candidates), strict=True):
                if len(rows) == limit:
                    return self._result(rows, places, searched)
                places[at] = (candidate.place.order, candidate.place.key)
                searched += 1
                if row is not None and row.data.invocation_id not in known:
                    known.add(row.data.invocation_id)
                    rows.append(row)
            size = _PAGE
            is_over = budget.is_spent(searched - begin.searched, until)
        return self._result(rows, None if merge.is_over else places, searched)

    def _result(
        self, rows: list[FoundInvocation], places: list[tuple[float, str] | None] | None, searched: int
    ) -> SearchPage:
        begin, driver = self._begin, self._driver
        cursor = None
        if places is not None:
            cursor = Position(begin.filter, begin.plan, begin.now, searched, places).packed()
        return SearchPage(rows, cursor, searched, driver.order, driver.plan)

    def _fitting(self, candidates: Sequence[Candidate]) -> Iterator[FoundInvocation | None]:
        """Return for each candidate what is stored of it, if it fits; reads no more than that needs."""
        states: dict[str, InvocationState] = {}
        data: dict[str, InvocationData] = {}
        for each in candidates:
            if each.state is not None and self._checks.fits_state(each.state):
                states[each.invocation_id] = each.state
            if each.data is not None and self._checks.fits_data(each.data):
                data[each.invocation_id] = each.data
        unread = [each for each in states if each not in data]
        if unread:
            for found in self._components.state_backend.read_invocations(unread):
                if found is not None and self._checks.fits_data(found):
                    data[found.invocation_id] = found
        unread = [each for each in data if each not in states]
        if unread:
            for state in self._components.orchestrator.read_states(unread):
                if state is not None and self._checks.fits_state(state):
                    states[state.invocation_id] = state
        both = [each for each in states if each in data]
        if self._checks.on_history and both:
            histories = self._components.orchestrator.histories(both)
            both = [
                each
                for each, entries in zip(both, histories, strict=True)
                if self._checks.fits_history(entries)
            ]
        if self._checks.on_failure and both:
            errors = _errors(self._components, [states[each] for each in both])
            both = [each for each in both if self._checks.fits_failure(states[each], errors.get(each))]
        fitting = set(both)
        for each in candidates:
            known = each.invocation_id
            yield FoundInvocation(data[known], states[known]) if known in fitting else None


def _errors(components: Components, states: Sequence[InvocationState]) -> dict[str, ExceptionData]:
    """Return the exceptions of the last failed attempts; those that are gone or damaged are missing."""
    failed = [each for each in states if each.error_type is not None and each.outcome_id is not None]
    outcomes = components.state_backend.read_outcomes([each.outcome_id or "" for each in failed])
    found: dict[str, ExceptionData] = {}
    for state, outcome in zip(failed, outcomes, strict=True):
        if outcome is None or not outcome.is_error:
            continue
        try:
            (error,) = components.values.failures([outcome.payload])
        except ClientDataNotFoundError:
            continue
        if error is not None:
            found[state.invocation_id] = error
    return found
