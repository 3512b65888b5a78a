"""Records of earlier attempts: what a retry finds of what was done before.

A retry runs the body anew and may come another way, because the data that it reads has changed. An
operation of it takes what an earlier attempt has recorded under the same kind and name, in the same
branch and order; what it finds nothing for is performed. Data is read and set anew by each attempt.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from pynenc.state_backend.workflow_records import Step

GET_DATA, SET_DATA, CANCELLED, PATCHED = "get_data", "set_data", "cancelled", "patched"
_OF_ONE_ATTEMPT = frozenset({GET_DATA, SET_DATA, CANCELLED})

_Key = tuple[str, str, str]


def stored_branch(path: str, attempt: int) -> str:
    """Return the name under which a branch of an attempt is stored."""
    return f"{path}@{attempt}" if attempt else path


def path_and_attempt(branch: str) -> tuple[str, int]:
    """Return what `stored_branch` was given."""
    path, _, attempt = branch.partition("@")
    return path, int(attempt) if attempt.isdecimal() else 0


class EarlierAttempts:
    """Steps of earlier attempts, to be taken by the operations of this one.

    Args:
        steps: Their steps, with the branches as they are stored.
    """

    def __init__(self, steps: Iterable[Step] = ()) -> None:
        by_attempt: dict[int, dict[_Key, list[Step]]] = defaultdict(lambda: defaultdict(list))
        for step in sorted(steps, key=lambda each: each.index):
            if step.kind not in _OF_ONE_ATTEMPT:
                path, attempt = path_and_attempt(step.branch)
                by_attempt[attempt][path, step.kind, step.name].append(step)
        self._left: dict[_Key, list[Step]] = defaultdict(list)
        for attempt in sorted(by_attempt, reverse=True):
            for key, found in by_attempt[attempt].items():
                known = self._left[key]  # a later attempt has taken these over
                known += found[len(known) :]

    @property
    def left(self) -> list[Step]:
        """Steps that were not taken yet."""
        return [step for found in self._left.values() for step in found]

    def take(self, path: str, kind: str, name: str) -> Step | None:
        """Return what was recorded for the next operation of this kind and name, if anything."""
        found = self._left.get((path, kind, name))
        return found.pop(0) if found else None

    def has(self, path: str, kind: str, name: str) -> bool:
        """Return whether `take` would find something."""
        return bool(self._left.get((path, kind, name)))

    def drop(self) -> list[Step]:
        """Give up what is left; return it."""
        left = self.left
        self._left.clear()
        return left
