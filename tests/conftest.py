"""What all tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite("pynenc.testing")

from pynenc import Pynenc  # noqa: E402 - the kit's asserts must be rewritten first


@pytest.fixture(autouse=True)
def clean_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """No app survives a test, no setting comes from outside, and no test writes into the project."""
    before = set(Pynenc._instances)
    monkeypatch.chdir(tmp_path_factory.mktemp("cwd"))
    yield
    for app_id in set(Pynenc._instances) - before:
        Pynenc.discard(app_id)
