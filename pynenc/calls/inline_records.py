"""Records of invocations that ran inline, kept in their process."""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from typing import Any, Protocol

KEPT = 1000
"""How many inline invocations are kept, even if nobody else holds their handles."""


class InlineHandle(Protocol):
    """The handle on an inline invocation."""

    invocation_id: str


class InlineRecords:
    """The handles on inline invocations by id, and the values of their workflows.

    The latest are kept; an older one is found as long as somebody holds its handle.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._latest: OrderedDict[str, Any] = OrderedDict()
        self._all: weakref.WeakValueDictionary[str, Any] = weakref.WeakValueDictionary()
        self._values: OrderedDict[str, dict[str, Any]] = OrderedDict()

    def add(self, handle: InlineHandle) -> None:
        """Keep a handle."""
        with self._lock:
            self._all[handle.invocation_id] = handle
            self._latest[handle.invocation_id] = handle
            while len(self._latest) > KEPT:
                self._latest.popitem(last=False)

    def find(self, invocation_id: str) -> Any:
        """Return the handle with this id, or None."""
        return self._all.get(invocation_id)

    def latest(self) -> list[Any]:
        """Return the handles that are kept, newest first."""
        with self._lock:
            return list(reversed(self._latest.values()))

    def values(self, workflow_id: str) -> dict[str, Any]:
        """Return the values that the invocations of a workflow share."""
        with self._lock:
            found = self._values.setdefault(workflow_id, {})
            self._values.move_to_end(workflow_id)
            while len(self._values) > KEPT:
                self._values.popitem(last=False)
            return found
