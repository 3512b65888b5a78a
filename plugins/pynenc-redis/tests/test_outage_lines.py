"""An outage of the server is a handful of log lines, and the work goes on after it."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import pytest
from plain_tasks import echo
from redis_server import RedisServer

from pynenc import Pynenc
from pynenc.testing.app_fixtures import running


class Lines(logging.Handler):
    """Keeps what is logged, and tells when certain words were."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.texts: list[str] = []
        self.is_away, self.is_back = threading.Event(), threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage() + (record.exc_text or "")
        self.texts.append(text)
        if text.startswith("the store does not answer"):
            self.is_away.set()
        if text.startswith("the store answers again"):
            self.is_back.set()


@pytest.mark.timeout(120)
def test_an_outage_is_a_handful_of_lines(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server:
        app = Pynenc(
            {
                "app_id": "outage",
                "backend": "redis",
                "redis_url": server.url,
                "runner_cls": "ThreadRunner",
                "logging_level": "warning",
            }
        )
        task, lines = app.task(echo), Lines()
        app.logger.addHandler(lines)
        with running(app):
            assert task(1).wait(60) == 1
            server.stop()
            assert lines.is_away.wait(60)
            server.start()
            assert lines.is_back.wait(60)
            assert task(2).wait(60) == 2
        app.logger.removeHandler(lines)
    assert len(lines.texts) <= 6, lines.texts
    assert not [each for each in lines.texts if "Traceback" in each]
