"""Walks through the code: which functions of the package one call passes through."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pynenc

PACKAGE = Path(pynenc.__file__).parent
ENGINE = {"memory_storage", "memory_tables", "wakeup", "blocking_take"}
"""The files behind the storage port, which each backend replaces."""


class Walk:
    """The functions of the core that were entered, as (file, function), in order."""

    def __init__(self) -> None:
        self.functions: dict[tuple[str, str], None] = {}

    def run(self, act: Callable[[], Any]) -> Any:
        sys.setprofile(self._note)
        try:
            return act()
        finally:
            sys.setprofile(None)

    def _note(self, frame: FrameType, event: str, argument: object) -> None:
        path, name = Path(frame.f_code.co_filename), frame.f_code.co_qualname
        if event != "call" or not path.is_relative_to(PACKAGE) or name.endswith((">", "<genexpr>")):
            return
        if path.stem not in ENGINE and name != "check_query":  # which engines call
            self.functions[str(path.relative_to(PACKAGE)), name] = None

    @property
    def files(self) -> list[str]:
        return list(dict.fromkeys(file for file, _ in self.functions))
