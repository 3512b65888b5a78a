"""TLS, with an authority and with certificates of clients."""

from __future__ import annotations

import gc
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from rabbitmq_server import RabbitMQServer, free_port

from pynenc import Pynenc
from pynenc.exceptions import StorageError, StorageUnavailableError


class World:
    """A server that speaks TLS and asks clients for a certificate, and the files for both."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        self.port = free_port()
        self.ca, self.cert, self.key = folder / "ca.pem", folder / "client.pem", folder / "client.key"
        authority.cert_pem.write_to_path(self.ca)
        client = authority.issue_cert("client@pynenc.test")
        client.cert_chain_pems[0].write_to_path(self.cert)
        client.private_key_pem.write_to_path(self.key)
        server = authority.issue_cert("localhost")
        server.cert_chain_pems[0].write_to_path(folder / "server.pem")
        server.private_key_pem.write_to_path(folder / "server.key")
        lines = [
            f"listeners.ssl.1 = 127.0.0.1:{self.port}",
            f"ssl_options.cacertfile = {self.ca}",
            f"ssl_options.certfile = {folder / 'server.pem'}",
            f"ssl_options.keyfile = {folder / 'server.key'}",
            "ssl_options.verify = verify_peer",
            "ssl_options.fail_if_no_peer_cert = true",
        ]
        self.server = RabbitMQServer(folder, "\n".join([*lines, ""]))

    def app(self, **settings: str) -> Pynenc:
        url = f"amqps://guest:guest@localhost:{self.port}/%2F"
        return Pynenc({"app_id": "tls", "broker_cls": "RabbitMQBroker", "rabbitmq_url": url, **settings})


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("tls"))
    with world.server:
        yield world


def test_with_authority_and_certificate_it_connects(world: World) -> None:
    files = {"rabbitmq_tls_ca_file": str(world.ca), "rabbitmq_tls_cert_file": str(world.cert)}
    app = world.app(**files, rabbitmq_tls_key_file=str(world.key))
    assert app.broker.ping() == f"RabbitMQ at localhost:{world.port}"


def test_an_unknown_authority_is_refused(world: World) -> None:
    with pytest.raises(StorageUnavailableError, match="certificate"):
        world.app().broker.ping()


def test_a_client_without_certificate_is_refused(world: World) -> None:
    with pytest.raises(StorageUnavailableError):
        world.app(rabbitmq_tls_ca_file=str(world.ca)).broker.ping()


@pytest.mark.parametrize("name", ["rabbitmq_tls_ca_file", "rabbitmq_tls_cert_file"])
def test_a_missing_file_is_told(world: World, name: str) -> None:
    with pytest.raises(StorageError, match=f"{name}.*/not/there.pem"):
        world.app(**{name: "/not/there.pem"}).broker.ping()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the client leaves its socket
def test_a_server_without_tls_is_told(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        settings = {"broker_cls": "RabbitMQBroker", "rabbitmq_url": f"amqps://127.0.0.1:{port}"}
        app = Pynenc({"app_id": "tls2", **settings, "rabbitmq_timeout_seconds": 0.5})
        with pytest.raises(StorageUnavailableError, match="does not answer"):
            app.broker.ping()
        gc.collect()
