"""What happens when Redis refuses, is full, goes away and comes back."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kit_tasks
import pytest
import redis
from pynenc_redis.settings import ConfigRedis
from pynenc_redis.storage import RedisStorage
from redis_apps import make_app
from redis_server import RedisServer, free_port

from pynenc import Pynenc
from pynenc.exceptions import ConfigError, InvocationError, StorageLayoutError, StorageUnavailableError
from pynenc.invocation.status import InvocationStatus
from pynenc.testing.app_fixtures import running


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path, appendonly="yes", appendfsync="always") as server:
        yield server


def test_a_server_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    app = make_app(f"redis://127.0.0.1:{port}/0")
    add = app.task(kit_tasks.add)
    with pytest.raises(
        StorageUnavailableError, match=rf"cannot reach Redis at redis://127.0.0.1:{port}/0.*Check"
    ):
        add(1, 2)
    with pytest.raises(StorageUnavailableError, match="cannot reach Redis"):
        app.runner.run()


def test_a_wrong_password_is_told_and_never_shown(tmp_path: Path) -> None:
    with RedisServer(tmp_path, requirepass="right") as server:
        wrong = server.url.replace("redis://", "redis://:wrong-secret@")
        with pytest.raises(StorageUnavailableError, match="refuses us.*redis_password") as caught:
            make_app(wrong).orchestrator.ping()
        assert "wrong-secret" not in str(caught.value)
        right = server.url.replace("redis://", "redis://:right@")
        assert "127.0.0.1" in str(make_app(right, "other").orchestrator.ping())


def test_a_read_only_replica(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    with (
        RedisServer(tmp_path / "one") as primary,
        RedisServer(tmp_path / "two", replicaof=f"127.0.0.1 {primary.port}") as replica,
    ):
        with redis.Redis(port=replica.port) as client:
            while client.info("replication")["master_link_status"] != "up":
                pass
        add = make_app(replica.url).task(kit_tasks.add)
        with pytest.raises(
            StorageUnavailableError, match="is a read-only replica. Point 'redis_url' at the primary"
        ):
            add(1, 2)


def fill(client: redis.Redis) -> None:
    for number in itertools.count():
        client.set(f"ballast-{number}", "x" * 500_000)


def accept_all(task: Any, accepted: list[Any]) -> None:
    for _ in range(20_000):
        accepted.append(task(1, 1))  # one by one: what came before the error counts


def test_a_full_memory_stores_nothing_and_loses_nothing(tmp_path: Path) -> None:
    with RedisServer(tmp_path, maxmemory="6mb", maxmemory_policy="noeviction") as server:
        app = make_app(server.url)
        add = app.task(kit_tasks.add)
        accepted = [add(0, 1)]
        with redis.Redis(port=server.port) as client:
            with pytest.raises(redis.exceptions.OutOfMemoryError):
                fill(client)
            full = "no memory left.*nothing of this write was stored"
            with pytest.raises(StorageUnavailableError, match=full):
                accept_all(add, accepted)
            assert len(app.find_invocations(limit=100_000)) == len(accepted)
            client.delete(*client.keys("ballast-*"))
        with running(app):
            assert [invocation.result for invocation in accepted] == [1] + [2] * (len(accepted) - 1)


def test_an_eviction_policy_that_drops_data_is_a_hazard(tmp_path: Path) -> None:
    with RedisServer(tmp_path, maxmemory_policy="allkeys-lru") as server:
        (hazard,) = make_app(server.url).orchestrator.hazards()
        assert "may evict data" in hazard
        (caution,) = make_app(server.url).orchestrator.cautions()
        assert "has no append-only file" in caution
        (tmp_path / "tasks.py").write_text(
            f"from pynenc import Pynenc\napp = Pynenc({{'app_id': 'x', 'backend': 'redis', "
            f"'redis_url': '{server.url}'}})\n"
        )
        command = [sys.executable, "-m", "pynenc.cli.main", "doctor"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert "maxmemory-policy noeviction" in " ".join(done.stdout.split())
        with redis.Redis(port=server.port) as client:
            client.config_set("maxmemory-policy", "noeviction")
        assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 0


def test_work_goes_on_after_a_restart(server: RedisServer) -> None:
    app = make_app(server.url)
    add = app.task(kit_tasks.add)
    with running(app):
        assert add(1, 2).result == 3
        group = add.parallelize([(number, 1) for number in range(300)])
        server.stop(signal.SIGKILL)
        server.start()
        assert list(group.results) == list(range(1, 301))
        assert add(2, 2).result == 4


def test_an_idle_runner_consumes_again_after_a_restart(server: RedisServer) -> None:
    app = make_app(server.url)
    add = app.task(kit_tasks.add)
    with running(app):
        assert add(1, 2).result == 3
        server.stop(signal.SIGKILL)
        server.start()
        client = Pynenc({"app_id": "client", "backend": "redis", "redis_url": server.url})
        assert client.orchestrator.ping()
        assert add(2, 2).result == 4
        assert add(3, 2).status in tuple(InvocationStatus)


def test_who_waits_survives_a_cut_connection(server: RedisServer, tmp_path: Path) -> None:
    app = make_app(server.url)
    wait = app.task(kit_tasks.wait_for_file)
    with running(app):
        invocation = wait(str(tmp_path / "go"))
        with redis.Redis(port=server.port) as client:
            while app.orchestrator.count_states(InvocationStatus.RUNNING) == 0:
                pass
            for kind in ("normal", "pubsub"):
                client.client_kill_filter(_type=kind, skipme=True)
        (tmp_path / "go").touch()
        assert invocation.result == "went"


def test_data_of_a_newer_layout_is_refused(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.set("pynenc:{newer}:layout", 99)
        storage = RedisStorage("newer", ConfigRedis(redis_url=redis_url))
        with pytest.raises(StorageLayoutError, match="has layout 99, written by a newer pynenc"):
            storage.ping()
        client.delete("pynenc:{newer}:layout")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://localhost", "must begin with one of redis://"),
        ("redis+sentinel://localhost:26379", "needs the service"),
        ("redis+cluster://localhost:many", "not a URL with a host and a port"),
    ],
)
def test_a_url_that_makes_no_sense(url: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_app(url).orchestrator.ping()


@pytest.mark.parametrize(
    ("rules", "refused"),
    [
        ("~pynenc:* resetchannels +@all", "one of the channels"),
        ("~other:* allchannels +@all", "one of the keys"),
        ("~pynenc:* allchannels +@all -publish", "'publish' command"),
        ("~pynenc:* allchannels +@all -script", "'script' command"),
        ("~pynenc:* allchannels +@all -info", None),
        ("~pynenc:* resetchannels &pynenc:* +@all -@dangerous", None),
    ],
)
def test_a_user_who_may_not_do_everything(redis_url: str, rules: str, refused: str | None) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.execute_command("ACL", "SETUSER", "limited", "reset", "on", ">secret", *rules.split())
        url = redis_url.replace("redis://", "redis://limited:secret@")
        app = make_app(url, "limited")
        add = app.task(kit_tasks.add)
        if refused is None:
            with running(app):
                assert add(1, 2).result == 3
            app.purge()
        else:
            with pytest.raises(StorageUnavailableError, match=f"refuses us.*{refused}.*it needs"):
                add(1, 2)
            assert list(client.scan_iter(match="pynenc:{limited}:r:*")) == []
        app.close()
        client.execute_command("ACL", "DELUSER", "limited")


@pytest.mark.parametrize("stored", [b"5", b"", b"x", b"\xff", b"nan", b"i1x", b"b!"])
@pytest.mark.parametrize("field", ["arguments", "created_at", "task_id"])
def test_a_field_that_nobody_of_us_wrote_stops_nothing(redis_url: str, stored: bytes, field: str) -> None:
    app = make_app(redis_url, "fields")
    app.purge()
    add = app.task(kit_tasks.add)
    bad, good = add(1, 1), add(2, 2)
    with redis.Redis.from_url(redis_url) as client:
        assert client.hset(f"pynenc:{{fields}}:r:invocation:{bad.invocation_id}", field, stored) == 0
    assert [each.invocation_id for each in app.find_invocations()] == [good.invocation_id]
    with running(app):
        assert good.result == 4
        with pytest.raises(InvocationError, match="cannot be read"):
            _ = bad.result
    app.purge()


def test_apps_with_odd_names_keep_apart(redis_url: str) -> None:
    for odd in ("a*", "a{b}", "a:b", "ä b"):
        one = make_app(redis_url, odd)
        one.task(kit_tasks.add)(1, 2)
        other = make_app(redis_url, odd + "x")
        other.task(kit_tasks.add)(1, 2)
        one.purge()
        assert other.broker.queues() == ["default"]
        other.purge()
