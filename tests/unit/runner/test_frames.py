"""What a runner and the process of a body say to each other, and what else may come by these streams."""

from __future__ import annotations

import io
import os

import msgspec
import pytest

from pynenc.invocation.status import InvocationStatus
from pynenc.runner.frames import Ended, Frames, GoOn, Stop, WaitIsOver, Waits

SUCCESS = InvocationStatus.SUCCESS


def frame(content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + content


def reading(content: bytes) -> Frames:
    return Frames(io.BytesIO(content), io.BytesIO())


@pytest.mark.parametrize(
    "message",
    [Waits(["a", "b"]), WaitIsOver(), Ended(SUCCESS, "x" * 100_000), Ended(SUCCESS, "\x00ü", has_steps=True)],
    ids=lambda each: type(each).__name__,
)
def test_what_a_body_says_comes_as_it_was_said(message: Waits | WaitIsOver | Ended) -> None:
    stream = io.BytesIO()
    Frames(io.BytesIO(), stream).send(message)
    assert reading(stream.getvalue()).receive_from_body() == message


@pytest.mark.parametrize("message", [Stop(True, "cancelled"), Stop(False, "ü"), GoOn()])
def test_what_a_runner_says_comes_as_it_was_said(message: Stop | GoOn) -> None:
    stream = io.BytesIO()
    Frames(io.BytesIO(), stream).send(message)
    assert reading(stream.getvalue()).receive_for_body() == message


def test_a_frame_may_come_in_pieces() -> None:
    here, there = os.pipe()
    with os.fdopen(here, "rb", buffering=0) as reader, os.fdopen(there, "wb", buffering=0) as writer:
        content = frame(msgspec.msgpack.encode(Waits(["abc"])))
        for byte in content:
            writer.write(bytes([byte]))
        assert Frames(reader, io.BytesIO()).receive_from_body() == Waits(["abc"])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00",
        b"\x00\x00\x00\x05ab",
        b"\xff\xff\xff\xff" + b"x" * 100,
        b"hello from a library that prints\n",
        frame(b""),
        frame(b"\xc1"),
        frame(msgspec.msgpack.encode({"type": "unheard-of"})),
        frame(msgspec.msgpack.encode({"type": "ended", "status": "success"})),
        frame(msgspec.msgpack.encode({"type": "ended", "status": "nonsense", "payload": ""})),
        frame(msgspec.msgpack.encode({"type": "ended", "status": "registered", "payload": ""})),
        frame(msgspec.msgpack.encode({"type": "ended", "status": "running", "payload": ""})),
        frame(msgspec.msgpack.encode({"type": "ended", "status": "success", "payload": 5})),
        frame(msgspec.msgpack.encode({"type": "waits", "invocation_ids": "abc"})),
        frame(msgspec.msgpack.encode(Stop(True, "a runner does not hear this"))),
        frame(b"\x91" * 100_000),
    ],
)
def test_what_is_not_understood_ends_the_conversation(content: bytes) -> None:
    with pytest.raises(EOFError):
        reading(content).receive_from_body()


def test_nobody_to_send_to_is_an_error() -> None:
    closed = io.BytesIO()
    closed.close()
    with pytest.raises(OSError, match="closed"):
        Frames(io.BytesIO(), closed).send(GoOn())
    with pytest.raises(EOFError):
        Frames(closed, io.BytesIO()).receive_from_body()
