"""Matching the parts of a composite: one occurrence for each condition, none of them twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pynenc.trigger.records import Occurrence, Part


@dataclass(frozen=True, slots=True)
class Candidate:
    """A part that waits for the others.

    Attributes:
        part: The part.
        index: The number of the condition that it meets.
        occurrence: What occurred.
    """

    part: Part
    index: int
    occurrence: Occurrence

    @property
    def source(self) -> str:
        """The id of what occurred; parts of one occurrence are not used together."""
        return self.occurrence.occurrence_id


def match(columns: Sequence[Sequence[Candidate]], window_s: float, in_order: bool) -> list[list[Candidate]]:
    """Return rows with one candidate for each condition, the oldest first.

    Args:
        columns: The candidates of each condition, oldest first.
        window_s: How far apart, in seconds, those of one row may lie.
        in_order: Whether those of a row must have occurred in the order of the conditions.
    """
    if not all(columns):
        return []
    firsts = columns[0] if in_order else [each for column in columns for each in column]
    used: set[str] = set()
    rows: list[list[Candidate]] = []
    for first in sorted(firsts, key=lambda each: (each.part.at, each.source, each.index)):
        if first.source in used:
            continue
        free = [
            [
                each
                for each in column
                if each.source not in used and first.part.at <= each.part.at <= first.part.at + window_s
            ]
            for column in columns
        ]
        row = _in_order(first, free) if in_order else _distinct(first, free)
        if row is not None:
            rows.append(row)
            used.update(each.source for each in row)
    return rows


def _in_order(first: Candidate, columns: Sequence[Sequence[Candidate]]) -> list[Candidate] | None:
    row = [first]
    for column in columns[1:]:
        taken = {each.source for each in row}
        following = next(
            (each for each in column if each.part.at > row[-1].part.at and each.source not in taken), None
        )
        if following is None:
            return None
        row.append(following)
    return row


def _distinct(first: Candidate, columns: Sequence[Sequence[Candidate]]) -> list[Candidate] | None:
    """Return a row that begins with the oldest candidate, by augmenting paths (Kuhn's algorithm)."""
    owner: dict[str, int] = {first.source: first.index}
    chosen: dict[int, Candidate] = {first.index: first}

    def assign(index: int, tried: set[str]) -> bool:
        for each in columns[index]:
            if each.source in tried:
                continue
            tried.add(each.source)
            holder = owner.get(each.source)
            if holder is None or (holder != first.index and assign(holder, tried)):
                owner[each.source] = index
                chosen[index] = each
                return True
        return False

    for index in range(len(columns)):
        if index != first.index and not assign(index, set()):
            return None
    return [chosen[index] for index in range(len(columns))]
