"""Sentinel and Cluster, with real servers."""

from __future__ import annotations

import signal
import ssl
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import kit_tasks
import pytest
import trustme
from redis_apps import make_app, redis_storage
from redis_server import ClusterNode, RedisServer, Sentinel
from tls_terminator import TlsTerminator

from pynenc.exceptions import StorageUnavailableError
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
