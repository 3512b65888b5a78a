"""Whoever dies in the middle of something."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest


class Dies(BaseException):
    """Ends whoever is in the middle of something."""


def failing(
    component: Any, names: Sequence[str], at: int, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Have the call number `at` of these methods fail, before or after it is carried out."""
    calls = iter(range(10_000))

    def wrap(name: str) -> None:
        original = getattr(component, name)

        def call(*given: Any, **named: Any) -> Any:
            is_it = next(calls) == at
            if is_it and not after:
                raise Dies
            answer = original(*given, **named)
            if is_it:
                raise Dies
            return answer

        monkeypatch.setattr(component, name, call)

    for name in names:
        wrap(name)
