from pynenc.runner.async_runner import AsyncRunner as AsyncRunner
from pynenc.runner.base_runner import BaseRunner as BaseRunner
from pynenc.runner.external_runner import DummyRunner as DummyRunner
from pynenc.runner.external_runner import ExternalRunner as ExternalRunner
from pynenc.runner.multi_thread_runner import MultiThreadRunner as MultiThreadRunner
from pynenc.runner.persistent_process_runner import PersistentProcessRunner as PersistentProcessRunner
from pynenc.runner.process_runner import ProcessRunner as ProcessRunner
from pynenc.runner.thread_runner import ThreadRunner as ThreadRunner
