"""The health of a runner, told to probes over HTTP and in a file, from memory alone."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import TCPServer, ThreadingMixIn
from typing import Literal, TypeAlias

from pynenc.exceptions import RunnerError
from pynenc.identifiers.texts import error_text

Phase: TypeAlias = Literal["starting", "working", "draining", "stopped"]

_AWAY_S = 30.0
_FAILING_S = 30.0
_HUNG_S = 120.0
_CLIENT_S = 2.0
_MOST_CLIENTS = 8


class Health:
    """The signs of life of a runner, and what they say.

    Args:
        interval_s: Seconds between signs of life.
        clock: Returns seconds that only rise.

    Attributes:
        phase: Where the runner stands.
        failing_since: Since when no worker process comes up, by the clock; None while one is up or wanted
            by nobody.
    """

    def __init__(self, interval_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience_s = max(3 * interval_s, 1.0)
        self._clock = clock
        self.phase: Phase = "starting"
        self.failing_since: float | None = None
        self._sign = clock()
        self._trying_since: float | None = None
        self._away_since: float | None = None
        self._told: Callable[[], None] = lambda: None
        self._is_draining = False

    def tell(self, told: Callable[[], None]) -> None:
        """Call a function after each sign of life and each change of phase."""
        self._told = told

    def enter(self, phase: Phase) -> None:
        """Note where the runner stands now."""
        self.phase = phase
        self._sign = self._clock()
        self._told()

    def drain(self, is_draining: bool) -> None:
        """Note whether the runner was asked to claim nothing more."""
        if self._is_draining != is_draining:
            self._is_draining = is_draining
            self._told()

    def trying(self) -> None:
        """Note that a sign of life is about to be written to the store."""
        self._trying_since = self._clock()

    def beat(self) -> None:
        """Note that a sign of life was written."""
        self._sign, self._trying_since, self._away_since = self._clock(), None, None
        self._told()

    def missed(self) -> None:
        """Note that a sign of life could not be written, because the store is away."""
        now = self._clock()
        self._away_since = self._away_since or self._trying_since or now
        self._sign, self._trying_since = now, None
        self._told()

    def workers_up(self) -> None:
        """Note that a worker process has come up."""
        self.failing_since = None

    def workers_down(self) -> None:
        """Note that a worker process has died and no other is up."""
        self.failing_since = self.failing_since or self._clock()

    # --- what it says ------------------------------------------------------------------

    def why_dead(self) -> str | None:
        """Return in one word why the runner is to be restarted, None if it is not."""
        now = self._clock()
        if self.phase in ("starting", "stopped"):
            return None
        if self._trying_since is not None:
            if now - self._trying_since > _HUNG_S:
                return "hung"
        elif now - self._sign > self._patience_s:
            return "stalled"
        if self.failing_since is not None and now - self.failing_since > _FAILING_S:
            return "workers"
        return None

    def why_not_ready(self) -> str | None:
        """Return in one word why the runner takes no work, None if it does."""
        if self.phase != "working":
            return self.phase
        if self._is_draining:
            return "draining"
        dead = self.why_dead()
        if dead is not None:
            return dead
        if self.failing_since is not None:
            return "workers"
        away = self._away_since or self._trying_since
        if away is not None and self._clock() - away >= _AWAY_S:
            return "storage"
        return None


class HealthFile:
    """A file with the health as a line of JSON, replaced at each sign of life and removed at the end.

    Args:
        health: The health.
        path: The file; its folder must exist.
        log: Told once if it cannot be written.

    Raises:
        RunnerError: It cannot be written at the start.
    """

    def __init__(self, health: Health, path: str | Path, log: logging.Logger) -> None:
        self._health = health
        self._path = Path(path).absolute()
        self._log = log
        self._is_told = False
        try:
            self._write()
        except OSError as error:
            raise RunnerError(
                f"the file '{self._path}' of the setting 'health_file' cannot be written: {error}"
            ) from error

    def refresh(self) -> None:
        """Replace it; a full disk does not stop the runner."""
        try:
            self._write()
            self._is_told = False
        except OSError as error:
            if not self._is_told:
                self._is_told = True
                self._log.error("the health file '%s' cannot be written: %s", self._path, error)

    def _write(self) -> None:
        dead, waiting = self._health.why_dead(), self._health.why_not_ready()
        told = {
            "phase": self._health.phase,
            "live": dead is None,
            "ready": waiting is None,
            "reason": dead or waiting,
            "pid": os.getpid(),
            "at": time.time(),
        }
        handle, name = tempfile.mkstemp(prefix=f".{self._path.name}.", dir=self._path.parent)
        try:
            with os.fdopen(handle, "w") as file:
                file.write(json.dumps(told) + "\n")
            os.chmod(name, 0o644)
            os.replace(name, self._path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise

    def close(self) -> None:
        """Remove it."""
        with contextlib.suppress(OSError):
            self._path.unlink()


Page: TypeAlias = Callable[[], tuple[int, str, str]]
"""Returns status, content type and text of an answer."""


class HealthServer(ThreadingMixIn, TCPServer):
    """Answers `GET /healthz` and `GET /readyz` in threads, for a few clients at a time.

    Args:
        health: The health.
        host: The address to listen on.
        port: The port; 0 for any free one.

    Attributes:
        port: The port on which it listens.
        pages: Further pages by path.

    Raises:
        RunnerError: It cannot listen there.
    """

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = _MOST_CLIENTS

    def __init__(self, health: Health, host: str, port: int) -> None:
        self._health = health
        self._free = threading.BoundedSemaphore(_MOST_CLIENTS)
        self.pages: dict[str, Page] = {
            "/healthz": lambda: _answer(health.why_dead()),
            "/readyz": lambda: _answer(health.why_not_ready()),
        }
        if ":" in host:
            self.address_family = socket.AF_INET6
        try:
            super().__init__((host, port), _Handler)
        except (OSError, OverflowError) as error:
            raise RunnerError(
                f"the health port {port} on '{host}' cannot be opened: {error_text(error)}. Choose another "
                f"'health_port', or another 'health_host'."
            ) from error
        self.port: int = self.server_address[1]
        self._thread = threading.Thread(target=self.serve_forever, name="pynenc-health", daemon=True)
        self._thread.start()

    def process_request(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        """Answer in a thread, or hang up if too many are being answered."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no thread can be had now
            self._free.release()
            self.shutdown_request(request)

    def process_request_thread(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """Forget clients that hang up or send nonsense."""

    def close(self) -> None:
        """Stop listening."""
        self.shutdown()
        self.server_close()
        self._thread.join()


def _answer(problem: str | None) -> tuple[int, str, str]:
    return (
        (200, "text/plain; charset=utf-8", "ok\n") if problem is None else (503, "text/plain", f"{problem}\n")
    )


class _Handler(BaseHTTPRequestHandler):
    """Answers one request from memory."""

    server: HealthServer
    timeout = _CLIENT_S
    protocol_version = "HTTP/1.0"
    server_version = "pynenc"
    sys_version = ""

    def do_GET(self) -> None:
        page = self.server.pages.get(self.path.partition("?")[0])
        status, kind, text = (404, "text/plain", "not found\n") if page is None else page()
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815 - likewise

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: probes come every second."""


class Probes:
    """The answers of a runner to probes, as its settings ask for them; none otherwise.

    Args:
        health: The health.
        host: The address to listen on.
        port: The port, or None for none.
        path: The file, or None for none.
        log: The logger of the app.

    Attributes:
        server: The server, if there is one.
    """

    def __init__(
        self, health: Health, host: str, port: int | None, path: str | None, log: logging.Logger
    ) -> None:
        self.server = None if port is None else HealthServer(health, host, port)
        try:
            self._file = None if path is None else HealthFile(health, path, log)
        except BaseException:
            self.close()
            raise
        if self._file is not None:
            health.tell(self._file.refresh)
        if self.server is not None:
            log.info("probes are answered on http://%s:%d/healthz and /readyz", host, self.server.port)

    _file: HealthFile | None = None

    def close(self) -> None:
        """Stop listening, and remove the file."""
        if self.server is not None:
            self.server.close()
        if self._file is not None:
            self._file.close()
