"""Serving the monitor with uvicorn."""

from __future__ import annotations

import contextlib
import gc
import socket
from types import FrameType

import click
import uvicorn

from pynenc.conf.config_monitor import ConfigMonitor
from pynenc.exceptions import ConfigError
from pynenc.monitor.application import HasComponents, guarded
from pynenc.monitor.live import Streams
from pynenc.monitor.watching import Watcher

_COLLECT_AT = 50_000
"""The number of new objects after which Python looks for cycles among them."""


def serve(app: HasComponents, settings: ConfigMonitor, host: str, port: int) -> None:
    """Serve the monitor of an app until it is stopped.

    Raises:
        ConfigError: Nothing can listen there.
    """
    application, streams = guarded(app, settings, "token" if settings.asks_who_it_is else "open")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)  # whoever reads the line below may ask at once
    except OSError as error:
        raise ConfigError(f"the monitor cannot listen at {host}, port {port}: {error}") from error
    named = f"[{host}]" if ":" in host else host
    click.echo(f"the monitor of '{app.app_id}' is at http://{named}:{listener.getsockname()[1]}/", err=True)
    config = uvicorn.Config(
        application,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # those of trusted proxies are read by the monitor itself
        timeout_graceful_shutdown=2,
    )
    watcher = Watcher(app.components) if settings.monitor_alerts and app.components.conf.alerts else None
    if watcher is not None:
        watcher.start()
    # Pages are made of many small objects that go at once: what is here stays, and is not searched for them.
    gc.freeze()
    gc.set_threshold(_COLLECT_AT, 20, 50)
    try:
        with contextlib.suppress(KeyboardInterrupt):  # by which it is stopped on a terminal
            _Server(config, streams).run([listener])
    finally:
        if watcher is not None:
            watcher.stop()


class _Server(uvicorn.Server):
    """A server that ends its streams as soon as it is asked to stop."""

    def __init__(self, config: uvicorn.Config, streams: Streams) -> None:
        super().__init__(config)
        self._streams = streams

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._streams.stop()
        super().handle_exit(sig, frame)
