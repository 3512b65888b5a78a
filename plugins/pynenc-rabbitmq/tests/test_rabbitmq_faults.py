"""Servers killed, queues purged and deleted, workers killed: everything ends, and what ends, ends once."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pika
import pytest
from rabbitmq_server import RabbitMQServer

from pynenc import Pynenc
from pynenc.broker.plain_broker import PlainBroker
from pynenc.exceptions import StorageError
from pynenc.invocation.status import InvocationStatus
from pynenc.testing import BrokerOutageSuite
from pynenc.testing.app_fixtures import running

COUNT = 1000
HERE = Path(__file__).parent


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RabbitMQServer]:
    with RabbitMQServer(tmp_path) as server:
        yield server


class Engine:
    """A server that is killed and started."""

    def __init__(self, server: RabbitMQServer) -> None:
        self.server = server

    def make_broker(self, app_id: str) -> PlainBroker:
        app = Pynenc({"app_id": app_id, "broker_cls": "RabbitMQBroker", "rabbitmq_url": self.server.url})
        assert isinstance(app.broker, PlainBroker)
        return app.broker

    def stop(self) -> None:
        self.server.stop(signal.SIGKILL)

    def start(self) -> None:
        self.server.start()

    def pause(self) -> None:
        self.server.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.server.send_signal(signal.SIGCONT)


class TestOutages(BrokerOutageSuite):
    @pytest.fixture
    def engine(self, server: RabbitMQServer) -> Engine:
        return Engine(server)


@pytest.fixture
def chaos(server: RabbitMQServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The app with two worker processes."""
    settings = {
        "BACKEND": "sqlite",
        "SQLITE_DB_PATH": str(tmp_path / "chaos.db"),
        "BROKER_CLS": "RabbitMQBroker",
        "RABBITMQ_URL": server.url,
        "RUNNER_CLS": "PersistentProcessRunner",
        "NUM_PROCESSES": "2",
        "LOGGING_LEVEL": "critical",
        "RESTART_DELAY_SECONDS": "0.01",
        "RECOVERY_INTERVAL_SECONDS": "0.5",
        "MAX_RECOVERIES": "50",
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"PYNENC__{name}", value)
    monkeypatch.syspath_prepend(str(HERE))
    sys.modules.pop("chaos_app", None)
    yield importlib.import_module("chaos_app")
    sys.modules.pop("chaos_app", None)


def ended(app: Pynenc) -> int:
    return app.orchestrator.count_states(InvocationStatus.SUCCESS)


def each_queue(server: RabbitMQServer, act: str) -> None:
    """Purge or delete the queues of the app behind its back."""
    connection = pika.BlockingConnection(pika.URLParameters(server.url))
    for lane in ("default~high", "default", "default~low"):
        with contextlib.suppress(pika.exceptions.ChannelClosedByBroker):  # there may be none yet
            getattr(connection.channel(), act)(f"pynenc:rabbit-chaos:{lane}")
    connection.close()


@pytest.mark.timeout(300)
def test_a_thousand_end_whatever_breaks(chaos: ModuleType, server: RabbitMQServer, tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    folder.mkdir()
    with running(chaos.app):
        group = list(chaos.note.parallelize([(str(folder), number) for number in range(COUNT)]))
        retried = [chaos.second_time(number) for number in range(10)]
        faults = ["purge", "kill server", "kill worker", "delete", "purge", "stop server"]
        for number, fault in enumerate(faults):
            while ended(chaos.app) < COUNT * (number + 1) // (len(faults) + 2):
                time.sleep(0.005)
            if fault == "purge":
                each_queue(server, "queue_purge")
            elif fault == "delete":
                each_queue(server, "queue_delete")
            elif fault == "kill worker":
                runs = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)
                os.kill(int(runs[-1].name.split("-")[1]), signal.SIGKILL)
            else:
                server.stop(signal.SIGKILL if fault == "kill server" else signal.SIGTERM)
                server.start()
        assert [invocation.wait(200) for invocation in group] == list(range(COUNT))
        assert [invocation.wait(200) for invocation in retried] == list(range(10))
    runs_of = Counter(int(path.name.split("-")[0]) for path in folder.iterdir())
    again = {number: times for number, times in runs_of.items() if times != 1}
    assert set(runs_of) == set(range(COUNT))
    assert len(again) <= 20, "only what ran in the worker that was killed runs again"
    assert not any(
        chaos.app.orchestrator.count_states(status) for status in InvocationStatus if not status.final
    )


def test_a_wrong_password_is_told(server: RabbitMQServer) -> None:
    url = server.url.replace("guest:guest", "guest:SECRET")
    app = Pynenc({"app_id": "x", "broker_cls": "RabbitMQBroker", "rabbitmq_url": url})
    with pytest.raises(StorageError, match="refuses the user: check user, password") as caught:
        app.broker.ping()
    assert "SECRET" not in str(caught.value)


def test_a_queue_of_another_type_is_told(server: RabbitMQServer) -> None:
    connection = pika.BlockingConnection(pika.URLParameters(server.url))
    connection.channel().queue_declare("pynenc:x:default", durable=False)
    connection.close()
    app = Pynenc({"app_id": "x", "broker_cls": "RabbitMQBroker", "rabbitmq_url": server.url})
    with pytest.raises(StorageError, match="delete it, or set 'rabbitmq_queue_type' back"):
        app.broker.take(["default"], 1, 0)


@pytest.mark.parametrize("url", ["not an address", "amqp://host:port", "http://localhost", "", "amqp://["])
def test_a_wrong_address_is_told(url: str) -> None:
    app = Pynenc({"app_id": "x", "broker_cls": "RabbitMQBroker", "rabbitmq_url": url})
    with pytest.raises(StorageError, match="'rabbitmq_url' is not an address such as amqp://"):
        app.broker.ping()


def test_a_server_that_does_not_answer_is_told() -> None:
    app = Pynenc({"app_id": "x", "broker_cls": "RabbitMQBroker", "rabbitmq_url": "amqp://127.0.0.1:1"})
    with pytest.raises(StorageError, match="RabbitMQ at 127.0.0.1:1 does not answer: .*refused"):
        app.broker.ping()
