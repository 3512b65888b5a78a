"""A real RabbitMQ server for tests: started on free ports of 127.0.0.1 and stopped again."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

_START_S = 60.0


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def rabbitmq_binary() -> str:
    """The server's script, which runs as any user; the one on the path insists on a user of its own."""
    given = os.environ.get("PYNENC_TEST_RABBITMQ_SERVER")
    if given:
        return given
    found = sorted(str(path) for path in Path("/usr/lib/rabbitmq/lib").glob("*/sbin/rabbitmq-server"))
    if found:
        return found[-1]
    other = shutil.which("rabbitmq-server")
    if other is None:
        raise RuntimeError(
            "no rabbitmq-server: install it with apt-get, name it in PYNENC_TEST_RABBITMQ_SERVER, or give "
            "the address of one in PYNENC_TEST_RABBITMQ_URL"
        )
    return other


class RabbitMQServer:
    """A RabbitMQ server of our own.

    Args:
        folder: Where it keeps its files.
        settings: Further lines of its configuration.
    """

    def __init__(self, folder: Path, settings: str = "") -> None:
        self.folder = folder
        self.port, dist_port, self._epmd_port = free_port(), free_port(), free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}/%2F"
        self.process: subprocess.Popen[bytes] | None = None
        (folder / "plugins").write_text("[].\n")
        (folder / "rabbitmq.conf").write_text(
            f"vm_memory_high_watermark.relative = 0.9\ndisk_free_limit.absolute = 1MB\n{settings}"
        )
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("RABBITMQ_")},
            "HOME": str(folder),
            "RABBITMQ_NODENAME": f"pynenc{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(dist_port),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none +sbwtdcpu none +sbwtdio none -kernel "
            "inet_dist_use_interface {127,0,0,1}",
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }

    def start(self) -> RabbitMQServer:
        """Start it and wait until it answers."""
        log = (self.folder / "out").open("ab")
        self.process = subprocess.Popen(
            [rabbitmq_binary()], env=self._environment, stdout=log, stderr=log, start_new_session=True
        )
        log.close()
        deadline = time.monotonic() + _START_S
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                told = (self.folder / "out").read_text(errors="replace")[-2000:]
                self.stop(signal.SIGKILL)
                raise RuntimeError(f"rabbitmq-server did not start: {told}")
            time.sleep(0.05)
        return self

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1.0) as probe:
                probe.sendall(b"AMQP\x00\x00\x09\x01")
                return bool(probe.recv(1))
        except OSError:
            return False

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the server and what it has started."""
        assert self.process is not None
        os.killpg(self.process.pid, number)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it; with SIGKILL like a crash."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)
        self.process.wait()
        self.process = None
        self._end_epmd()

    def _end_epmd(self) -> None:
        """End the name server of Erlang, which the server has started on a port of ours."""
        found = shutil.which("epmd")
        if found is not None:
            subprocess.run([found, "-kill"], env=self._environment, capture_output=True, check=False)

    def __enter__(self) -> RabbitMQServer:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.stop()
