"""One connection to RabbitMQ with its channel, and a pool of them."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar
from urllib.parse import urlsplit

import pika
from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection
from pika.adapters.utils.connection_workflow import AMQPConnectorException
from pika.exceptions import AMQPError, ProbableAccessDeniedError, ProbableAuthenticationError

from pynenc.backend import Incoming, Outgoing
from pynenc.exceptions import StorageError, StorageUnavailableError
from pynenc.storage.shared_connect import SharedConnect
from pynenc_rabbitmq.settings import ConfigRabbitMQ

T = TypeVar("T")
_FOREIGN = (AMQPError, AMQPConnectorException, OSError)
_PERSISTENT = pika.BasicProperties(delivery_mode=2)
_numbers = itertools.count()


class Session:
    """A connection with one channel, used by one thread at a time.

    Args:
        connection: The connection.
        arguments: The arguments with which queues are made.
        lease_s: How long what was received may stay unconfirmed, in seconds.
    """

    def __init__(self, connection: BlockingConnection, arguments: dict[str, str], lease_s: float) -> None:
        self.name = f"{os.getpid()}-{next(_numbers)}"
        self.connection = connection
        self.used_at = time.monotonic()
        self.unconfirmed: dict[int, float] = {}
        self._arguments = arguments
        self._lease_s = lease_s
        self._channel: BlockingChannel = connection.channel()
        self._batches: BlockingChannel | None = None
        self._returned: list[Outgoing] = []
        self._channel.confirm_delivery()
        self._known: set[str] = set()

    def declare(self, queue: str, again: bool = False) -> int:
        """Make a queue if there is none.

        Returns:
            How many of its messages can be received, if it is asked again.
        """
        if queue in self._known and not again:
            return 0
        declared = self._channel.queue_declare(queue, durable=True, arguments=self._arguments)
        self._known.add(queue)
        return int(declared.method.message_count)

    def publish(self, messages: Sequence[Outgoing]) -> None:
        """Publish messages; return once the server has them."""
        for queue in {each.queue for each in messages}:
            self.declare(queue)
        left = list(messages)
        if len(left) > 1:
            left = self._publish_together(left)
        for each in left:
            try:
                self._publish_one(each)
            except pika.exceptions.UnroutableError:  # somebody has deleted the queue
                self.declare(each.queue, again=True)
                self._publish_one(each)

    def _publish_one(self, message: Outgoing) -> None:
        self._channel.basic_publish("", message.queue, message.body, _PERSISTENT, mandatory=True)

    def _publish_together(self, messages: Sequence[Outgoing]) -> list[Outgoing]:
        """Publish messages in one transaction; return those for which there is no queue."""
        if self._batches is None:
            self._batches = self.connection.channel()
            self._batches.tx_select()
            self._batches.add_on_return_callback(
                lambda _, method, __, body: self._returned.append(Outgoing(method.routing_key, body))
            )
        returned: list[Outgoing] = []
        self._returned = returned
        for each in messages:
            self._batches.basic_publish("", each.queue, each.body, _PERSISTENT, mandatory=True)
        self._batches.tx_commit()
        return returned

    def receive(
        self, queues: Sequence[str], limit: int, timeout_s: float, is_interrupted: Callable[[], bool]
    ) -> list[Incoming]:
        """Receive messages, and wait for the first."""
        self._give_back()
        found: list[Incoming] = []
        for queue in queues:
            self.declare(queue)
            while len(found) < limit:
                method, _, body = self._channel.basic_get(queue)
                if method is None:
                    break
                found.append(self._noted(method.delivery_tag, body))
        if not found and timeout_s > 0:
            found = self._wait(queues, limit, timeout_s, is_interrupted)
        return found

    def _wait(
        self, queues: Sequence[str], limit: int, timeout_s: float, is_interrupted: Callable[[], bool]
    ) -> list[Incoming]:
        """Wait for the first message as a consumer; what comes beyond the limit is given back."""
        found: list[Incoming] = []
        deadline = time.monotonic() + timeout_s

        def on_message(channel: BlockingChannel, method: object, _: object, body: bytes) -> None:
            tag: int = getattr(method, "delivery_tag")  # noqa: B009 - of a class without types
            if len(found) < limit:
                found.append(self._noted(tag, body))
            else:
                channel.basic_nack(tag, requeue=True)

        self._channel.basic_qos(prefetch_count=min(limit, 65_535))
        consumers = [self._channel.basic_consume(queue, on_message) for queue in queues]
        try:
            while not (found or is_interrupted()) and (rest_s := deadline - time.monotonic()) > 0:
                self.connection.process_data_events(rest_s)
        finally:
            if self._channel.is_open:
                for consumer in consumers:
                    self._channel.basic_cancel(consumer)
        return found

    def _noted(self, tag: int, body: bytes) -> Incoming:
        self.unconfirmed[tag] = time.monotonic()
        return Incoming(body, f"{self.name}:{tag}")

    def _give_back(self) -> None:
        """Return what was received long ago and never confirmed."""
        before = time.monotonic() - self._lease_s
        for tag in [tag for tag, at in self.unconfirmed.items() if at < before]:
            self._channel.basic_nack(tag, requeue=True)
            del self.unconfirmed[tag]

    def confirm(self, tags: Sequence[int]) -> None:
        """Delete received messages; tags that are not known are ignored."""
        for tag in tags:
            if self.unconfirmed.pop(tag, None) is not None:
                self._channel.basic_ack(tag)

    def clear(self, queues: Sequence[str]) -> None:
        """Delete the messages of queues."""
        for queue in queues:
            self.declare(queue, again=True)
            self._channel.queue_purge(queue)

    def ping(self) -> None:
        """Prove that the server answers."""
        self._channel.basic_qos()

    def close(self) -> None:
        """Close the connection; what was not confirmed goes back into its queue."""
        with contextlib.suppress(*_FOREIGN):
            self.connection.close()


class Sessions:
    """The sessions of one process.

    Args:
        conf: The settings.
    """

    def __init__(self, conf: ConfigRabbitMQ) -> None:
        self._conf = conf
        self._lock = threading.Lock()
        self._connect = SharedConnect()
        self._free: list[Session] = []
        self._busy: dict[str, Session] = {}
        self._pid = os.getpid()
        urls = conf.rabbitmq_url.get_secret_value().split(",")
        self._parameters = [self._parameters_of(url.strip()) for url in urls]
        self.place = ", ".join(f"{each.host}:{each.port}" for each in self._parameters)
        logger = logging.getLogger("pika")  # it tells each failure of its own, with tracebacks
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.CRITICAL)

    def _parameters_of(self, url: str) -> pika.URLParameters:
        conf = self._conf
        try:
            parts = urlsplit(url)
            if parts.scheme not in ("amqp", "amqps") or not parts.hostname:
                raise ValueError(parts.scheme)
            parameters = pika.URLParameters(url)
        except (ValueError, TypeError, AttributeError, LookupError) as error:
            raise StorageError(
                "the setting 'rabbitmq_url' is not an address such as amqp://user:password@host:5672/%2F"
            ) from error
        parameters.heartbeat = conf.rabbitmq_heartbeat_seconds
        parameters.socket_timeout = parameters.stack_timeout = conf.rabbitmq_timeout_seconds
        parameters.blocked_connection_timeout = conf.rabbitmq_timeout_seconds
        if parameters.ssl_options is not None and (conf.rabbitmq_tls_ca_file or conf.rabbitmq_tls_cert_file):
            parameters.ssl_options = pika.SSLOptions(_tls_of(conf), parameters.host)
        return parameters

    def use(self, act: Callable[[Session], T]) -> T:
        """Do something with a session, which may be done twice if the connection has broken.

        Raises:
            StorageUnavailableError: The server does not answer.
            StorageError: It refuses.
        """
        session, began = self._taken(), time.monotonic()
        if session is not None:
            try:
                return self._used(session, act)
            except StorageUnavailableError:
                if time.monotonic() - began > self._conf.rabbitmq_timeout_seconds:
                    raise  # it hangs; else the connection may have broken long ago
        return self._used(self._new(), act)

    def _used(self, session: Session, act: Callable[[Session], T]) -> T:
        try:
            with told(self.place):
                result = act(session)
        except BaseException:
            self._drop(session)
            raise
        session.used_at = time.monotonic()
        with self._lock:
            if self._busy.pop(session.name, None) is not None:
                self._free.append(session)
        return result

    def _taken(self) -> Session | None:
        """Return a free session that is alive as far as one can tell."""
        while True:
            with self._lock:
                if self._pid != os.getpid():  # a fork has copied them; they belong to the parent
                    self._pid, self._free, self._busy = os.getpid(), [], {}
                if not self._free:
                    return None
                session = self._free.pop()
                is_stale = time.monotonic() - session.used_at > self._conf.rabbitmq_heartbeat_seconds
                if session.connection.is_open and not is_stale:
                    self._busy[session.name] = session
                    return session
            session.close()

    def _new(self) -> Session:
        session = self._connect.once(self._opened)
        with self._lock:
            self._busy[session.name] = session
        return session

    def _opened(self) -> Session:
        conf = self._conf
        with told(self.place):
            connection = BlockingConnection(self._parameters)
            arguments = {"x-queue-type": str(conf.rabbitmq_queue_type)}
            return Session(connection, arguments, conf.queue_lease_seconds)

    def _drop(self, session: Session) -> None:
        with self._lock:
            self._busy.pop(session.name, None)
        session.close()

    def confirm(self, name: str, tags: Sequence[int]) -> None:
        """Confirm what a session has received; nothing happens if it is gone."""
        with self._lock:
            busy = self._busy.get(name)
            free = next((each for each in self._free if each.name == name), None)
            if free is not None:
                self._free.remove(free)
                self._busy[name] = free
        if free is not None:
            self._confirm_now(free, tags)
        elif busy is not None:  # it is in the hands of another thread, which does it on its way
            with contextlib.suppress(*_FOREIGN):
                busy.connection.add_callback_threadsafe(lambda: busy.confirm(tags))

    def _confirm_now(self, session: Session, tags: Sequence[int]) -> None:
        try:
            session.confirm(tags)
        except _FOREIGN:  # then they come again
            self._drop(session)
            return
        with self._lock:
            del self._busy[session.name]
            self._free.append(session)

    def wake(self) -> None:
        """Let the sessions that wait look up."""
        with self._lock:
            busy = list(self._busy.values())
        for session in busy:
            with contextlib.suppress(*_FOREIGN):
                session.connection.add_callback_threadsafe(lambda: None)

    def close(self) -> None:
        """Close the sessions that nobody uses."""
        with self._lock:
            free, self._free = self._free, []
            is_own = self._pid == os.getpid()
        for session in free if is_own else []:
            session.close()


def _tls_of(conf: ConfigRabbitMQ) -> ssl.SSLContext:
    """Return what the settings say of TLS."""
    ca, cert, key = conf.rabbitmq_tls_ca_file, conf.rabbitmq_tls_cert_file, conf.rabbitmq_tls_key_file
    name, file = "rabbitmq_tls_ca_file", ca
    try:
        context = ssl.create_default_context(cafile=ca or None)
        if cert:
            name, file = "rabbitmq_tls_cert_file", cert
            context.load_cert_chain(cert, key or None)
    except (OSError, ValueError) as error:
        raise StorageError(f"the setting '{name}' names '{file}', which cannot be used: {error}") from error
    return context


@contextmanager
def told(place: str) -> Iterator[None]:
    """Translate the errors of the client."""
    try:
        yield
    except (ProbableAuthenticationError, ProbableAccessDeniedError) as error:
        raise StorageError(
            f"RabbitMQ at {place} refuses the user: check user, password and virtual host in 'rabbitmq_url'"
        ) from error
    except pika.exceptions.ChannelClosedByBroker as error:
        told_by = f"RabbitMQ at {place} refuses: {error.reply_text}"
        if error.reply_code == 406:
            raise StorageError(
                f"{told_by}. The queue exists with another type: delete it, or set 'rabbitmq_queue_type' back"
            ) from error
        raise StorageUnavailableError(told_by) from error
    except _FOREIGN as error:
        raise StorageUnavailableError(f"RabbitMQ at {place} does not answer: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    """Return why a call has failed; the client puts the reason into its exceptions, layer upon layer."""
    while error.args and isinstance(error.args[0], BaseException):
        error = error.args[0]
    inner = getattr(error, "exception", None)
    return str(inner or error) or type(error).__name__
