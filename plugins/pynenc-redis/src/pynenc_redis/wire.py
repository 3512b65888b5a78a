"""Scripts sent over connections of our own: no more work for a call than it needs."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Any, Protocol

import redis
from redis.connection import Connection

RETRIES, FIRST_PAUSE_S, LAST_PAUSE_S = 6, 0.02, 1.0
"""A server that restarts is waited for this long before an operation fails: some two seconds."""
_LONGEST_S = 8.0
"""After so many seconds nothing is tried again: each try waits for an answer."""


class Script:
    """A Lua script that the server keeps under its digest."""

    def __init__(self, name: str) -> None:
        self.source = files("pynenc_redis").joinpath("lua", f"{name}.lua").read_text(encoding="utf-8")
        self.digest: str | None = None


class Runs(Protocol):
    """Whatever runs scripts on a server."""

    def run(self, script: Script, keys: Sequence[str], *arguments: Any) -> Any:
        """Run it; a server that does not know it is told once."""

    def close(self) -> None:
        """Close connections."""


class ClusterWire:
    """Runs scripts through the cluster client, which knows where each key lives."""

    def __init__(self, client: redis.RedisCluster) -> None:
        self._client = client

    def run(self, script: Script, keys: Sequence[str], *arguments: Any) -> Any:
        """Run it on the node that keeps the keys."""
        if script.digest is not None:
            try:
                return self._client.evalsha(script.digest, len(keys), *keys, *arguments)
            except redis.exceptions.NoScriptError:
                pass  # a new node, or one that forgot
        script.digest = self._client.script_load(script.source)
        return self._client.evalsha(script.digest, len(keys), *keys, *arguments)

    def close(self) -> None:
        """The client closes its own connections."""


class Wire:
    """Runs scripts on one server.

    A connection that is cut is replaced, and what was sent over it is sent again with growing
    pauses: every script may run twice without harm.

    Args:
        connect: Makes a connection.
        most: Most connections at a time; further threads wait for one.
    """

    def __init__(self, connect: Callable[[], Connection], most: int) -> None:
        self._connect = connect
        self._idle: deque[Connection] = deque()
        self._free = threading.BoundedSemaphore(most)

    def run(self, script: Script, keys: Sequence[str], *arguments: Any) -> Any:
        """Run it; a server that does not know it is told once.

        Raises:
            redis.RedisError: The server refuses it, cannot be reached for some two seconds, or does not
                answer for some ten.
        """
        pause_s, until = FIRST_PAUSE_S, time.monotonic() + _LONGEST_S
        with self._free:
            for tries_left in range(RETRIES, -1, -1):
                try:
                    return self._run(script, keys, arguments)
                except (redis.AuthenticationError, redis.exceptions.NoPermissionError):
                    raise  # trying again would not help
                except (redis.ConnectionError, redis.TimeoutError, OSError):
                    if not tries_left or time.monotonic() >= until:
                        raise
                self._drop_idle()
                time.sleep(pause_s)
                pause_s = min(pause_s * 2, LAST_PAUSE_S)
        raise AssertionError("the last try returns or raises")

    def _run(self, script: Script, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        if script.digest is not None:
            try:
                return self._call("EVALSHA", script.digest, len(keys), *keys, *arguments)
            except redis.exceptions.NoScriptError:
                pass  # a new server, or one that forgot
        script.digest = self._call("SCRIPT LOAD", script.source).decode()
        return self._call("EVALSHA", script.digest, len(keys), *keys, *arguments)

    def _call(self, *command: Any) -> Any:
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._connect()
        try:
            connection.send_command(*command)
            answer = connection.read_response()
        except redis.ResponseError:
            self._idle.append(connection)
            raise
        except BaseException:
            connection.disconnect()
            raise
        self._idle.append(connection)
        return answer

    def _drop_idle(self) -> None:
        """Drop the connections that were idle when the server went away; they are cut as well."""
        while self._idle:
            try:
                self._idle.pop().disconnect()
            except IndexError:
                return

    def close(self) -> None:
        """Close connections."""
        self._drop_idle()
