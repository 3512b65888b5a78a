"""The driver keeps every promise of the storage port; the components on it, every promise of theirs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from pynenc_lmdb.storage import LMDBStorage

from pynenc import Pynenc
from pynenc.testing import ComponentSuite, StorageSuite
from pynenc.testing.app_fixtures import MakeApp
from pynenc.testing.storage_fixtures import MakeStorage


class TestLMDBStorage(StorageSuite):
    @pytest.fixture
    def make_storage(self, tmp_path: Path) -> MakeStorage:
        return partial(LMDBStorage, path=tmp_path / "kit.lmdb")

    @pytest.fixture
    def newer_layout(self) -> Callable[[LMDBStorage], None]:
        return lambda storage: storage._do(lambda own: own.put(storage._key(b"v"), b"99"))


class TestLMDBComponents(ComponentSuite):
    @pytest.fixture
    def make_app(self, tmp_path: Path) -> MakeApp:
        settings = {"backend": "lmdb", "lmdb_path": str(tmp_path / "kit.lmdb"), "runner_cls": "ThreadRunner"}
        return lambda app_id, **more: Pynenc({"app_id": app_id, "max_threads": 2, **settings, **more})
