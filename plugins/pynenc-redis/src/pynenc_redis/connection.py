"""Clients for a single server, Sentinel and Cluster, and Redis' errors in our words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias, cast
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import redis
from redis.backoff import ExponentialBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.connection import Connection
from redis.retry import Retry
from redis.sentinel import Sentinel

from pynenc.exceptions import (
    ConfigError,
    StorageError,
    StorageUnavailableError,
    ValueTooLargeError,
)
from pynenc_redis.settings import ConfigRedis
from pynenc_redis.wire import FIRST_PAUSE_S, LAST_PAUSE_S, RETRIES, ClusterWire, Runs, Wire

Client: TypeAlias = "redis.Redis | RedisCluster"
_CLUSTER, _SENTINEL = "redis+cluster", "redis+sentinel"
_PLAIN = ("redis", "rediss", "unix")
_MALFORMED = (
    "'redis_url' is not a URL with a host and a port; in a user or password, '@', ':', '/', '#', '?' and '%' "
    "must be written as urllib.parse.quote(text, safe='') does"
)
_REFUSED = (redis.AuthenticationError, redis.exceptions.NoPermissionError)
_AWAY = (redis.ConnectionError, redis.TimeoutError, redis.exceptions.ClusterDownError)


class Endpoint:
    """The address of Redis, and a source of clients and single connections.

    Args:
        conf: The settings.

    Raises:
        ConfigError: The URL cannot be understood.
    """

    def __init__(self, conf: ConfigRedis) -> None:
        self._conf = conf
        url = conf.redis_url.get_secret_value() if conf.redis_url else ""
        self._url = url
        parts = _parts(url)
        self._scheme = parts.scheme
        where = parts.netloc.rpartition("@")[2] + parts.path
        self.location = f"{self._scheme}://{where}" if url else f"{conf.redis_host}:{conf.redis_port}"
        """Where it is, without any secret."""

    @property
    def _tls(self) -> dict[str, Any]:
        """The options of TLS in the settings, as the client names them."""
        conf = self._conf
        files = {
            "ssl_ca_certs": conf.redis_tls_ca_file,
            "ssl_certfile": conf.redis_tls_cert_file,
            "ssl_keyfile": conf.redis_tls_key_file,
        }
        return {name: path for name, path in files.items() if path}

    @property
    def _options(self) -> dict[str, Any]:
        conf = self._conf
        return {
            "socket_timeout": conf.socket_timeout,
            "socket_connect_timeout": conf.socket_connect_timeout,
            "health_check_interval": conf.health_check_interval,
            "protocol": 2,
            # One that hangs is not asked seven times: each time would take as long as the timeout.
            "retry": Retry(
                ExponentialBackoff(LAST_PAUSE_S, FIRST_PAUSE_S), RETRIES, (redis.ConnectionError, OSError)
            ),
        }

    def connect(self) -> Client:
        """Return a client; it connects at its first use."""
        options = {**self._options, "retry_on_error": [redis.BusyLoadingError]}
        if self._scheme == _CLUSTER:
            return self._cluster()
        pool = {"max_connections": self._conf.redis_pool_max_connections}
        if self._scheme == _SENTINEL:
            return self._sentinel(options)
        if self._url:
            tls = self._tls if self._scheme == "rediss" else {}
            return redis.Redis.from_pool(_pool_of(self._url, {**options, **pool, **tls}))
        secure = {"connection_class": redis.SSLConnection, **self._tls} if self._conf.redis_tls else {}
        return redis.Redis.from_pool(
            redis.BlockingConnectionPool(
                host=self._conf.redis_host,
                port=self._conf.redis_port,
                db=self._conf.redis_db,
                username=self._conf.redis_username or None,
                password=self._conf.redis_password.get_secret_value() or None,
                **options,
                **pool,
                **secure,
            )
        )

    def _nodes(self, default_port: int) -> tuple[list[tuple[str, int]], dict[str, Any]]:
        """Return hosts of a URL that names several, and the user and options in it."""
        parts = urlsplit(self._url)
        user, _, hosts = parts.netloc.rpartition("@")
        name, _, password = user.partition(":")
        nodes: list[tuple[str, int]] = []
        for host in hosts.split(","):
            address, colon, port = host.rpartition(":")
            try:
                nodes.append((address, int(port)) if colon else (port, default_port))
            except ValueError:
                raise ConfigError(_MALFORMED) from None
        login = {"username": unquote(name) or None, "password": unquote(password) or None}
        tls = self._conf.redis_tls or dict(parse_qsl(parts.query)).get("ssl") in ("1", "true")
        return nodes, {**login, **({"ssl": True, **self._tls} if tls else {})}

    def _cluster(self) -> RedisCluster:
        nodes, login = self._nodes(6379)
        options = {name: value for name, value in self._options.items() if name != "retry"}
        with explained(self.location):
            return RedisCluster(
                startup_nodes=[ClusterNode(host, port) for host, port in nodes], **options, **login
            )

    def _sentinel(self, options: dict[str, Any]) -> redis.Redis:
        nodes, login = self._nodes(26379)
        service, _, database = urlsplit(self._url).path.strip("/").partition("/")
        if not service or not (database or "0").isdecimal():
            raise ConfigError(
                "'redis_url' for Sentinel needs the service: redis+sentinel://host:port/service/database"
            )
        sentinel = Sentinel(nodes, socket_timeout=self._conf.socket_connect_timeout)
        primary: redis.Redis = sentinel.master_for(service, db=int(database or 0), **login, **options)
        return primary

    def wire(self, client: Client) -> Runs:
        """Return what runs scripts there."""
        if isinstance(client, RedisCluster):
            return ClusterWire(client)
        pool = client.connection_pool

        def connect() -> Connection:
            connection = cast(Connection, pool.make_connection())
            connection.retry = Retry(ExponentialBackoff(), 0)
            connection.connect()  # only this asks Sentinel where the primary is
            return connection

        return Wire(connect, self._conf.redis_pool_max_connections)


def listening_connection(client: Client, prefix: str) -> Connection:
    """Return a connection of its own, to listen on; it waits for messages without a time limit."""
    if isinstance(client, RedisCluster):
        node = client.get_node_from_key(prefix)
        if node is None:
            raise redis.ConnectionError("the cluster has no node for this app now")
        client = client.get_redis_connection(node)
    pool = client.connection_pool
    kwargs = {**pool.connection_kwargs, "socket_timeout": None, "health_check_interval": 0}
    connection: Connection = pool.connection_class(**kwargs)
    connection.retry = Retry(ExponentialBackoff(), 0)
    return connection


def _parts(url: str) -> SplitResult:
    """Return the parts of a URL.

    Raises:
        ConfigError: It cannot be understood; the text shows nothing of it, for anything may be the password.
    """
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in (_CLUSTER, _SENTINEL) or parts.port is None or parts.port > 0
    except ValueError:
        raise ConfigError(_MALFORMED) from None
    if url and parts.scheme not in (*_PLAIN, _CLUSTER, _SENTINEL):
        schemes = ", ".join(f"{scheme}://" for scheme in (*_PLAIN, _CLUSTER, _SENTINEL))
        raise ConfigError(f"'redis_url' must begin with one of {schemes}")
    path = parts.path.strip("/")
    if parts.scheme in ("redis", "rediss") and path and not path.isdecimal():
        raise ConfigError("'redis_url' must have the number of a database behind the host, or nothing")
    if not is_good or "@" in parts.path or "@" in parts.query or parts.fragment:
        raise ConfigError(_MALFORMED)
    return parts


def _pool_of(url: str, options: dict[str, Any]) -> redis.BlockingConnectionPool:
    """Return a pool of connections to what a URL names.

    Raises:
        ConfigError: An option in the URL cannot be used.
    """
    try:
        pool = redis.BlockingConnectionPool.from_url(url, **options)
        pool.connection_class(**pool.connection_kwargs)  # so that wrong options are found now
    except (ValueError, TypeError):
        names = ", ".join(name for name, _ in parse_qsl(urlsplit(url).query))
        raise ConfigError(f"an option in 'redis_url' is unknown or has a wrong value: {names}") from None
    return pool


@contextmanager
def explained(location: str) -> Iterator[None]:
    """Turn errors of the client and the server into ours, with what to do.

    Raises:
        StorageUnavailableError: It does not answer, refuses us, takes no writes, or has no memory left.
        ValueTooLargeError: It refuses a value because of its size.
        StorageError: Anything else that it refuses.
    """
    try:
        yield
    except redis.RedisError as error:
        raise _translated(error, location) from error
    except redis.exceptions.RedisClusterException as error:
        raise StorageUnavailableError(f"cannot reach Redis at {location}: {error}") from error


def _translated(error: redis.RedisError, location: str) -> StorageError:
    text = str(error).rstrip(".")
    # An error inside a script is a plain one, with the server's own word somewhere in its text.
    if isinstance(error, _REFUSED) or any(
        word in text for word in ("NOAUTH", "WRONGPASS", "NOPERM", "DENIED")
    ):
        return StorageUnavailableError(
            f"Redis at {location} refuses us: {text}. Check 'redis_username' and 'redis_password', or those "
            f"in 'redis_url', and what this user may do: it needs the keys and channels `pynenc:*`."
        )
    if isinstance(error, redis.ReadOnlyError) or "READONLY" in text:
        return StorageUnavailableError(
            f"Redis at {location} is a read-only replica. Point 'redis_url' at the primary, or use "
            f"Sentinel or Cluster, which follow it."
        )
    if isinstance(error, redis.exceptions.OutOfMemoryError) or "OOM command not allowed" in text:
        return StorageUnavailableError(
            f"Redis at {location} has no memory left ('maxmemory'); nothing of this write was stored. "
            f"Raise its limit or delete data; work goes on by itself then."
        )
    if isinstance(error, _AWAY):
        return StorageUnavailableError(
            f"cannot reach Redis at {location}: {text}. Check that it runs, that 'redis_url' (or "
            f"'redis_host' and 'redis_port') is right, and that the network lets this machine through."
        )
    if "exceeds maximum allowed size" in text or "invalid bulk length" in text:
        return ValueTooLargeError(
            f"Redis at {location} refuses a value of this size: {text}. Return or pass less, or store it "
            f"elsewhere and pass on where it is."
        )
    if any(word in text for word in ("MISCONF", "LOADING", "MASTERDOWN", "NOREPLICAS", "TRYAGAIN")):
        return StorageUnavailableError(f"Redis at {location} takes no commands now: {text}")
    return StorageError(f"Redis at {location} cannot carry this out: {text}")
