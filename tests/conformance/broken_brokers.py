"""Brokers that break one promise of a message system each."""

from __future__ import annotations

import time
from collections.abc import Sequence

from plain_brokers import DequeBroker

from pynenc.broker.plain_broker import Incoming, Outgoing


class IgnoresTheOrderOfQueues(DequeBroker):
    """Looks into the queues by their names' order."""

    def receive(self, queues: Sequence[str], limit: int, timeout_s: float) -> list[Incoming]:
        return super().receive(sorted(queues, reverse=True), limit, timeout_s)


class IgnoresTheLimit(DequeBroker):
    """Gives all that is there."""

    def receive(self, queues: Sequence[str], limit: int, timeout_s: float) -> list[Incoming]:
        return super().receive(queues, 1000, timeout_s)


class DropsBeyondTheLimit(DequeBroker):
    """Fetches more than it gives, and forgets the rest."""

    def receive(self, queues: Sequence[str], limit: int, timeout_s: float) -> list[Incoming]:
        return super().receive(queues, 1000, timeout_s)[:limit]


class ForgetsToConfirm(DequeBroker):
    """Does not tell the message system."""

    def confirm(self, receipts: Sequence[str]) -> None:
        pass


class RefusesOddReceipts(DequeBroker):
    """Raises for what it does not know."""

    def confirm(self, receipts: Sequence[str]) -> None:
        for receipt in receipts:
            del self.taken[receipt]


class RepeatsReceipts(DequeBroker):
    """Has nothing to confirm, and gives every delivery the same receipt."""

    def receive(self, queues: Sequence[str], limit: int, timeout_s: float) -> list[Incoming]:
        return [Incoming(each.body, "") for each in super().receive(queues, limit, timeout_s)]


class RefusesUnknownQueues(DequeBroker):
    """Raises for a queue that was never used."""

    def receive(self, queues: Sequence[str], limit: int, timeout_s: float) -> list[Incoming]:
        for queue in queues:
            if queue.startswith("never"):
                raise KeyError(queue)
        return super().receive(queues, limit, timeout_s)


class CutsNames(DequeBroker):
    """Takes the first hundred characters of a name."""

    def put(self, message: Outgoing) -> None:
        super().put(Outgoing(message.queue[:100], message.body))

    def receive(self, queues: Sequence[str], limit: int, timeout_s: float) -> list[Incoming]:
        return super().receive([queue[:100] for queue in queues], limit, timeout_s)


class CutsBodiesAtNul(DequeBroker):
    """Stores texts that end with a NUL."""

    def put(self, message: Outgoing) -> None:
        super().put(Outgoing(message.queue, message.body.partition(b"\x00")[0]))


class WaitsForEver(DequeBroker):
    """Waits longer than it was told."""

    def receive(self, queues: Sequence[str], limit: int, timeout_s: float) -> list[Incoming]:
        return super().receive(queues, limit, timeout_s * 300)


class WakesNobody(DequeBroker):
    """Looks rarely, and is deaf while it waits."""

    def receive(self, queues: Sequence[str], limit: int, timeout_s: float) -> list[Incoming]:
        time.sleep(min(timeout_s, 20.0))
        return super().receive(queues, limit, 0)

    def wake(self) -> None:
        pass


class ClearsEverything(DequeBroker):
    """Clears all queues when one is named."""

    def clear(self, queues: Sequence[str]) -> None:
        with self.changed:
            self.queued.clear()


class CountsWhatIsTaken(DequeBroker):
    """Counts messages that were delivered and not what waits."""

    def count(self, queue: str) -> int:
        return self.received


BROKEN: dict[type[DequeBroker], tuple[str, str]] = {
    IgnoresTheOrderOfQueues: (
        "earlier_queues",
        "what waits in a queue that is named earlier is received first",
    ),
    IgnoresTheLimit: ("a_limit_is", "at most `limit` messages are received"),
    DropsBeyondTheLimit: ("a_limit_is", "at most `limit` messages are received"),
    ForgetsToConfirm: ("confirmed_message", "what was confirmed is not received again"),
    RefusesOddReceipts: ("odd_receipts", "test_odd_receipts_are_ignored"),
    RepeatsReceipts: ("receipt_of_its_own", "each delivery has a receipt that no other has"),
    RefusesUnknownQueues: ("does_not_exist", "test_a_queue_that_does_not_exist_is_empty"),
    CutsNames: ("may_be_any_text", "queues with different names are different queues"),
    CutsBodiesAtNul: ("bodies_come", "a body comes as it was sent"),
    WaitsForEver: ("ends_after_its_time", "a wait for nothing ends after `timeout_s`"),
    WakesNobody: ("ends_with_a_message", "who waits in `receive` gets a message as soon as it is sent"),
    ClearsEverything: ("cleared_messages", "clearing a queue deletes its messages, and no others"),
    CountsWhatIsTaken: ("count_tells", "an empty queue is soon counted as empty"),
}
"""The brokers, which test of the kit catches them, and what it says."""
