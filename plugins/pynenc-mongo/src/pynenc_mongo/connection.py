"""Clients for MongoDB, and its errors in our words."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

from bson.errors import InvalidDocument
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ConfigurationError,
    DocumentTooLarge,
    InvalidURI,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WTimeoutError,
)
from pymongo.uri_parser import parse_uri
from pymongo.write_concern import WriteConcern

from pynenc.exceptions import ConfigError, StorageError, StorageUnavailableError, ValueTooLargeError
from pynenc_mongo.settings import ConfigMongo

T = TypeVar("T")
Document: TypeAlias = dict[str, Any]
Client: TypeAlias = MongoClient[Document]

RETRIES, FIRST_PAUSE_S, LAST_PAUSE_S = 6, 0.02, 1.0
"""A server that restarts is waited for this long, besides the time to select one."""

_NOT_PRIMARY = {189, 10058, 10107, 13435, 13436}
_GOING_AWAY = {6, 7, 89, 91, 9001, 11600, 11602} | _NOT_PRIMARY
_REFUSED = {13, 18, 8000}
_NO_SPACE = {28, 14031}
_TOO_LARGE = {10334, 17419, 17420, 17280}


class Endpoint:
    """The address of MongoDB, and a source of clients.

    Args:
        conf: The settings.

    Raises:
        ConfigError: The settings or the URL cannot be understood.
    """

    def __init__(self, conf: ConfigMongo) -> None:
        self._conf = conf
        self._url = conf.mongo_url.get_secret_value() if conf.mongo_url else ""
        self._given: frozenset[str] = frozenset()
        self.database_name = conf.mongo_db
        hosts = f"{conf.mongo_host}:{conf.mongo_port}"
        if self._url:
            if not self._url.startswith(("mongodb://", "mongodb+srv://")):
                raise ConfigError("'mongo_url' must begin with mongodb:// or mongodb+srv://")
            hosts = self._read_url()
        self.location = f"mongodb://{hosts}/{self.database_name}"
        """Where it is, without any secret."""

    def _read_url(self) -> str:
        """Note what the URL says; the hosts in it."""
        if self._url.startswith("mongodb+srv://"):
            path = self._url.partition("://")[2]
            rest, _, options = path.partition("/")[2].partition("?")
            if "@" in rest or "@" in options:
                raise ConfigError(
                    "'mongo_url' cannot be understood: '@', ':', '/' and '%' in a user or password must be "
                    "written as urllib.parse.quote_plus does"
                )
            self.database_name = rest or self._conf.mongo_db
            return path.partition("/")[0].rpartition("@")[2]
        try:
            parts = parse_uri(self._url)
        except (InvalidURI, ConfigurationError, ValueError, OSError) as error:
            raise ConfigError(f"'mongo_url' cannot be understood: {error}") from None
        self.database_name = parts["database"] or self._conf.mongo_db
        self._given = frozenset(name.lower() for name in parts["options"])
        return ",".join(f"{host}:{port}" if port else str(host) for host, port in parts["nodelist"])

    def connect(self) -> Client:
        """Return a client; it connects at its first use."""
        conf = self._conf
        options: dict[str, Any] = {
            "maxPoolSize": conf.mongo_pool_max_connections,
            "socketTimeoutMS": int(conf.socket_timeout * 1000),
            "connectTimeoutMS": int(conf.socket_connect_timeout * 1000),
            "serverSelectionTimeoutMS": int(conf.server_selection_timeout * 1000),
            "w": _write_concern(conf.mongo_write_concern),
            "journal": conf.mongo_journal,
            "appname": "pynenc",
        }
        if conf.mongo_tls:
            options["tls"] = True
        if conf.mongo_tls_ca_file:
            options["tlsCAFile"] = conf.mongo_tls_ca_file
        if conf.mongo_tls_certificate_key_file:
            options["tlsCertificateKeyFile"] = conf.mongo_tls_certificate_key_file
        if conf.mongo_auth_mechanism:
            options["authMechanism"] = conf.mongo_auth_mechanism
        options = {name: value for name, value in options.items() if name.lower() not in self._given}
        try:
            if self._url:
                return MongoClient(self._url, **options)
            if conf.mongo_username:
                options["username"] = conf.mongo_username
                options["password"] = conf.mongo_password.get_secret_value()
                options["authSource"] = conf.mongo_auth_source
            return MongoClient(conf.mongo_host, conf.mongo_port, **options)
        except (ConfigurationError, InvalidURI, ValueError, OSError) as error:
            raise ConfigError(f"MongoDB cannot be used with these settings: {error}") from None

    def database(self, client: Client) -> Database[Document]:
        """Return the database of the settings."""
        return client[self.database_name]

    def carry_out(self, act: Callable[[], T]) -> T:
        """Do something, again with growing pauses while the server is away.

        Everything that is done this way may happen twice without harm.

        Raises:
            StorageUnavailableError: It does not answer, refuses us, takes no writes, or has no space left.
            ValueTooLargeError: It refuses a value because of its size.
            StorageError: Anything else that it refuses.
        """
        pause_s = FIRST_PAUSE_S
        for tries_left in range(RETRIES, -1, -1):
            try:
                return act()
            except (PyMongoError, InvalidDocument, OverflowError) as error:
                if not (tries_left and _is_passing(error)):
                    raise self._translated(error) from error
            time.sleep(pause_s)
            pause_s = min(pause_s * 2, LAST_PAUSE_S)
        raise AssertionError("the last try returns or raises")

    def _translated(self, error: Exception) -> StorageError:
        code, text = _code(error), str(error).partition(", full error")[0].rstrip(".")
        where = f"MongoDB at {self.location}"
        if isinstance(error, DocumentTooLarge) or code in _TOO_LARGE:
            return ValueTooLargeError(
                f"{where} refuses a value of this size (a document holds 16 MB): {text}. Return or pass "
                f"less, or let the client data store keep large values."
            )
        if isinstance(error, OverflowError):
            return StorageError(f"{where} cannot keep a number that needs more than 64 bits")
        if code in _REFUSED:
            return StorageUnavailableError(
                f"{where} refuses us: {text}. Check 'mongo_username', 'mongo_password' and "
                f"'mongo_auth_source', or those in 'mongo_url', and what this user may do."
            )
        if code in _NOT_PRIMARY or isinstance(error, NotPrimaryError):
            return StorageUnavailableError(
                f"{where} is not the primary of its replica set and takes no writes. Name the set in "
                f"'mongo_url' (mongodb://host:port,host:port/?replicaSet=name), so that the primary is found."
            )
        if code in _NO_SPACE or "No space left" in text:
            return StorageUnavailableError(
                f"{where} has no space left on its disk; what was not confirmed may not be stored. Make "
                f"room; work goes on by itself then."
            )
        if isinstance(error, (AutoReconnect, WTimeoutError)) or code in _GOING_AWAY:
            return StorageUnavailableError(
                f"cannot reach {where}: {_first_reason(text)}. Check that it runs, that 'mongo_url' (or "
                f"'mongo_host' and 'mongo_port') is right, and that the network lets this machine through."
            )
        return StorageError(f"{where} cannot carry this out: {text}")


def _write_concern(text: str) -> str | int:
    return int(text) if text.isdigit() else text


UNCONFIRMED = WriteConcern(w=0)
"""For what may be lost, as timed looks make up for it."""

LOOSE = WriteConcern(w=1, j=False)
"""For what a crash of the server may undo without harm: leases, which the guards of the records back,
and acknowledgements, without which a message comes once more and falls away."""


def _is_passing(error: Exception) -> bool:
    """Return whether it may be over in a moment; the wait for a server is behind us already."""
    if isinstance(error, ServerSelectionTimeoutError):
        return False
    return isinstance(error, AutoReconnect) or _code(error) in _GOING_AWAY


def _code(error: Exception) -> int | None:
    if isinstance(error, BulkWriteError):
        concerns = error.details.get("writeConcernErrors") or error.details.get("writeErrors") or [{}]
        code: int | None = concerns[0].get("code")
        return code
    return error.code if isinstance(error, OperationFailure) else None


def _first_reason(text: str) -> str:
    """Return the server's address and what happened, without the driver's view of the topology."""
    return text.partition(", Timeout:")[0].partition(" (configured timeouts")[0]
