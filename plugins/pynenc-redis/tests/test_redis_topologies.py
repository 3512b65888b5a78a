"""Sentinel and Cluster, with real servers."""

from __future__ import annotations

import signal
import ssl
import traceback
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import kit_tasks
import pytest
import trustme
from redis_apps import make_app, redis_storage
from redis_server import ClusterNode, RedisServer, Sentinel
from tls_terminator import TlsTerminator

from pynenc.exceptions import ConfigError, StorageUnavailableError
from pynenc.testing import LifeSuite, StorageSuite
from pynenc.testing.app_fixtures import MakeApp, running
from pynenc.testing.storage_fixtures import MakeStorage


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterNode]:
    with ClusterNode(tmp_path_factory.mktemp("cluster")) as node:
        yield node  # type: ignore[misc]


class TestClusterStorage(StorageSuite):
    @pytest.fixture
    def make_storage(self, cluster: ClusterNode) -> MakeStorage:
        return partial(redis_storage, url=cluster.url)


class TestClusterLife(LifeSuite):
    @pytest.fixture
    def make_app(self, cluster: ClusterNode) -> MakeApp:
        return lambda app_id, **more: make_app(cluster.url, app_id, **more)


@pytest.mark.timeout(120)
def test_work_goes_on_after_a_fail_over(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two", "sentinel")]
    for folder in folders:
        folder.mkdir()
    with (
        RedisServer(folders[0]) as primary,
        RedisServer(folders[1], replicaof=f"127.0.0.1 {primary.port}"),
        Sentinel(folders[2], primary.port) as sentinel,
    ):
        app = make_app(f"redis+sentinel://127.0.0.1:{sentinel.port}/main/0")
        add = app.task(kit_tasks.add)
        with running(app):
            assert add(1, 2).result == 3
            waiting = add.options(delay=2.0)(2, 2)
            while primary_offset(primary) != replica_offset(primary):
                pass
            primary.stop(signal.SIGKILL)
            assert waiting.result == 4
            assert add(3, 2).result == 5


def _replication(server: RedisServer) -> dict[str, object]:
    import redis

    with redis.Redis(port=server.port) as client:
        return dict(client.info("replication"))


def primary_offset(server: RedisServer) -> object:
    return _replication(server)["master_repl_offset"]


def replica_offset(server: RedisServer) -> object:
    replica = _replication(server)["slave0"]
    assert isinstance(replica, dict)
    return replica["offset"]


def test_a_unix_socket(tmp_path: Path) -> None:
    with RedisServer(tmp_path, unixsocket=str(tmp_path / "redis.sock")):
        app = make_app(f"unix://{tmp_path}/redis.sock?db=1")
        add = app.task(kit_tasks.add)
        with running(app):
            assert add(1, 2).result == 3
        assert "redis.sock" in str(app.orchestrator.ping())


def test_tls_with_a_certificate_of_an_own_authority(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    with RedisServer(tmp_path, requirepass="secret") as server, TlsTerminator(server.port, tls) as front:
        url = f"rediss://:secret@127.0.0.1:{front.port}/0"
        app = make_app(f"{url}?ssl_ca_certs={tmp_path}/ca.pem")
        add = app.task(kit_tasks.add)
        with running(app):
            assert add(1, 2).result == 3
        with pytest.raises(StorageUnavailableError, match="CERTIFICATE_VERIFY_FAILED") as refusal:
            make_app(url, "strangers").orchestrator.ping()
        assert "secret" not in str(refusal.value)
        by_settings = make_app(
            "",
            "settings",
            redis_host="127.0.0.1",
            redis_port=front.port,
            redis_password="secret",
            redis_tls=True,
            redis_tls_ca_file=str(tmp_path / "ca.pem"),
        )
        assert "redis" in str(by_settings.orchestrator.ping())
        file = make_app(url, "file", redis_tls_ca_file=str(tmp_path / "ca.pem"))
        assert "redis" in str(file.orchestrator.ping())


def test_a_server_that_asks_for_the_certificate_of_a_client(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    own = authority.issue_cert("client")
    own.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    own.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(tmp_path / "ca.pem"))
    tls.verify_mode = ssl.CERT_REQUIRED
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    with RedisServer(tmp_path) as server, TlsTerminator(server.port, tls) as front:
        settings = {"redis_tls_ca_file": f"{tmp_path}/ca.pem"}
        files = {"redis_tls_cert_file": f"{tmp_path}/cert.pem", "redis_tls_key_file": f"{tmp_path}/key.pem"}
        url = f"rediss://127.0.0.1:{front.port}/0"
        assert "redis" in str(make_app(url, "known", **settings, **files).orchestrator.ping())
        with pytest.raises(StorageUnavailableError):
            make_app(url, "unknown", **settings).orchestrator.ping()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("redis://u:s3c:ret@localhost:port/0", "not a URL"),
        ("redis://u:s3cret/x@127.0.0.1:1/0", "not a URL"),
        ("redis://u:12/s3cret@127.0.0.1:1/0", "number of a database"),
        ("redis://u:s3cret@[::1/0", "not a URL"),
        ("redis://u:s3c#ret@127.0.0.1:1/0", "not a URL"),
        ("redis://u:1?s3cret@127.0.0.1:1/0", "not a URL"),
        ("redis://u:s3cret@127.0.0.1:99999/0", "not a URL"),
        ("redis://u:s3cret@127.0.0.1:1/s3cret", "number of a database"),
        ("redis://127.0.0.1:1/0?password=s3cret&more=s3cret", "option in 'redis_url'.*: password, more"),
        ("redis://127.0.0.1:1/0?socket_timeout=s3cret", "option in 'redis_url'.*: socket_timeout"),
        ("http://u:s3cret@h/0", "must begin with one of redis://"),
        ("s3cret", "must begin with one of redis://"),
        ("redis+sentinel://u:s3cret@127.0.0.1:x/service", "not a URL"),
        ("redis+sentinel://u:s3cret@127.0.0.1:1/service/s3cret", "needs the service"),
    ],
)
def test_a_url_that_cannot_be_understood_is_never_shown(url: str, message: str) -> None:
    app = make_app(url, "malformed")
    with pytest.raises(ConfigError, match=message) as caught:
        app.orchestrator.ping()
    told = "".join(traceback.format_exception(caught.value))
    assert "s3c" not in told.replace("test_redis_topologies", "")
    assert "s3c" not in repr(app)
