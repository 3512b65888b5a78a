from pynenc.broker.base_broker import BaseBroker as BaseBroker
from pynenc.broker.storage_broker import MemBroker as MemBroker
from pynenc.broker.storage_broker import SQLiteBroker as SQLiteBroker
