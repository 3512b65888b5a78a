"""The promises of a broker while its message system is away, and when it comes back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import pytest

from pynenc.broker.plain_broker import Outgoing, PlainBroker
from pynenc.exceptions import StorageUnavailableError
from pynenc.identifiers.ids import new_id
from pynenc.testing.outage_suite import BOUND_S, all_at_once, not_away, tried, until_it_answers
from pynenc.testing.promises import check

_CALLS: Mapping[str, Callable[[PlainBroker], object]] = {
    "send": lambda broker: broker.send([Outgoing("q", b"1")]),
    "send several": lambda broker: broker.send([Outgoing("q", b"1"), Outgoing("p", b"2")]),
    "receive": lambda broker: broker.receive(["q"], 1, 0),
    "receive and wait": lambda broker: broker.receive(["q"], 1, 1.0),
    "clear": lambda broker: broker.clear(["q"]),
    "count": lambda broker: broker.count("q"),
    "ping": lambda broker: broker.ping(),
}


class BrokerEngine(Protocol):
    """A message system that a test stops and starts."""

    def make_broker(self, app_id: str) -> PlainBroker:
        """Return a broker of an app in it."""

    def stop(self) -> None:
        """End it, as a crash would."""

    def start(self) -> None:
        """Start it again, at the same address."""


class BrokerOutageSuite:
    """Override the fixture `engine`. It is for brokers whose message system is a server."""

    @pytest.fixture
    def engine(self) -> BrokerEngine:
        """Return a message system that has been started, and is ended after the test."""
        raise NotImplementedError("override the fixture 'engine'")

    @pytest.fixture
    def broker(self, engine: BrokerEngine) -> Iterator[PlainBroker]:
        """The broker under test."""
        broker = engine.make_broker(f"kit-{new_id()}")
        yield broker
        broker.close()

    @pytest.mark.timeout(120)
    @pytest.mark.parametrize("was_connected", [True, False])
    def test_every_method_says_that_it_is_away(
        self, engine: BrokerEngine, broker: PlainBroker, was_connected: bool
    ) -> None:
        receipts = []
        if was_connected:
            broker.send([Outgoing("q", b"1")])
            receipts = [each.receipt for each in broker.receive(["q"], 1, BOUND_S)]
        engine.stop()
        found = all_at_once(_CALLS, broker)
        wrong = not_away(found, *_not_asked(broker))
        check(
            not wrong,
            f"every method raises StorageUnavailableError within {BOUND_S:g} s while the server is away",
            f"{'use the broker; ' if was_connected else ''}stop the server; call every method",
            wrong,
            "the timeouts of the client, and where its errors are translated",
        )
        told = tried(lambda broker: broker.confirm(receipts), broker)
        check(
            told is None or isinstance(told, StorageUnavailableError),
            "a message that cannot be confirmed may come again, and nothing else is wrong",
            "receive; stop the server; confirm",
            told,
            "`confirm` of what was received on a connection that has broken",
        )

    @pytest.mark.timeout(120)
    def test_a_server_that_hangs_counts_as_away(self, engine: BrokerEngine, broker: PlainBroker) -> None:
        """Let the server accept connections and answer nothing."""
        pause, resume = getattr(engine, "pause", None), getattr(engine, "resume", None)
        if pause is None or resume is None:
            pytest.skip("the fixture 'engine' cannot let it hang: it has no 'pause' and 'resume'")
        broker.send([Outgoing("q", b"1")])
        pause()
        try:
            found = all_at_once(_CALLS, broker)
        finally:
            resume()
        # A wait for messages ends with none, which is no answer either.
        wrong = not_away(found, *_not_asked(broker))
        if wrong.get("receive and wait") == []:
            del wrong["receive and wait"]
        until_it_answers(lambda: broker.send([Outgoing("q", b"1")]))
        check(
            not wrong,
            f"every method raises StorageUnavailableError within {BOUND_S:g} s while nothing is answered",
            "use the broker; stop the process of the server without ending it; call every method",
            wrong,
            "a timeout for answers, or heartbeats of the connection",
        )

    @pytest.mark.timeout(120)
    def test_everything_works_again_when_it_is_back(self, engine: BrokerEngine, broker: PlainBroker) -> None:
        broker.send([Outgoing("q", b"1")])
        engine.stop()
        all_at_once(_CALLS, broker)
        engine.start()
        until_it_answers(lambda: broker.send([Outgoing("q", b"1")]))
        found = {name: tried(act, broker) for name, act in _CALLS.items()}
        wrong = {name: each for name, each in found.items() if isinstance(each, BaseException)}
        check(
            not wrong,
            "the same broker works again as soon as the server is back",
            "use the broker; stop the server; call every method; start it; call every method",
            wrong,
            "connections that are kept although they are broken",
        )

    @pytest.mark.timeout(120)
    def test_who_waits_gets_what_comes_after_an_outage(
        self, engine: BrokerEngine, broker: PlainBroker
    ) -> None:
        got: list[Any] = []

        def wait() -> None:
            while not got:
                try:
                    got.extend(broker.receive(["q"], 1, BOUND_S))
                except StorageUnavailableError:
                    time.sleep(0.05)

        thread = threading.Thread(target=wait, daemon=True)
        thread.start()
        engine.stop()
        engine.start()
        until_it_answers(lambda: broker.send([Outgoing("q", b"after")]))
        thread.join(BOUND_S)
        check(
            [each.body for each in got] == [b"after"],
            "who waits in `receive` goes on after an outage, or is told of it and can wait again",
            "receive in a thread; stop the server; start it; send",
            got or "nothing, it still waits",
            "how `receive` notices that its connection has broken",
        )


def _not_asked(broker: PlainBroker) -> list[str]:
    """Return the methods that the broker leaves as they are, so that they ask nobody."""
    return [name for name in ("count", "ping") if getattr(type(broker), name) is getattr(PlainBroker, name)]
