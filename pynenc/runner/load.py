"""The load of a process, as its signs of life tell it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import TypeAlias

from pynenc.lifecycle.components import Components
from pynenc.state_backend.count_records import RunnerLoad
from pynenc.storage.record_store import upserts

Activity: TypeAlias = Callable[[], tuple[int, int, float]]
"""Returns how many bodies can run, how many do, and for how many seconds the oldest has."""


class LoadMeter:
    """Measures the load of this process.

    Args:
        components: The components, which keep it.
    """

    def __init__(self, components: Components) -> None:
        self._components = components
        self._at, self._cpu_s = time.monotonic(), time.process_time()

    def note(self, runner_ids: Sequence[str], activity: Activity) -> None:
        """Store the load of this process for some runner ids.

        Raises:
            StorageError: The store is away.
        """
        at, cpu_s = time.monotonic(), time.process_time()
        share = (cpu_s - self._cpu_s) / max(at - self._at, 1e-3)
        self._at, self._cpu_s = at, cpu_s
        slots, running, oldest_s = activity()
        local = time.time()
        now = self._components.now()
        asked_s = time.time() - local  # the shared clock was read somewhere within
        ahead = now - local - asked_s / 2
        clock_s = ahead if abs(ahead) > asked_s / 2 else 0.0
        loads = [
            RunnerLoad(each, now, running, resident_memory(), share, oldest_s, slots, clock_s)
            for each in runner_ids
        ]
        fields = tuple(RunnerLoad.__struct_fields__[1:])
        self._components.state_backend.write(upserts(loads, fields))


def resident_memory() -> int:
    """Return the resident memory of this process in bytes; 0 where that cannot be told."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0
