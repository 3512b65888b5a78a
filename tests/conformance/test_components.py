"""The components of the core keep every promise of their interfaces."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from pynenc import Pynenc
from pynenc.testing import (
    CancelSuite,
    ComponentSuite,
    EverydaySuite,
    LifeSuite,
    SerializerSuite,
    WorkflowCrashSuite,
)
from pynenc.testing.app_fixtures import MakeApp

SETTINGS: dict[str, Any] = {"runner_cls": "ThreadRunner", "logging_level": "critical"}


def maker(**settings: Any) -> MakeApp:
    runner = {"max_threads": 2} if settings.get("runner_cls", "ThreadRunner") == "ThreadRunner" else {}
    return lambda app_id, **more: Pynenc({"app_id": app_id, **SETTINGS, **runner, **settings, **more})


class TestMemory(ComponentSuite):
    @pytest.fixture
    def make_app(self) -> MakeApp:
        return maker(backend="mem")


class TestSQLite(ComponentSuite):
    @pytest.fixture
    def make_app(self, tmp_path: Path) -> MakeApp:
        return maker(backend="sqlite", sqlite_db_path=str(tmp_path / "kit.db"))


class TestMixed(ComponentSuite):
    """Components on different storages: groups fall apart, promises stay."""

    @pytest.fixture
    def make_app(self, tmp_path: Path) -> MakeApp:
        path = str(tmp_path / "kit.db")
        return maker(backend="sqlite", sqlite_db_path=path, broker_cls="mem", client_data_store_cls="mem")


class TestSealed(EverydaySuite, WorkflowCrashSuite):
    """Everything signed, compressed and encrypted."""

    @pytest.fixture
    def make_app(self, tmp_path: Path) -> MakeApp:
        return maker(
            backend="mem",
            signing_keys=["s" * 32],
            codec=["zstd", "fernet"],
            codec_keys=[Fernet.generate_key().decode()],
        )


@pytest.mark.parametrize("serializer", ["JsonSerializer", "JsonPickleSerializer", "PickleSerializer"])
class TestSerializers(SerializerSuite):
    @pytest.fixture
    def make_app(self, serializer: str) -> MakeApp:
        return maker(serializer_cls=serializer)


class TestAsyncRunner(LifeSuite, CancelSuite):
    """The life of an invocation in the event loop of the asyncio runner."""

    @pytest.fixture
    def make_app(self, tmp_path: Path) -> MakeApp:
        path = str(tmp_path / "kit.db")
        return maker(backend="sqlite", sqlite_db_path=path, runner_cls="AsyncRunner", max_concurrency=2)
