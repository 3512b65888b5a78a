from pynenc.storage.base_storage import Storage as Storage
from pynenc.storage.drivers import StorageDriver as StorageDriver
from pynenc.storage.subscription import Subscription as Subscription
