"""Codecs: what comes back is what went in, or there is an error that says why."""

from __future__ import annotations

import contextlib
import tracemalloc
import zlib

import pytest
import zstandard
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from pynenc.exceptions import CodecError, ConfigError
from pynenc.storage.codecs import Codec, Codecs, FernetCodec, ZlibCodec, ZstdCodec

CLASSES: dict[str, type[Codec]] = {"zlib": ZlibCodec, "zstd": ZstdCodec, "fernet": FernetCodec}
KEYS = [Fernet.generate_key().decode() for _ in range(3)]
CHAINS = [(), ("zlib",), ("zstd",), ("fernet",), ("zstd", "fernet"), ("fernet", "zlib")]
MB = 1024 * 1024


@pytest.mark.parametrize("chain", CHAINS)
@given(text=st.text(st.characters(exclude_categories=())))
def test_a_text_comes_back(chain: tuple[str, ...], text: str) -> None:
    codecs = Codecs(chain, KEYS, CLASSES)
    stored = codecs.encode_text(text)
    assert stored.isascii() or chain == ()
    assert codecs.decode_text(codecs.header, stored, 0) == text


@pytest.mark.parametrize("chain", CHAINS[1:])
@given(stored=st.text(max_size=60), header=st.sampled_from(["", "zlib", "zstd+fernet", "none", "+"]))
def test_any_other_text_is_refused_or_read(chain: tuple[str, ...], stored: str, header: str) -> None:
    codecs = Codecs(chain, KEYS, CLASSES)
    with contextlib.suppress(CodecError):
        codecs.decode_text(header, stored, 1000)


def test_the_first_key_writes_and_all_read() -> None:
    old, new = Codecs(["fernet"], KEYS[:1], CLASSES), Codecs(["fernet"], [KEYS[1], KEYS[0]], CLASSES)
    assert new.decode_text("fernet", old.encode_text("x"), 0) == "x"
    with pytest.raises(CodecError, match="codec_keys"):
        old.decode_text("fernet", new.encode_text("x"), 0)


def test_others_cannot_guess_a_content_from_its_hash() -> None:
    plain, keyed, rotated = (Codecs((), keys, CLASSES) for keys in ([], KEYS[:1], KEYS[1::-1]))
    assert plain.content_of("x") != keyed.content_of("x") != rotated.content_of("x")
    assert keyed.content_of("x") in rotated.contents_of("x")
    assert plain.content_of("x") in keyed.contents_of("x")


@pytest.mark.parametrize("name", ["zlib", "zstd"])
def test_a_small_text_never_becomes_a_huge_one(name: str) -> None:
    compress = zlib.compress if name == "zlib" else zstandard.ZstdCompressor().compress
    bomb = compress(b"\0" * 200 * MB)
    assert len(bomb) < MB
    codecs = Codecs([name], [], CLASSES)
    tracemalloc.start()
    with pytest.raises(CodecError, match="max_value_bytes"):
        codecs.decode(name, bomb, MB)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 * MB
    assert len(codecs.decode(name, compress(b"\0" * MB), MB)) == MB


@pytest.mark.parametrize(("name", "data"), [("zlib", b"x"), ("zstd", b"x"), ("fernet", b"x"), ("new", b"x")])
def test_damaged_bytes_are_refused(name: str, data: bytes) -> None:
    with pytest.raises(CodecError):
        Codecs([], KEYS, CLASSES).decode(name, data, 0)


def test_a_compressed_text_without_its_end_is_refused() -> None:
    with pytest.raises(CodecError, match="end is missing"):
        Codecs([], [], CLASSES).decode("zlib", zlib.compress(b"x" * 1000)[:-3], 0)


def test_a_frame_that_does_not_tell_its_size_is_refused() -> None:
    packer = zstandard.ZstdCompressor(write_content_size=False).compressobj()
    data = packer.compress(b"x" * 1000) + packer.flush()
    with pytest.raises(CodecError, match="does not tell its size"):
        ZstdCodec(()).decode(data, 0)


@pytest.mark.parametrize(
    ("chain", "keys", "message"),
    [
        (["some"], [], "no codec 'some'; installed: fernet, none, zlib, zstd"),
        (["fernet"], [], "needs a key in the setting 'codec_keys'"),
        (["fernet"], ["short"], "generate_key"),
    ],
)
def test_what_cannot_work_is_refused_at_the_start(chain: list[str], keys: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as raised:
        Codecs(chain, keys, CLASSES)
    assert not any(key in str(raised.value) for key in keys)
