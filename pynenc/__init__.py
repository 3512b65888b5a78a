"""pynenc: distributed tasks for Python.

Decorate functions, call them, and runners on any number of machines execute them.
"""

from pynenc.app import Pynenc
from pynenc.builder import PynencBuilder
from pynenc.conf.config_task import ConcurrencyControlType
from pynenc.exceptions import PynencError, RetryError
from pynenc.interruption import check_interruption, is_interrupted
from pynenc.plugins.hookspecs import hookimpl
from pynenc.task import Task

__version__ = "0.1.0"

__all__ = [
    "ConcurrencyControlType",
    "Pynenc",
    "PynencBuilder",
    "PynencError",
    "RetryError",
    "Task",
    "__version__",
    "check_interruption",
    "hookimpl",
    "is_interrupted",
]
