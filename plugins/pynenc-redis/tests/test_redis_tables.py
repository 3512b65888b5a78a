"""Tables that have got indexes since: what an earlier version has stored is found by them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
import redis
from pynenc_redis.settings import ConfigRedis
from pynenc_redis.storage import RedisStorage
from redis_server import RedisServer

from pynenc.identifiers.ids import new_id
from pynenc.storage.operations import Delete, Index, Insert, Patch, Query, Table

BY_TIME, BY_KIND = Index((), "at"), Index(("kind",), "at")
BY_OWNER = Index(("owner",), "rank", is_sparse=True)
BEFORE = Table("item", ("kind", "at", "owner", "rank"), (BY_TIME,))
AFTER = Table("item", ("kind", "at", "owner", "rank"), (BY_TIME, BY_KIND, BY_OWNER))
COUNT = 1203


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("tables")) as started:
        yield started


@pytest.fixture
def make(server: RedisServer) -> Iterator[Callable[..., RedisStorage]]:
    app_id, made = f"tables-{new_id()}", list[RedisStorage]()

    def of(*tables: Table) -> RedisStorage:
        storage = RedisStorage(app_id, ConfigRedis(redis_url=server.url))
        storage.declare(tables)
        made.append(storage)
        return storage

    yield of
    for each in made:
        each.close()


def _fill(storage: RedisStorage) -> None:
    storage.write(
        [
            Insert(
                BEFORE,
                f"k{at:04d}:x",
                {"kind": "even" if at % 2 == 0 else "ödd", "at": float(at), "rank": 1.5},
            )
            for at in range(COUNT)
        ]
    )
    storage.write([Patch(BEFORE, f"k{at:04d}:x", {"owner": "me"}) for at in (3, 4)])


def _found(storage: RedisStorage, index: Index, value: str) -> list[str]:
    return [str(record["key"]) for record in storage.find(Query(AFTER, index, (value,)), 2 * COUNT)]


def _forget(server: RedisServer) -> None:
    """Have it be as an earlier version leaves it, which knew nothing of this."""
    client = redis.Redis.from_url(server.url)
    for key in client.scan_iter("pynenc:*:tables"):
        client.delete(key)
    client.close()


@pytest.mark.parametrize("is_old", [False, True])
def test_what_was_stored_before_is_found(
    make: Callable[..., RedisStorage], server: RedisServer, is_old: bool
) -> None:
    other = Table("other", ("kind", "at"), (BY_TIME,))
    before = make(BEFORE, other)
    _fill(before)
    before.write([Insert(other, "apart", {"kind": "even", "at": 1.0})])
    if is_old:
        _forget(server)
    make(other).count(Query(other, BY_TIME))  # another component comes first
    after = make(AFTER, other)
    assert _found(after, BY_KIND, "even") == [f"k{at:04d}:x" for at in range(0, COUNT, 2)]
    assert _found(after, BY_KIND, "ödd") == [f"k{at:04d}:x" for at in range(1, COUNT, 2)]
    assert _found(after, BY_OWNER, "me") == ["k0003:x", "k0004:x"]
    assert after.count(Query(AFTER, BY_TIME)) == COUNT
    after.write([Patch(AFTER, "k0000:x", {"kind": "ödd"}), Delete(AFTER, "k0003:x")])
    assert len(_found(after, BY_KIND, "even")) == COUNT // 2
    assert _found(after, BY_OWNER, "me") == ["k0004:x"]


def test_it_is_done_once(make: Callable[..., RedisStorage], monkeypatch: pytest.MonkeyPatch) -> None:
    _fill(make(BEFORE))
    make(AFTER).count(Query(AFTER, BY_TIME))
    scans: list[int] = []
    original = redis.Redis.scan_iter

    def counted(self: redis.Redis, *given: object, **named: object) -> object:
        for each in original(self, *given, **named):  # type: ignore[arg-type]
            scans.append(1)
            yield each

    monkeypatch.setattr(redis.Redis, "scan_iter", counted)
    again = make(AFTER)
    assert again.count(Query(AFTER, BY_KIND, ("even",))) == (COUNT + 1) // 2
    assert make(BEFORE).count(Query(BEFORE, BY_TIME)) == COUNT  # an earlier version beside it
    assert make(AFTER).count(Query(AFTER, BY_KIND, ("even",))) == (COUNT + 1) // 2
    assert scans == []


def test_a_new_app_scans_nothing(make: Callable[..., RedisStorage], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> object:
        raise AssertionError("nothing is to be looked for")
        yield

    monkeypatch.setattr(redis.Redis, "scan_iter", refuse)
    storage = make(AFTER)
    storage.write([Insert(AFTER, "k", {"kind": "even", "at": 1.0})])
    storage.declare([Table("later", ("at",), (BY_TIME,))])
    assert _found(storage, BY_KIND, "even") == ["k"]


def test_many_do_it_at_once(make: Callable[..., RedisStorage]) -> None:
    _fill(make(BEFORE))
    storages = [make(AFTER) for _ in range(6)]
    counts: list[int] = []
    threads = [
        threading.Thread(target=lambda each=each: counts.append(len(_found(each, BY_KIND, "even"))))
        for each in storages
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [(COUNT + 1) // 2] * 6
