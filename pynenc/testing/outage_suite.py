"""The promises of a storage driver while its engine is away, and when it comes back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

import pytest

from pynenc.exceptions import StorageUnavailableError
from pynenc.identifiers.ids import new_id
from pynenc.storage.base_storage import Storage
from pynenc.storage.operations import Delete, Insert, Patch, Query, QueueItem
from pynenc.testing.promises import check
from pynenc.testing.storage_fixtures import BY_KIND, TABLE

T = TypeVar("T")
C = TypeVar("C")
BOUND_S = 30.0
"""The longest that a method may take to say that the engine is away, and a driver to find it again."""

_PAUSE_S = 0.05
_LEASE_S = 60.0
_CALLS: Mapping[str, Callable[[Storage], object]] = {
    "insert": lambda storage: storage.write([Insert(TABLE, "other", {"kind": "a", "at": 1.0})]),
    "patch": lambda storage: storage.write([Patch(TABLE, "k", {"value": 1}, {"value": 0})]),
    "delete": lambda storage: storage.write([Delete(TABLE, "k", {"value": 7})]),
    "read": lambda storage: storage.read(TABLE, ["k"]),
    "find": lambda storage: storage.find(Query(TABLE, BY_KIND, ("a",)), 5),
    "count": lambda storage: storage.count(Query(TABLE, BY_KIND, ("a",))),
    "count_many": lambda storage: storage.count_many([Query(TABLE, BY_KIND, ("a",))], 5),
    "push": lambda storage: storage.push("q", [QueueItem("i")]),
    "take": lambda storage: storage.take(["q"], 1, _LEASE_S, time.time()),
    "ack": lambda storage: storage.ack(["i"]),
    "queue_depth": lambda storage: storage.queue_depth(["q"], time.time()),
    "queue_names": lambda storage: storage.queue_names(),
    "notify": lambda storage: storage.notify(["a"]),
    "blob_put": lambda storage: storage.blob_put({"b": b"1"}),
    "blob_get": lambda storage: storage.blob_get(["b"]),
    "blob_delete": lambda storage: storage.blob_delete(["b"]),
    "ping": lambda storage: storage.ping(),
    "purge": lambda storage: storage.purge(tables=[TABLE], queues=True, blobs=True),
}


class Engine(Protocol):
    """An engine that a test stops and starts. What it has stored outlives that.

    If it also has `pause` and `resume`, which let it hang without ending it, such as by SIGSTOP and SIGCONT,
    that is tried as well.
    """

    def make_storage(self, app_id: str) -> Storage:
        """Return a storage of an app in it."""

    def stop(self) -> None:
        """End it, as a crash would."""

    def start(self) -> None:
        """Start it again, at the same address."""


class OutageSuite:
    """Override the fixture `engine`. It is for drivers whose engine is a server."""

    @pytest.fixture
    def engine(self) -> Engine:
        """Return an engine that has been started, and is ended after the test."""
        raise NotImplementedError("override the fixture 'engine'")

    @pytest.mark.parametrize("was_connected", [True, False])
    def test_every_method_says_that_the_engine_is_away(self, engine: Engine, was_connected: bool) -> None:
        storage = _made(engine)
        if was_connected:
            storage.write([Insert(TABLE, "k", {"kind": "a", "at": 1.0, "value": 0})])
        engine.stop()
        found = all_at_once(_CALLS, storage)
        wrong = not_away(found, "notify")
        storage.close()
        check(
            not wrong,
            f"every method raises StorageUnavailableError within {BOUND_S:g} s while the engine is away",
            f"{'use the storage; ' if was_connected else ''}stop the engine; call every method",
            wrong,
            "the timeouts of the client, and where its errors are translated",
        )

    @pytest.mark.timeout(120)
    def test_an_engine_that_hangs_counts_as_away(self, engine: Engine) -> None:
        """Let the engine accept connections and answer nothing."""
        pause, resume = getattr(engine, "pause", None), getattr(engine, "resume", None)
        if pause is None or resume is None:
            pytest.skip("the fixture 'engine' cannot let it hang: it has no 'pause' and 'resume'")
        storage = _made(engine)
        storage.write([Insert(TABLE, "k", {"kind": "a", "at": 1.0, "value": 0})])
        pause()
        try:
            found = all_at_once(_CALLS, storage)
        finally:
            resume()
        wrong = not_away(found, "notify")
        until_it_answers(storage.ping)
        storage.close()
        check(
            not wrong,
            f"every method raises StorageUnavailableError within {BOUND_S:g} s while nothing is answered",
            "use the storage; stop the process of the engine without ending it; call every method",
            wrong,
            "a timeout for answers, which many clients do not have by default",
        )

    def test_everything_works_again_when_the_engine_is_back(self, engine: Engine) -> None:
        storage = _made(engine)
        storage.write([Insert(TABLE, "k", {"kind": "a", "at": 1.0, "value": 0})])
        engine.stop()
        all_at_once(_CALLS, storage)
        engine.start()
        until_it_answers(storage.ping)
        found = {name: tried(act, storage) for name, act in _CALLS.items()}
        wrong = {name: each for name, each in found.items() if isinstance(each, BaseException)}
        storage.close()
        check(
            not wrong,
            "the same storage works again as soon as the engine is back",
            "use the storage; stop the engine; call every method; start the engine; call every method",
            wrong,
            "connections that are kept although they are broken",
        )

    def test_who_blocks_in_a_take_gets_what_comes_after_an_outage(self, engine: Engine) -> None:
        storage, got = _made(engine), list[str]()

        def wait() -> None:
            while not got:
                try:
                    got.extend(item.item_id for _, item in storage.blocking.pop(["q"], 1, _LEASE_S, BOUND_S))
                except StorageUnavailableError:
                    time.sleep(_PAUSE_S)

        thread = threading.Thread(target=wait, daemon=True)
        thread.start()
        engine.stop()
        engine.start()
        until_it_answers(lambda: storage.push("q", [QueueItem("after")]))
        thread.join(BOUND_S)
        check(
            got == ["after"],
            "who blocks in a take goes on after an outage, or is told of it and can block again",
            "block in a take; stop the engine; start it; push",
            got or "nothing, it still blocks",
            "whether the subscription of a blocked take listens again on a new connection",
        )
        storage.close()

    def test_a_subscription_hears_again_after_an_outage(self, engine: Engine) -> None:
        storage, heard = _made(engine), frozenset[str]()
        with storage.subscribe(["a"]) as subscription:
            engine.stop()
            engine.start()
            until = time.monotonic() + BOUND_S
            while "a" not in heard and time.monotonic() < until:
                until_it_answers(lambda: storage.notify(["a"]))
                heard = subscription.wait(0.2)
        check(
            heard == {"a"},
            "a subscription goes on by itself after an outage",
            "subscribe; stop the engine; start it; notify until it is heard",
            heard,
            "whether the listener connects and subscribes again",
        )
        storage.close()

    def test_nothing_is_applied_twice_and_nothing_that_was_told_is_lost(self, engine: Engine) -> None:
        """Count up by compare and set while the engine goes and comes."""
        storage = _made(engine)
        storage.write([Insert(TABLE, "k", {"value": 0})])
        told, unknown, over = 0, 0, threading.Event()

        def count_up() -> None:
            nonlocal told, unknown
            while not over.is_set():
                try:
                    (record,) = storage.read(TABLE, ["k"])
                    value = record["value"] if record is not None else None
                    assert isinstance(value, int)
                except StorageUnavailableError:
                    time.sleep(_PAUSE_S)
                    continue
                patch = Patch(TABLE, "k", {"value": value + 1}, {"value": value}, {"log": str(value)})
                try:
                    reply = storage.write([patch])[0]
                except StorageUnavailableError:
                    unknown += 1
                else:  # nobody else writes: what was refused for its own value was sent twice, and is done
                    told += reply.applied or reply.current == {"value": value + 1}

        thread = threading.Thread(target=count_up, daemon=True)
        thread.start()
        for _ in range(2):
            before, until = told, time.monotonic() + BOUND_S
            while told < before + 20 and time.monotonic() < until:
                time.sleep(_PAUSE_S)
            engine.stop()
            engine.start()
        until_it_answers(storage.ping)
        over.set()
        thread.join(BOUND_S)
        (record,) = storage.read(TABLE, ["k"])
        value = record["value"] if record is not None else None
        log = record["log"] if record is not None else None
        check(
            isinstance(value, int)
            and told <= value <= told + unknown
            and log == tuple(str(each) for each in range(value)),
            "a write of which nobody knows is applied once or not at all, and what was told to be applied is",
            "compare and set with an appended entry, again and again, while the engine is killed twice",
            {"told": told, "unknown": unknown, "value": value, "log": log},
            "whether the client repeats writes by itself, and whether the engine keeps what it has confirmed",
        )
        storage.close()


def _made(engine: Engine) -> Storage:
    storage = engine.make_storage(f"kit-{new_id()}")
    storage.declare([TABLE])
    return storage


def tried(act: Callable[[C], object], component: C) -> Any:
    """Return what a call gives or raises."""
    try:
        return act(component)
    except BaseException as error:  # noqa: BLE001 - which one is what is looked at
        return error


def all_at_once(calls: Mapping[str, Callable[[C], object]], component: C) -> dict[str, Any]:
    """Return what each call gives or raises, all made at the same time."""
    found: dict[str, Any] = dict.fromkeys(calls, f"no answer within {BOUND_S:g} s")

    def call(name: str) -> None:
        found[name] = tried(calls[name], component)

    threads = [threading.Thread(target=call, args=(name,), daemon=True) for name in calls]
    for thread in threads:
        thread.start()
    until = time.monotonic() + BOUND_S
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    return dict(found)


def not_away(found: Mapping[str, Any], *may_be_silent: str) -> dict[str, Any]:
    """Return what calls have given that do not say that the engine is away.

    Args:
        found: What each call gave or raised.
        may_be_silent: The calls that may return None as well, such as a wake-up, which may be lost.
    """
    return {
        name: each
        for name, each in found.items()
        if not isinstance(each, StorageUnavailableError) and not (name in may_be_silent and each is None)
    }


def until_it_answers(act: Callable[[], T]) -> T:
    """Return what a call gives, tried until the engine is found again."""
    until = time.monotonic() + BOUND_S
    while True:
        try:
            return act()
        except StorageUnavailableError:
            if time.monotonic() > until:
                raise
            time.sleep(_PAUSE_S)
