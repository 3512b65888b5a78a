"""The promises of a client data store."""

from __future__ import annotations

import pytest

from pynenc.app import Pynenc
from pynenc.exceptions import ClientDataNotFoundError
from pynenc.testing.app_fixtures import AppFixtures, MakeApp

_LARGE = "large value " * 1000


class ClientDataStoreSuite(AppFixtures):
    """Large values: stored once by content, small ones left alone."""

    def test_small_texts_stand_for_themselves(self, app: Pynenc) -> None:
        texts = ["1", "", "@odd", "@ref:odd", "@raw:odd"]
        packed = app.client_data_store.pack(texts)
        assert packed[:2] == ["1", ""]
        assert app.client_data_store.unpack(packed) == texts

    def test_equal_large_texts_are_kept_once(self, app: Pynenc) -> None:
        packed = app.client_data_store.pack([_LARGE, "small", _LARGE])
        assert packed[0] == packed[2]
        assert len(packed[0]) < 100
        assert app.client_data_store.unpack(packed) == [_LARGE, "small", _LARGE]

    def test_another_process_can_read_them(self, app: Pynenc) -> None:
        packed = app.client_data_store.pack([_LARGE])
        app.client_data_store.forget()
        assert app.client_data_store.unpack(packed) == [_LARGE]

    @pytest.mark.parametrize("text", ["ünï" * 1000, "\ud800 lone surrogate" * 100, "\x00" * 2000])
    def test_odd_texts_come_back(self, app: Pynenc, text: str) -> None:
        packed = app.client_data_store.pack([text])
        app.client_data_store.forget()
        assert app.client_data_store.unpack(packed) == [text]

    def test_compressed_values_can_be_read_by_all(self, app: Pynenc, make_app: MakeApp) -> None:
        app.client_data_store.conf.compression_enabled = True
        packed = app.client_data_store.pack([_LARGE])
        app.client_data_store.conf.compression_enabled = False
        app.client_data_store.forget()
        assert app.client_data_store.unpack(packed) == [_LARGE]
        (blob,) = app.client_data_store.get([packed[0].removeprefix("@ref:")])
        assert blob is not None
        assert len(blob) < len(_LARGE) / 10

    def test_values_beyond_the_bounds_stay_inside(self, app: Pynenc) -> None:
        conf = app.client_data_store.conf
        conf.max_size_to_cache = 5000
        assert app.client_data_store.pack([_LARGE]) == [_LARGE]
        conf.max_size_to_cache = 0
        conf.disable_client_data_store = True
        assert app.client_data_store.pack([_LARGE]) == [_LARGE]

    def test_a_value_that_is_gone_is_a_clear_error(self, app: Pynenc) -> None:
        packed = app.client_data_store.pack([_LARGE])
        app.client_data_store.forget()
        app.client_data_store.delete([packed[0].removeprefix("@ref:")])
        with pytest.raises(ClientDataNotFoundError, match="purged"):
            app.client_data_store.unpack(packed)

    def test_values_are_stored_by_key(self, app: Pynenc) -> None:
        app.client_data_store.put({"a": b"1", "b": b"2"})
        assert app.client_data_store.get(["b", "no", "a"]) == [b"2", None, b"1"]
        app.client_data_store.delete(["a", "no"])
        assert app.client_data_store.get(["a", "b"]) == [None, b"2"]
