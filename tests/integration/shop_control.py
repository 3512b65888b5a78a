"""Apps in processes of their own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from pynenc.testing.app_fixtures import running

APPS = Path(__file__).parent / "apps"


@contextmanager
def shop_open(shop: ModuleType) -> Iterator[None]:
    """Run the shop's runner meanwhile."""
    with running(shop.app):
        yield


def wait_for(folder: Path, pattern: str, count: int = 1) -> list[Path]:
    """The files that match a pattern, once there are enough; the test's own limit ends a vain wait."""
    while len(found := sorted(folder.glob(pattern))) < count:
        time.sleep(0.01)
    return found
