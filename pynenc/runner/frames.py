"""The conversation between a runner and the process that runs a body, by two byte streams."""

from __future__ import annotations

import threading
from typing import IO, TypeAlias

import msgspec

from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle.parking import Parking
from pynenc.lifecycle.run_log import Failure

_LENGTH_BYTES = 4
_LARGEST = 64 * 1024 * 1024
ENDINGS = frozenset(
    [InvocationStatus.SUCCESS, InvocationStatus.FAILED, InvocationStatus.CANCELLED, InvocationStatus.RETRY]
)
"""The statuses with which a body may end."""


class Stop(msgspec.Struct, frozen=True, tag="stop"):
    """Asks the body to end.

    Attributes:
        is_cancelled: Whether it was cancelled; otherwise its time is over.
        reason: The message of the error.
    """

    is_cancelled: bool
    reason: str


class GoOn(msgspec.Struct, frozen=True, tag="go_on"):
    """Answers `Waits` and `WaitIsOver`."""


class Begun(msgspec.Struct, frozen=True, tag="begun"):
    """Tells that the order was read and the body is about to begin."""


class CannotBegin(msgspec.Struct, frozen=True, tag="cannot_begin"):
    """Tells why the body cannot begin in this process."""

    reason: str


class Waits(msgspec.Struct, frozen=True, tag="waits"):
    """Tells that the body waits for other invocations."""

    invocation_ids: list[str]


class WaitIsOver(msgspec.Struct, frozen=True, tag="wait_is_over"):
    """Tells that the body does not wait any more."""


class Ended(msgspec.Struct, frozen=True, tag="ended"):
    """Tells how the body has ended; the fields are those of `Finished`."""

    status: InvocationStatus
    payload: str
    not_before: float = 0.0
    parking: Parking | None = None
    has_steps: bool = False
    failure: Failure | None = None
    seconds: float = 0.0


ToBody: TypeAlias = Stop | GoOn
FromBody: TypeAlias = Begun | CannotBegin | Waits | WaitIsOver | Ended


class Frames:
    """Writes and reads frames: their length in four bytes, then so many bytes.

    Args:
        reader: Where the other side's come from.
        writer: Where ours go.
    """

    def __init__(self, reader: IO[bytes], writer: IO[bytes]) -> None:
        self._reader = reader
        self._writer = writer
        self._lock = threading.Lock()

    def send_bytes(self, content: bytes) -> None:
        """Send a frame.

        Raises:
            OSError: Nobody reads it any more.
        """
        try:
            with self._lock:
                self._writer.write(len(content).to_bytes(_LENGTH_BYTES, "big") + content)
                self._writer.flush()
        except ValueError as error:  # the stream is closed
            raise OSError(str(error)) from error

    def receive_bytes(self, most: int = _LARGEST) -> bytes:
        """Receive a frame.

        Raises:
            EOFError: The other side is gone, or what comes is not a frame.
        """
        length = int.from_bytes(self._exactly(_LENGTH_BYTES), "big")
        if length > most:
            raise EOFError(f"a frame of {length:,} bytes, of which at most {most:,} may come")
        return self._exactly(length)

    def _exactly(self, count: int) -> bytes:
        content = bytearray()
        while len(content) < count:
            try:
                more = self._reader.read(count - len(content))
            except (OSError, ValueError) as error:
                raise EOFError(str(error)) from error
            if not more:
                raise EOFError(f"the stream has ended after {len(content):,} of {count:,} bytes")
            content += more
        return bytes(content)

    def send(self, message: ToBody | FromBody) -> None:
        """Send a message."""
        self.send_bytes(msgspec.msgpack.encode(message))

    def receive_for_body(self) -> ToBody:
        """Receive what the runner says.

        Raises:
            EOFError: It is gone.
        """
        found: ToBody = msgspec.msgpack.decode(self.receive_bytes(), type=ToBody)
        return found

    def receive_from_body(self) -> FromBody:
        """Receive what the body's process says.

        Raises:
            EOFError: It is gone, or says something that is not understood.
        """
        try:
            found: FromBody = msgspec.msgpack.decode(self.receive_bytes(), type=FromBody)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise EOFError(f"what came is not understood: {error}") from error
        if isinstance(found, Ended) and found.status not in ENDINGS:
            raise EOFError(f"a body cannot end as {found.status}")
        return found
