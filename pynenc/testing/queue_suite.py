"""The promises of a storage driver about queues."""

from __future__ import annotations

import threading
import time

import pytest

from pynenc.storage import blocking_take
from pynenc.storage.base_storage import Storage
from pynenc.storage.blocking_take import queue_channel
from pynenc.storage.operations import QueueDepth, QueuedItem, QueueItem
from pynenc.testing.promises import PATIENCE_S, check, ends
from pynenc.testing.storage_fixtures import MakeStorage, StorageFixtures, in_processes

_LEASE_S = 60.0
_WOKEN = "who blocks in a take is woken by a push, and by an interrupt"
_WAKING = "`subscribe`, which must listen when it returns, and how `Push` and `Notify` tell other processes"


def _take_all(make_storage: MakeStorage, app_id: str, number: int) -> None:
    """Move every item of one queue to a queue that tells who took it."""
    storage = make_storage(app_id)
    while taken := storage.take(["work"], 7, _LEASE_S, storage.now()).items:
        storage.push(f"done-{number}", [QueueItem(f"done-{item.item_id}") for _, item in taken])
        storage.ack([item.item_id for _, item in taken])
    storage.close()


class QueueSuite(StorageFixtures):
    """Queues: order, leases, not-before times, blocking."""

    @pytest.fixture
    def no_timed_looks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Make timed looks so rare that only a wake-up ends a wait."""
        monkeypatch.setattr(blocking_take, "FIRST_LOOK_S", 3600.0)
        monkeypatch.setattr(blocking_take, "LAST_LOOK_S", 3600.0)

    def test_items_come_by_priority_then_age(self, storage: Storage) -> None:
        storage.push("q", [QueueItem("old"), QueueItem("high", priority=5), QueueItem("low", priority=-5)])
        storage.push("q", [QueueItem("new"), QueueItem("high2", priority=5)])
        assert _ids(storage, ["q"], 10) == ["high", "high2", "old", "new", "low"]

    def test_an_item_tells_its_place_in_the_queue(self, storage: Storage) -> None:
        """Tell where an item stands, if the driver can."""
        storage.push("q", [QueueItem("old"), QueueItem("high", priority=5), QueueItem("low", priority=-5)])
        storage.push(
            "q", [QueueItem("new"), QueueItem("due", not_before=1.0), QueueItem("later", not_before=4e9)]
        )
        storage.push("other", [QueueItem("alone", priority=0.5)])
        try:
            places = storage.find_items(
                ["low", "old", "high", "new", "later", "alone", "absent"], 100, storage.now()
            )
        except NotImplementedError:
            pytest.skip("the driver does not tell where items stand")
        low, old, high, new, later, alone, absent = places
        assert (old, new) == (QueuedItem("q", 0, 0.0, 1, 1), QueuedItem("q", 0, 0.0, 2, 1))
        assert (high, alone) == (QueuedItem("q", 5, 0.0, 0, 0), QueuedItem("other", 0.5, 0.0, 0, 0))
        assert absent is None
        assert low is not None
        assert low.before in (3, 4)  # an item that has just become due may be counted or not
        assert low.before_by_priority == low.before
        assert later is not None
        assert (later.held_until, later.before_by_priority) == (4e9, 1)
        assert _ids(storage, ["q"], 1) == ["high"]
        (taken, old) = storage.find_items(["high", "old"], 100, storage.now())
        assert taken is not None
        assert taken.held_until > storage.now()
        assert old == QueuedItem("q", 0, 0.0, 0, 0)

    def test_a_priority_may_lie_between_two_whole_numbers(self, storage: Storage) -> None:
        priorities = (0, 0.5, 1, -0.5, 0.25, 2**53, -(2**53), 0.1 + 0.2)
        storage.push("q", [QueueItem(repr(each), priority=each) for each in priorities])
        taken = [item for _, item in storage.take(["q"], 10, _LEASE_S, storage.now()).items]
        assert [item.priority for item in taken] == sorted(priorities, reverse=True)
        assert [item.item_id for item in taken] == [repr(item) for item in sorted(priorities, reverse=True)]

    def test_earlier_queues_go_first(self, storage: Storage) -> None:
        storage.push("second", [QueueItem("b", priority=9)])
        storage.push("first", [QueueItem("a")])
        taken = storage.take(["first", "second"], 10, _LEASE_S, storage.now()).items
        assert [(queue, item.item_id) for queue, item in taken] == [("first", "a"), ("second", "b")]

    def test_a_take_keeps_to_its_limit(self, storage: Storage) -> None:
        storage.push("q", [QueueItem(f"i{at}") for at in range(5)])
        assert _ids(storage, ["q"], 2) == ["i0", "i1"]
        assert _ids(storage, ["q"], 2) == ["i2", "i3"]
        assert _ids(storage, ["q"], 2) == ["i4"]
        assert _ids(storage, ["q"], 2) == []

    def test_items_bring_their_payload_and_priority(self, storage: Storage) -> None:
        storage.push("q", [QueueItem("i", "päy\nload", 3)])
        ((_, item),) = storage.take(["q"], 1, _LEASE_S, storage.now()).items
        assert (item.payload, item.priority) == ("päy\nload", 3)

    def test_pushing_what_is_queued_does_nothing(self, storage: Storage) -> None:
        storage.push("q", [QueueItem("i", "first"), QueueItem("i", "second")])
        storage.push("q", [QueueItem("i", "third")])
        ((_, item),) = storage.take(["q"], 5, _LEASE_S, storage.now()).items
        assert item.payload == "first"
        storage.push("q", [QueueItem("i", "while taken")])
        assert _ids(storage, ["q"], 5) == []

    def test_what_was_acknowledged_can_be_pushed_again(self, storage: Storage) -> None:
        storage.push("q", [QueueItem("i")])
        assert _ids(storage, ["q"], 1) == ["i"]
        storage.ack(["i", "unknown"])
        storage.push("q", [QueueItem("i")])
        assert _ids(storage, ["q"], 1) == ["i"]

    def test_what_is_not_acknowledged_comes_back(self, storage: Storage) -> None:
        storage.push("q", [QueueItem("kept", priority=1), QueueItem("lost")])
        assert len(storage.take(["q"], 2, 0.05, storage.now()).items) == 2
        storage.ack(["kept"])
        items = storage.blocking.pop(["q"], 2, _LEASE_S, PATIENCE_S)
        assert [item.item_id for _, item in items] == ["lost"]

    def test_nothing_is_taken_before_its_time(self, storage: Storage) -> None:
        now = storage.now()
        items = [QueueItem("far", not_before=now + 3600), QueueItem("soon", not_before=now + 0.05)]
        storage.push("q", items)
        taken = storage.take(["q"], 5, _LEASE_S, storage.now())
        assert taken.items == ()
        assert taken.next_due is not None
        soon = storage.blocking.pop(["q"], 5, _LEASE_S, PATIENCE_S)
        assert [item.item_id for _, item in soon] == ["soon"]
        assert storage.now() >= now + 0.05

    def test_depth_tells_ready_from_waiting(self, storage: Storage) -> None:
        storage.push("q", [QueueItem("a"), QueueItem("b"), QueueItem("c", not_before=storage.now() + 3600)])
        assert storage.queue_depth(["q", "empty"], storage.now()) == {
            "q": QueueDepth(2, 1),
            "empty": QueueDepth(0, 0),
        }
        storage.take(["q"], 1, _LEASE_S, storage.now())
        assert storage.queue_depth(["q"], storage.now()) == {"q": QueueDepth(1, 2)}
        assert storage.queue_names() == ["q"]

    # --- the time is the caller's ------------------------------------------------------

    def test_what_is_due_is_decided_by_the_time_that_is_given(self, storage: Storage) -> None:
        start = storage.now()
        storage.push("q", [QueueItem("later", not_before=start + 1000)])
        early = storage.take(["q"], 1, _LEASE_S, start + 999)
        depths = [storage.queue_depth(["q"], start + after)["q"] for after in (999, 1001)]
        late = storage.take(["q"], 1, _LEASE_S, start + 1001)
        check(
            (early.items, len(late.items), depths) == ((), 1, [QueueDepth(0, 1), QueueDepth(1, 0)]),
            "`now` alone decides what is due; neither the clock of the engine nor that of the machine does",
            "push an item for 1000 s from now; take and ask for the depth as of 999 s and 1001 s from now",
            (early, late, depths),
            "comparisons with a clock in `take` and `queue_depth`",
        )

    def test_a_lease_counts_from_the_time_that_is_given(self, storage: Storage) -> None:
        start = storage.now() + 5000
        storage.push("q", [QueueItem("i")])
        taken = [storage.take(["q"], 1, 10.0, start + after) for after in (0.0, 9.5, 10.5, 11.0)]
        check(
            [len(each.items) for each in taken] == [1, 0, 1, 0],
            "a taken item is held for exactly its lease, and then it is there again",
            "push; take with a lease of 10 s at 0 s; take again at 9.5, 10.5 and 11 s",
            taken,
            "how the end of a lease is computed, and that a later take has a lease of its own",
        )
        due = taken[1].next_due
        check(
            due is not None and abs(due - (start + 10.0)) < 0.01,
            "`next_due` says when something will be there, also for what is leased",
            "push; take with a lease of 10 s; take when nothing is ready",
            due,
            "`next_due` of a `take` that finds nothing",
        )

    def test_next_due_is_the_earliest(self, storage: Storage) -> None:
        start = storage.now()
        storage.push("q", [QueueItem("far", not_before=start + 900)])
        storage.push("other", [QueueItem("near", not_before=start + 100)])
        due = storage.take(["q", "other"], 1, _LEASE_S, start).next_due
        check(
            due is not None and abs(due - (start + 100)) < 0.01,
            "`next_due` is the earliest time at which one of the asked queues has something",
            "push one item for 900 s and one for 100 s from now into two queues; take from both",
            due,
            "`next_due` where several queues are asked",
        )

    def test_the_best_comes_first_where_the_limit_bites(self, storage: Storage) -> None:
        start = storage.now()
        storage.push("q", [QueueItem(f"old{at}") for at in range(5)])
        storage.push(
            "q", [QueueItem("due", priority=9, not_before=start + 50), QueueItem("high", priority=7)]
        )
        found = [
            [item.item_id for _, item in storage.take(["q"], 1, _LEASE_S, start + after).items]
            for after in (0, 51, 52)
        ]
        check(
            found == [["high"], ["due"], ["old0"]],
            "of all that is ready a take gives the best, by priority and then by age, however few it gives",
            "push 5 items, one of priority 9 for 50 s from now, one of priority 7; take 1, three times",
            found,
            "whether items are sorted after the limit, and whether what becomes due is sorted in",
        )

    def test_an_item_is_queued_once_in_an_app(self, storage: Storage) -> None:
        storage.push("q", [QueueItem("i", "first")])
        storage.push("other", [QueueItem("i", "second")])
        found = [item.payload for _, item in storage.take(["q", "other"], 5, _LEASE_S, storage.now()).items]
        again = storage.take(["q", "other"], 5, _LEASE_S, storage.now() + 2 * _LEASE_S).items
        check(
            (found, len(again)) == (["first"], 1),
            "an item that is queued, or taken and not acknowledged, is not queued a second time",
            "push an item, push one with its id into another queue, take both, take after the lease",
            (found, again),
            "the de-duplication by id, which is that of the app and not of a queue",
        )

    def test_a_push_notifies_its_queue_when_it_can_be_taken(self, storage: Storage) -> None:
        for at in range(30):
            taken: list[int] = []

            def take(taken: list[int] = taken) -> None:
                taken.append(len(storage.take(["q"], 1, _LEASE_S, storage.now()).items))

            with storage.subscribe([queue_channel("q")]) as subscription:
                pushing = threading.Thread(target=storage.push, args=("q", [QueueItem(f"i{at}")]))
                pushing.start()
                heard = subscription.wait(PATIENCE_S)
                take()
                pushing.join()
            check(
                (set(heard), taken) == ({queue_channel("q")}, [1]),
                "a push notifies `queue_channel(queue)`, the channel of its queue, once it can be taken",
                "subscribe to the channel, push from another thread, take as soon as the channel is heard",
                (heard, taken),
                "whether the notification goes out before the write is visible, or on another channel",
            )

    # --- blocking ----------------------------------------------------------------------

    def test_pop_ends_with_its_time(self, storage: Storage) -> None:
        assert storage.blocking.pop(["q"], 1, _LEASE_S, 0) == ()
        assert storage.blocking.pop(["q"], 1, _LEASE_S, 0.02) == ()

    def test_a_push_wakes_who_is_blocked(self, storage: Storage, no_timed_looks: None) -> None:
        taken: list[str] = []

        def wait() -> None:
            for _ in range(3):
                for _, item in storage.blocking.pop(["other", "q"], 1, _LEASE_S, None):
                    taken.append(item.item_id)
                    storage.ack([item.item_id])
                    done.release()

        done = threading.Semaphore(0)
        thread = threading.Thread(target=wait, daemon=True)
        thread.start()
        for at in range(3):
            storage.push("q", [QueueItem(f"i{at}")])
            is_woken = done.acquire(timeout=PATIENCE_S)
            check(is_woken, _WOKEN, "take and block; push from another thread", taken, _WAKING)
        ends(thread, _WOKEN, "take and block; push", _WAKING, storage.blocking.interrupt)
        assert taken == ["i0", "i1", "i2"]

    def test_who_waits_after_a_close_is_woken_as_well(self, storage: Storage, no_timed_looks: None) -> None:
        for name in ("before", "after"):
            thread = threading.Thread(
                target=lambda: storage.blocking.pop(["q"], 1, _LEASE_S, None), daemon=True
            )
            thread.start()
            storage.push("q", [QueueItem(name)])
            ends(thread, _WOKEN, f"take and block; push {name} a close", _WAKING, storage.blocking.interrupt)
            storage.ack([name])
            storage.close()

    def test_an_interrupt_ends_a_blocked_pop(self, storage: Storage, no_timed_looks: None) -> None:
        ended = threading.Event()

        def wait() -> None:
            assert storage.blocking.pop(["q"], 1, _LEASE_S, None) == ()
            ended.set()

        thread = threading.Thread(target=wait, daemon=True)
        thread.start()
        deadline = time.monotonic() + PATIENCE_S
        while not ended.wait(0.01) and time.monotonic() < deadline:
            storage.blocking.interrupt()
        ends(
            thread, _WOKEN, "take and block; interrupt", _WAKING, lambda: storage.push("q", [QueueItem("i")])
        )

    def test_processes_share_a_queue_without_taking_twice(
        self, make_storage: MakeStorage, storage: Storage, app_id: str
    ) -> None:
        if not self.many_processes:
            return
        storage.push("work", [QueueItem(f"i{at:03d}") for at in range(200)])
        in_processes(3, _take_all, make_storage, app_id)
        done = [f"done-{number}" for number in range(3)]
        depths = storage.queue_depth([*done, "work"], storage.now())
        assert sum(depths[name].ready for name in done) == 200
        assert depths["work"] == QueueDepth(0, 0)

    def test_purging_queues_empties_them(self, storage: Storage) -> None:
        storage.push("q", [QueueItem("a"), QueueItem("b", not_before=storage.now() + 3600)])
        storage.take(["q"], 1, _LEASE_S, storage.now())
        storage.purge(queues=True)
        assert storage.queue_names() == []
        storage.push("q", [QueueItem("a")])
        assert _ids(storage, ["q"], 1) == ["a"]


def _ids(storage: Storage, queues: list[str], limit: int) -> list[str]:
    return [item.item_id for _, item in storage.take(queues, limit, _LEASE_S, storage.now()).items]
