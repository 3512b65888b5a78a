"""The promises of a broker on a message system."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from typing import cast

import pytest

from pynenc.app import Pynenc
from pynenc.broker.base_broker import Message
from pynenc.broker.plain_broker import Incoming, Outgoing, PlainBroker
from pynenc.identifiers.ids import new_id
from pynenc.invocation.status import InvocationStatus
from pynenc.testing.app_fixtures import AppFixtures, MakeApp
from pynenc.testing.promises import PATIENCE_S, check, ends
from pynenc.testing.receiving import all_of, received, some_of, taken_from, together, until

_READY = InvocationStatus.REGISTERED.value
_ODD_QUEUES = ["ünï", "with space", "a.b", "a/b", "a:b", "#", "*", "a>b", "A", "a", "x" * 100, "~high"]
_THREADS, _EACH = 4, 50


class PlainBrokerSuite(AppFixtures):
    """Messages through a message system, while nothing fails; what fails is the business of the core."""

    @pytest.fixture
    def broker(self, app: Pynenc) -> Iterator[PlainBroker]:
        """The broker under test."""
        broker = cast(PlainBroker, app.broker)
        if not isinstance(broker, PlainBroker):
            pytest.skip(f"{type(broker).__name__} is not a PlainBroker")
        yield broker
        broker.close()

    def test_bodies_come_as_they_were_sent(self, broker: PlainBroker) -> None:
        bodies = [b"", bytes(range(256)), b"x" * 2048, "ünï\x00".encode()]
        for body in bodies:
            broker.send([Outgoing("q", body)])
        broker.send([Outgoing("q", body) for body in bodies])
        found = sorted(each.body for each in all_of(broker, ["q"], 8))
        check(
            found == sorted(bodies * 2),
            "a body comes as it was sent, whatever its bytes are, sent alone or with others",
            f"send {len(bodies)} bodies one by one and once more together; receive all",
            found,
            "how `send` and `receive` encode a body",
        )

    def test_each_delivery_has_a_receipt_of_its_own(self, broker: PlainBroker) -> None:
        broker.send([Outgoing("q", b"same"), Outgoing("q", b"same"), Outgoing("p", b"same")])
        found: list[Incoming] = []
        end = time.monotonic() + PATIENCE_S
        while len(found) < 3 and time.monotonic() < end:
            found += received(broker, ["q", "p"], 5, 0.2)
        receipts = [each.receipt for each in found]
        check(
            len(set(receipts)) == len(receipts) == 3 and all(isinstance(each, str) for each in receipts),
            "each delivery has a receipt that no other has, even of equal bodies",
            "send three equal bodies to two queues; receive all",
            receipts,
            "how `receive` makes receipts; a counter will do where there is nothing to confirm",
        )

    def test_earlier_queues_come_first(self, broker: PlainBroker) -> None:
        broker.send([Outgoing("second", b"2"), Outgoing("first", b"1")])
        until(lambda: broker.count("second") != 0 and broker.count("first") != 0)
        found = [each.body for each in all_of(broker, ["first", "second"], 2, limit=1)]
        check(
            found == [b"1", b"2"],
            "what waits in a queue that is named earlier is received first",
            "send to 'second', then to 'first'; receive from first, second with limit 1, twice",
            found,
            "the order in which `receive` looks into the queues",
        )

    def test_a_limit_is_kept_and_the_rest_is_there(self, broker: PlainBroker) -> None:
        broker.send([Outgoing("q", bytes([number])) for number in range(7)])
        first = some_of(broker, ["q"], 3)
        rest = all_of(broker, ["q"], 7 - len(first))
        check(
            0 < len(first) <= 3 and len({each.body for each in first + rest}) == 7,
            "at most `limit` messages are received, and what arrives beyond is received later",
            "send 7; receive with limit 3; receive the rest",
            (first, rest),
            "what `receive` does with messages that have been delivered to this process beyond the limit",
        )

    def test_who_waits_leaves_what_it_does_not_take(self, broker: PlainBroker, make_app: MakeApp) -> None:
        taken: list[Incoming] = []
        thread = threading.Thread(target=lambda: taken.extend(some_of(broker, ["q"], 1)))
        thread.start()
        broker.send([Outgoing("q", bytes([number])) for number in range(5)])
        ends(thread, "a wait ends with a message", "receive in a thread; send 5", "`receive`", broker.wake)
        other = _other(broker, make_app, broker.app_id)
        rest = all_of(other, ["q"], 5 - len(taken))
        other.close()
        check(
            len({each.body for each in taken + rest}) == 5,
            "another process receives what one that waited did not take",
            "receive with limit 1, which waits; send 5; receive the rest with another object",
            (taken, rest),
            "messages that a consumer of the message system has fetched ahead; hand them back when it stops",
        )

    def test_a_confirmed_message_is_gone(self, broker: PlainBroker) -> None:
        broker.send([Outgoing("q", b"a"), Outgoing("q", b"b")])
        found = all_of(broker, ["q"], 2)
        broker.confirm([each.receipt for each in found])
        broker.close()
        again = received(broker, ["q"], 5, 0)
        check(
            again == [],
            "what was confirmed is not received again, also after the connection was closed",
            "send 2; receive; confirm; close; receive",
            again,
            "`confirm`, and whether it reaches the server before the connection is closed",
        )

    def test_odd_receipts_are_ignored(self, broker: PlainBroker) -> None:
        broker.send([Outgoing("q", b"a")])
        (found,) = all_of(broker, ["q"], 1)
        broker.confirm([found.receipt, "", "unknown", "0", "9:9", found.receipt[:-1] + "77"])
        broker.confirm([found.receipt])
        broker.close()
        broker.confirm([found.receipt])
        broker.send([Outgoing("q", b"b")])
        again = [each.body for each in all_of(broker, ["q"], 1)]
        check(
            again == [b"b"],
            "a receipt that is not valid any more is ignored, and everything works as before",
            "send a; receive; confirm it, odd texts, it again, and again after a close; send b; receive",
            again,
            "`confirm` of what is confirmed already, or of a connection that is closed",
        )

    def test_a_queue_that_does_not_exist_is_empty(self, broker: PlainBroker) -> None:
        found = received(broker, ["never-used"], 5, 0)
        broker.clear(["never-cleared"])
        counted = broker.count("never-counted")
        check(
            found == [] and counted in (0, None),
            "a queue that nobody has used is empty, and not an error",
            "receive, clear and count, each of a new queue",
            (found, counted),
            "how queues are made",
        )

    @pytest.mark.parametrize("queue", _ODD_QUEUES)
    def test_a_name_of_a_queue_may_be_any_text(self, broker: PlainBroker, queue: str) -> None:
        broker.send([Outgoing(queue, b"1"), Outgoing(f"{queue}-", b"2"), Outgoing(queue + _LONG, b"3")])
        names = (queue, f"{queue}-", queue + _LONG)
        found = [[each.body for each in all_of(broker, [name], 1)] for name in names]
        check(
            found == [[b"1"], [b"2"], [b"3"]],
            "queues with different names are different queues, whatever text the names are",
            f"send to {queue!r}, to {queue + '-'!r}, and to one with a long name; receive from each",
            found,
            "how names of queues are made names of the message system",
        )

    def test_a_wait_ends_with_a_message(self, broker: PlainBroker) -> None:
        taken: list[Incoming] = []
        thread = threading.Thread(target=lambda: taken.extend(broker.receive(["a", "b"], 1, 10 * PATIENCE_S)))
        thread.start()
        broker.send([Outgoing("b", b"x")])
        ends(
            thread,
            "who waits in `receive` gets a message as soon as it is sent",
            "receive from a, b in a thread; send to b",
            "how `receive` waits",
            broker.wake,
        )
        assert [each.body for each in taken] == [b"x"]

    def test_a_wait_ends_after_its_time(self, broker: PlainBroker) -> None:
        began = time.monotonic()
        found = received(broker, ["q"], 1, 0.2)
        took_s = time.monotonic() - began
        check(
            found == [] and took_s < PATIENCE_S,
            "a wait for nothing ends after `timeout_s`",
            "receive from an empty queue for 0.2 s",
            (found, f"{took_s:.1f} s"),
            "how `receive` bounds its wait",
        )

    def test_an_interrupt_ends_a_take(self, broker: PlainBroker) -> None:
        thread = threading.Thread(target=lambda: broker.take(["q"], 1, None))
        thread.start()
        end = time.monotonic() + PATIENCE_S
        while thread.is_alive() and time.monotonic() < end:
            broker.interrupt()
            thread.join(0.05)
        check(
            not thread.is_alive(),
            "a take that waits ends within seconds of an interrupt",
            "take without a bound in a thread; interrupt",
            "it still waits",
            "`longest_wait_s`, which has to be short unless `wake` works",
        )

    def test_apps_are_kept_apart(self, broker: PlainBroker, make_app: MakeApp) -> None:
        other = _other(broker, make_app, f"kit-{new_id()}")
        broker.send([Outgoing("q", b"ours")])
        other.send([Outgoing("q", b"theirs")])
        other.clear(["q"])
        found = [each.body for each in all_of(broker, ["q"], 1)] + received(broker, ["q"], 5, 0)
        other.close()
        check(
            found == [b"ours"],
            "queues of the same name of two apps are different queues",
            "send as two apps; clear as the other; receive as the first",
            found,
            "whether `self.app_id` is part of the name of a queue",
        )

    def test_cleared_messages_are_gone(self, broker: PlainBroker) -> None:
        broker.send([Outgoing("q", b"a"), Outgoing("kept", b"b")])
        broker.clear(["q"])
        found = [each.body for each in [*received(broker, ["q"], 5, 0), *all_of(broker, ["kept"], 1)]]
        check(
            found == [b"b"],
            "clearing a queue deletes its messages, and no others",
            "send to q and kept; clear q; receive from both",
            found,
            "`clear`",
        )

    def test_a_count_tells_about_how_many_wait(self, broker: PlainBroker) -> None:
        if broker.count("q") is None:
            pytest.skip("this broker cannot count")
        broker.send([Outgoing("q", bytes([number])) for number in range(5)])
        until(lambda: broker.count("q") == 5)
        broker.confirm([each.receipt for each in all_of(broker, ["q"], 5)])
        until(lambda: broker.count("q") == 0)
        check(
            broker.count("q") == 0,
            "an empty queue is soon counted as empty",
            "send 5; receive and confirm all; count",
            broker.count("q"),
            "`count`, which counts what can be received; return None if that cannot be told",
        )

    def test_threads_share_a_broker(self, broker: PlainBroker) -> None:
        wanted = {f"{thread}-{number}".encode() for thread in range(_THREADS) for number in range(_EACH)}
        found: list[bytes] = []
        errors: list[BaseException] = []
        end = time.monotonic() + PATIENCE_S

        def send(thread: int) -> None:
            for number in range(_EACH):
                broker.send([Outgoing("q", f"{thread}-{number}".encode())])

        def receive() -> None:
            while set(found) != wanted and not errors and time.monotonic() < end:
                some = broker.receive(["q"], 7, 0.1)
                found.extend(each.body for each in some)
                broker.confirm([each.receipt for each in some])

        together([*(lambda n=n: send(n) for n in range(_THREADS)), receive, receive], errors)
        check(
            set(found) == wanted and not errors,
            "several threads send, receive and confirm at once",
            f"{_THREADS} threads send {_EACH} each; 2 threads receive and confirm",
            errors or f"{len(wanted - set(found))} are missing",
            "whether connections are used by one thread at a time",
        )

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
    def test_a_fork_does_not_use_the_connections_of_its_parent(self, broker: PlainBroker) -> None:
        broker.send([Outgoing("q", b"before")])
        child = os.fork()
        if child == 0:
            code = 1
            try:
                broker.send([Outgoing("q", b"child")])
                code = 0
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        broker.send([Outgoing("q", b"parent")])
        found = {each.body for each in all_of(broker, ["q"], 3)}
        check(
            status == 0 and found == {b"before", b"child", b"parent"},
            "after a fork, both processes go on, each with connections of its own",
            "send; fork; send in the child and in the parent; receive all",
            (status, found),
            "connections that are kept: compare `os.getpid()` with that of the process that has made them",
        )

    # --- through the core --------------------------------------------------------------

    def test_priorities_are_lanes(self, broker: PlainBroker) -> None:
        if not broker.has_lanes:
            pytest.skip("this broker has no lanes")
        broker.push([_message("low", priority=-1), _message("middle"), _message("high", priority=0.5)])
        until(lambda: broker.backlog("q") in (3, None))
        found = [each.message.invocation_id for each in taken_from(broker, "q", 3, limit=1)]
        check(
            found == ["high", "middle", "low"],
            "priorities above 0 come first, then 0, then those below",
            "push -1, 0 and 0.5; take one by one",
            found,
            "the order in which `receive` looks into the queues",
        )

    def test_delayed_messages_are_not_sent(self, broker: PlainBroker) -> None:
        broker.push([_message("later", not_before=time.time() + 3600), _message("now")])
        found = [each.message.invocation_id for each in taken_from(broker, "q", 1)]
        assert found == ["now"]
        assert broker.take(["q"], 5, 0) == []

    def test_foreign_messages_are_dropped(self, broker: PlainBroker) -> None:
        bodies = [b"", b"{", b"[]", b'{"invocation_id": 1}', b"\xff", b'{"a":' * 5000, b"null"]
        bodies.append(b'{"invocation_id":"i","claim":0,"status":"unheard-of","queue":"q"}')
        for body in bodies:
            broker.send([Outgoing("q", body)])
        broker.push([_message("ours")])
        taken = taken_from(broker, "q", 1, limit=50)
        assert [each.message.invocation_id for each in taken] == ["ours"]
        broker.ack(taken)
        broker.close()
        assert broker.take(["q"], 50, 0) == []

    def test_it_answers(self, broker: PlainBroker) -> None:
        place = broker.ping()
        check(
            place is None or bool(place),
            "`ping` asks the message system, and returns a line about it for people",
            "ping",
            place,
            "`ping`",
        )


_LONG = "-" + "y" * 300


def _message(name: str, priority: float = 0, not_before: float = 0.0) -> Message:
    return Message(name, 0, _READY, "q", priority, not_before)


def _other(broker: PlainBroker, make_app: MakeApp, app_id: str) -> PlainBroker:
    """Return another broker, as another process has it."""
    if app_id == broker.app_id:
        return type(broker)(broker.context)
    return cast(PlainBroker, make_app(app_id).broker)
