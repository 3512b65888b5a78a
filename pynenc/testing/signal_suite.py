"""The promises of a storage driver about wake-ups."""

from __future__ import annotations

import threading

from pynenc.storage.base_storage import Storage
from pynenc.testing.promises import PATIENCE_S, check
from pynenc.testing.storage_fixtures import MakeStorage, StorageFixtures, in_processes

_MANY = 100
_HEARD = "a notification wakes every subscription to its channel that was made before it"
_LOOK = "whether `subscribe` listens when it returns, and what `Notify` does"


def _notify_in_process(make_storage: MakeStorage, app_id: str, number: int) -> None:
    storage = make_storage(app_id)
    storage.notify([f"from-{number}", "all"])
    storage.close()


class SignalSuite(StorageFixtures):
    """Wake-ups: kept from the moment of subscribing, across threads and processes."""

    def test_a_notification_between_subscribing_and_waiting_is_kept(self, storage: Storage) -> None:
        with storage.subscribe(["a", "b"]) as subscription:
            storage.notify(["b", "c"])
            heard = subscription.wait(PATIENCE_S)
            check(heard == {"b"}, _HEARD, "subscribe to a and b; notify b and c; wait", heard, _LOOK)
            assert subscription.wait(0.0) == frozenset()

    def test_none_of_many_notifications_is_lost(self, storage: Storage) -> None:
        with storage.subscribe(["a"]) as subscription:
            for number in range(_MANY):
                storage.notify(["a"])
                heard = subscription.wait(PATIENCE_S)
                done = f"subscribe to a; notify it and wait, {number + 1} times in turn"
                check(heard == {"a"}, _HEARD, done, heard, _LOOK)

    def test_every_listener_is_woken(self, storage: Storage) -> None:
        with storage.subscribe(["a"]) as first, storage.subscribe(["a"]) as second:
            storage.notify(["a"])
            assert first.wait(PATIENCE_S) == {"a"}
            assert second.wait(PATIENCE_S) == {"a"}

    def test_channels_can_be_added(self, storage: Storage) -> None:
        with storage.subscribe([]) as subscription:
            subscription.add(["late"])
            storage.notify(["late"])
            assert subscription.wait(PATIENCE_S) == {"late"}

    def test_a_closed_subscription_hears_nothing(self, storage: Storage) -> None:
        subscription = storage.subscribe(["a"])
        subscription.close()
        storage.notify(["a"])
        assert subscription.wait(0.0) == frozenset()

    def test_a_waiting_thread_is_woken(self, storage: Storage) -> None:
        heard: list[frozenset[str]] = []
        with storage.subscribe(["a"]) as subscription:
            thread = threading.Thread(target=lambda: heard.append(subscription.wait(PATIENCE_S)))
            thread.start()
            storage.notify(["a"])
            thread.join()
        assert heard == [{"a"}]

    def test_who_cannot_block_is_called(self, storage: Storage) -> None:
        called = threading.Event()
        with storage.subscribe(["a"], on_wake=called.set) as subscription:
            storage.notify(["a"])
            assert called.wait(PATIENCE_S)
            assert subscription.wait(0.0) == {"a"}

    def test_other_processes_are_heard(
        self, make_storage: MakeStorage, storage: Storage, app_id: str
    ) -> None:
        if not self.many_processes:
            return
        expected = {"from-0", "from-1", "all"}
        heard: set[str] = set()
        with storage.subscribe(expected) as subscription:
            in_processes(2, _notify_in_process, make_storage, app_id)
            while heard != expected:
                woken = subscription.wait(PATIENCE_S)
                assert woken, f"heard only {heard}"
                heard |= woken
