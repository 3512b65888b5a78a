"""Client data stores: large values, kept once."""

from pynenc.client_data_store.base_client_data_store import BaseClientDataStore

__all__ = [
    "BaseClientDataStore",
]
