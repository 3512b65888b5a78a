"""Branches: the places of operations, also where coroutines run side by side.

Operations of one branch come one after the other, so a place is a branch and a number. The body is
the first branch; each further task of its event loop that performs an operation is another one,
numbered in the order in which they begin.
"""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from dataclasses import dataclass, field

from pynenc.context import body_task
from pynenc.workflow.journal import Place

_current: ContextVar[Branch | None] = ContextVar("pynenc_branch", default=None)


@dataclass(eq=False)
class Branch:
    """Operations that come one after the other.

    Attributes:
        owner: The set that it belongs to.
        path: Its name: numbers with dots between, empty for the body.
        task: The task of the event loop that performs them.
        next_index: The number of the next operation.
        children: How many branches have begun in it.
        done: What was performed so far: kinds and names.
    """

    owner: Branches
    path: str
    task: object
    next_index: int = 0
    children: int = 0
    done: list[tuple[str, str]] = field(default_factory=list)

    def take(self, kind: str, name: str) -> Place:
        """Return the place for the next operation."""
        place = (self.path, self.next_index)
        self.next_index += 1
        self.done.append((kind, name))
        return place

    @property
    def ahead(self) -> Place:
        """The place of the next operation, which stays free."""
        return self.path, self.next_index


class Branches:
    """The branches of one run of a body."""

    def __init__(self) -> None:
        self._body = Branch(self, "", None)
        self.all = [self._body]

    def current(self) -> Branch:
        """Return the branch of the running code; a new one if it has none."""
        known = self.known()
        if known is not None:
            return known
        task, found = _running_task(), _current.get()
        parent = found if found is not None and found.owner is self else self._body
        path = f"{parent.path}.{parent.children}" if parent.path else str(parent.children)
        parent.children += 1
        branch = Branch(self, path, task)
        self.all.append(branch)
        _current.set(branch)
        return branch

    def known(self) -> Branch | None:
        """Return the branch of the running code, if it has one already; to ask leaves nothing behind."""
        task = _running_task()
        if task is None or task is body_task.get():
            return self._body
        found = _current.get()
        return found if found is not None and found.owner is self and found.task is task else None


def _running_task() -> asyncio.Task[object] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None
