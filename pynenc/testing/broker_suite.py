"""The promises of a broker."""

from __future__ import annotations

import threading

import pytest

from pynenc.app import Pynenc
from pynenc.broker.base_broker import Message
from pynenc.invocation.status import InvocationStatus
from pynenc.storage.group import Group
from pynenc.testing.app_fixtures import AppFixtures

_READY = InvocationStatus.REGISTERED.value


def _message(
    name: str, claim: int = 0, queue: str = "q", priority: float = 0, not_before: float = 0.0
) -> Message:
    return Message(name, claim, _READY, queue, priority, not_before)


class BrokerSuite(AppFixtures):
    """Messages of an exact broker: delivered, acknowledged, ordered, and never lost."""

    @pytest.fixture
    def exact(self, app: Pynenc) -> Pynenc:
        """The app, if its broker promises to be exact."""
        if not app.broker.is_exact:
            pytest.skip(f"{type(app.broker).__name__} is not exact; PlainBrokerSuite is for such brokers")
        return app

    def test_a_message_comes_as_it_was_sent(self, exact: Pynenc) -> None:
        exact.broker.push([_message("a", claim=7, priority=2)])
        (delivery,) = exact.broker.take(["q"], 5, 0)
        message = delivery.message
        assert (message.invocation_id, message.claim, message.status) == ("a", 7, _READY)
        assert (message.queue, message.priority) == ("q", 2)

    def test_the_best_come_first(self, exact: Pynenc) -> None:
        exact.broker.push([_message("a"), _message("b", priority=1), _message("c", queue="first")])
        deliveries = exact.broker.take(["first", "q"], 5, 0)
        assert [each.message.invocation_id for each in deliveries] == ["c", "b", "a"]

    def test_one_life_stretch_has_one_message(self, exact: Pynenc) -> None:
        exact.broker.push([_message("a"), _message("a")])
        exact.broker.push([_message("a"), _message("a", claim=1)])
        deliveries = exact.broker.take(["q"], 5, 0)
        assert [each.message.claim for each in deliveries] == [0, 1]

    def test_acknowledged_messages_are_gone(self, exact: Pynenc) -> None:
        exact.broker.push([_message("a"), _message("b")])
        deliveries = exact.broker.take(["q"], 1, 0)
        exact.broker.ack(deliveries)
        assert [each.message.invocation_id for each in exact.broker.take(["q"], 5, 0)] == ["b"]
        depth = exact.broker.depth(["q"])["q"]
        assert (depth.ready, depth.waiting) == (0, 1)

    def test_nothing_comes_before_its_time(self, exact: Pynenc) -> None:
        exact.broker.push([_message("later", not_before=exact.orchestrator.now() + 3600), _message("now")])
        assert [each.message.invocation_id for each in exact.broker.take(["q"], 5, 0)] == ["now"]

    def test_a_blocked_take_is_woken(self, exact: Pynenc) -> None:
        taken: list[str] = []

        def take() -> None:
            taken.extend(each.message.invocation_id for each in exact.broker.take(["q"], 1, None))

        thread = threading.Thread(target=take)
        thread.start()
        exact.broker.push([_message("a")])
        thread.join()
        assert taken == ["a"]

    def test_steps_of_a_group_do_the_same(self, exact: Pynenc) -> None:
        group = Group()
        exact.broker.stage_push(group, [_message("a"), _message("b")])
        assert exact.broker.take(["q"], 5, 0) == []
        group.send()
        deliveries = exact.broker.take(["q"], 5, 0)
        exact.broker.stage_ack(group, deliveries)
        group.send()
        assert exact.broker.queues() == []

    def test_a_purge_takes_messages_and_nothing_else(self, exact: Pynenc) -> None:
        exact.broker.push([_message("a")])
        exact.client_data_store.put({"blob": b"1"})
        exact.broker.purge()
        assert exact.broker.queues() == []
        assert exact.client_data_store.get(["blob"]) == [b"1"]
