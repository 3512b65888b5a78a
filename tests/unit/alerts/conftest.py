"""Fixtures of the tests of alerts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from alert_looks import Watch, app

from pynenc.testing import in_memory


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    with in_memory(app):
        yield


@pytest.fixture
def looks() -> Watch:
    return Watch()
