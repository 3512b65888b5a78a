"""A real RabbitMQ server for the tests of the plugin."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite("pynenc.testing")

from rabbitmq_server import RabbitMQServer  # noqa: E402 - the asserts of the kit must be rewritten first

from pynenc import Pynenc  # noqa: E402


@pytest.fixture(scope="session")
def rabbitmq_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A RabbitMQ server for the whole run; one that cannot start fails the tests that need it."""
    given = os.environ.get("PYNENC_TEST_RABBITMQ_URL")
    if given:
        yield given
        return
    with RabbitMQServer(tmp_path_factory.mktemp("rabbitmq")) as server:
        yield server.url


@pytest.fixture(autouse=True)
def clean_process(monkeypatch: pytest.MonkeyPatch, tmp_path: pytest.TempPathFactory) -> Iterator[None]:
    """No app survives a test, and no setting comes from outside."""
    before = set(Pynenc._instances)
    monkeypatch.chdir(str(tmp_path))
    yield
    for app_id in set(Pynenc._instances) - before:
        Pynenc.discard(app_id)
