"""The broker on any storage, and its in-memory and SQLite bindings."""

from __future__ import annotations

from collections.abc import Sequence

from pynenc.broker.base_broker import BaseBroker, Delivery, Message
from pynenc.conf.config_runner import ConfigRunner
from pynenc.plugins.component import ComponentContext
from pynenc.storage.drivers import MemoryDriver, SQLiteDriver, StorageComponent
from pynenc.storage.group import Group
from pynenc.storage.operations import Ack, Push, QueueDepth, QueuedItem, QueueItem


class StorageBroker(StorageComponent, BaseBroker):
    """Queues of a storage."""

    def __init__(self, context: ComponentContext) -> None:
        super().__init__(context)
        self._first_look_s = context.settings(ConfigRunner).runner_loop_sleep_time_sec

    def push(self, messages: Sequence[Message]) -> None:
        group = Group()
        self.stage_push(group, messages)
        group.send()

    def stage_push(self, group: Group, messages: Sequence[Message]) -> None:
        by_queue: dict[str, list[QueueItem]] = {}
        for message in messages:
            item_id = f"{message.invocation_id}:{message.claim}"
            item = QueueItem(item_id, message.status, message.priority, message.not_before)
            by_queue.setdefault(message.queue, []).append(item)
        group.execute(self.storage, [Push(queue, tuple(items)) for queue, items in by_queue.items()], len)

    def take(self, queues: Sequence[str], limit: int, timeout_s: float | None) -> list[Delivery]:
        lease_s = self.conf.queue_lease_seconds
        taken = self.storage.blocking.pop(queues, limit, lease_s, timeout_s, self._first_look_s)
        return [_delivery(queue, item) for queue, item in taken]

    def ack(self, deliveries: Sequence[Delivery]) -> None:
        self.storage.ack([delivery.receipt for delivery in deliveries])

    def stage_ack(self, group: Group, deliveries: Sequence[Delivery]) -> None:
        group.execute(self.storage, (Ack(tuple(delivery.receipt for delivery in deliveries)),), len)

    def depth(self, queues: Sequence[str]) -> dict[str, QueueDepth]:
        return self.storage.queue_depth(queues, self.storage.now())

    def look(self, messages: Sequence[Message], limit: int = 10_000) -> list[QueuedItem | None] | None:
        try:
            ids = [each.message_id for each in messages]
            return self.storage.find_items(ids, limit, self.storage.now())
        except NotImplementedError:
            return None

    def queues(self) -> list[str]:
        return self.storage.queue_names()

    def purge(self) -> None:
        self.storage.purge(queues=True)

    def interrupt(self) -> None:
        self.storage.blocking.interrupt()


def _delivery(queue: str, item: QueueItem) -> Delivery:
    invocation_id, _, claim = item.item_id.rpartition(":")
    message = Message(invocation_id, int(claim), item.payload, queue, item.priority, item.not_before)
    return Delivery(message, item.item_id)


class MemBroker(StorageBroker):
    """Queues in the memory of this process."""

    driver = MemoryDriver
    shared_between_processes = False


MemTaskBroker = MemBroker
"""Another name for `MemBroker`."""


class SQLiteBroker(StorageBroker):
    """Queues in a SQLite file."""

    driver = SQLiteDriver
