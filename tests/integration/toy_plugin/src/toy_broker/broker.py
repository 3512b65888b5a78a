"""A broker that keeps each message in a file and moves what is taken aside."""

import json
import os
import time
from pathlib import Path

from pynenc.broker.base_broker import BaseBroker, Delivery, Message
from pynenc.storage.operations import QueueDepth
from toy_broker.settings import ConfigFolderBroker

_LOOK_S = 0.01


class FolderBroker(BaseBroker):
    config_class = ConfigFolderBroker

    def _folder(self, name):
        folder = Path(self.conf.folder_path, self.app_id, name)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def push(self, messages):
        for message in messages:
            name = message.message_id.replace(":", "-")
            if (self._folder("taken") / name).exists():
                continue
            hidden = self._folder("new") / name
            fields = {field: getattr(message, field) for field in message.__struct_fields__}
            hidden.write_text(json.dumps(fields))
            hidden.rename(self._folder("ready") / name)

    def take(self, queues, limit, timeout_s):
        end = None if timeout_s is None else time.monotonic() + min(timeout_s, 0.2)
        while True:
            deliveries = self._look(queues, limit)
            if deliveries or (end is not None and time.monotonic() >= end):
                return deliveries
            time.sleep(_LOOK_S)

    def _look(self, queues, limit):
        found = []
        for path in self._folder("ready").iterdir():
            try:
                message = Message(**json.loads(path.read_text()))
            except FileNotFoundError:
                continue
            if message.queue in queues and message.not_before <= time.time():
                rank = (queues.index(message.queue), -message.priority, path.name)
                found.append((rank, path, message))
        deliveries = []
        for _, path, message in sorted(found, key=lambda each: each[0])[:limit]:
            try:
                os.rename(path, self._folder("taken") / path.name)
            except FileNotFoundError:
                continue
            deliveries.append(Delivery(message, path.name))
        return deliveries

    def ack(self, deliveries):
        for delivery in deliveries:
            (self._folder("taken") / delivery.receipt).unlink(missing_ok=True)

    def _messages(self, name):
        return [Message(**json.loads(path.read_text())) for path in self._folder(name).iterdir()]

    def depth(self, queues):
        ready, taken = self._messages("ready"), self._messages("taken")
        return {
            queue: QueueDepth(
                sum(message.queue == queue and message.not_before <= time.time() for message in ready),
                sum(message.queue == queue for message in taken)
                + sum(message.queue == queue and message.not_before > time.time() for message in ready),
            )
            for queue in queues
        }

    def queues(self):
        return sorted({message.queue for name in ("ready", "taken") for message in self._messages(name)})

    def purge(self):
        for name in ("ready", "taken"):
            for path in self._folder(name).iterdir():
                path.unlink()
