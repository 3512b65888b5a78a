"""Searching on the command line: pages until enough is found, with the progress on a terminal."""

from __future__ import annotations

import sys

import click

from pynenc.app import Pynenc
from pynenc.cli.state import PlainTable, console
from pynenc.search.page import Budget, FoundInvocation, SearchCount, SearchPage
from pynenc.search.query_text import parse_query
from pynenc.search.scan import MOST_ROWS

_PRESS_ROWS, _PRESS_S = 5_000, 0.5


def searched(
    app: Pynenc, line: str, limit: int, most_searched: int | None
) -> tuple[list[FoundInvocation], SearchPage]:
    """Return up to so many invocations that fit a line, and the last page.

    It goes on by itself until that many are found, and is ended by the end of all, by `most_searched`
    candidates, or by Ctrl-C, with what was found.
    """
    wanted = parse_query(line, app.orchestrator.now())
    page = app.search(wanted, min(limit, MOST_ROWS), None, _press(0, most_searched))
    rows = list(page.rows)
    try:
        while page.cursor and len(rows) < limit and not _is_enough(page.searched, most_searched):
            _tell(f"looked at {page.searched:,}, found {len(rows):,}; Ctrl-C ends the search")
            page = app.search(
                wanted, min(limit - len(rows), MOST_ROWS), page.cursor, _press(page.searched, most_searched)
            )
            rows += page.rows
    except KeyboardInterrupt:
        pass
    _tell("")
    return rows, page


def counted(app: Pynenc, line: str, most_searched: int | None) -> SearchCount:
    """Return how many invocations fit a line, likewise."""
    return app.search_count(parse_query(line, app.orchestrator.now()), Budget(most_searched, None))


def print_found(table: PlainTable, page: SearchPage) -> None:
    """Print a table of what was found, and what is to be said below it."""
    found = table.row_count
    if found:
        console().print(table)
    if end := _end_of(page, found):
        click.echo(end, err=bool(found))


def _end_of(page: SearchPage, found: int) -> str:
    if page.is_complete:
        return "" if found else f"nothing matches (all {page.searched:,} looked at)"
    if found:
        return f"there may be more; looked at {page.searched:,} so far, {page.plan}"
    return f"nothing yet: {page.searched:,} looked at, {page.plan}; raise --max-searched to look further"


def _press(searched: int, most: int | None) -> Budget:
    rows = _PRESS_ROWS if most is None else max(1, min(_PRESS_ROWS, most - searched))
    return Budget(rows, _PRESS_S)


def _is_enough(searched: int, most: int | None) -> bool:
    return most is not None and searched >= most


def _tell(text: str) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{text}", err=True, nl=False)
