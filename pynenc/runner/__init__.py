"""Runners: they execute invocations."""

from pynenc.identifiers.doors import lazy_door

__getattr__, __dir__, __all__ = lazy_door(
    __name__,
    {
        "AsyncRunner": "pynenc.runner.async_runner",
        "BaseEngine": "pynenc.runner.base_engine",
        "BaseRunner": "pynenc.runner.base_runner",
        "BodyRunner": "pynenc.runner.body_runner",
        "DummyRunner": "pynenc.runner.external_runner",
        "EngineRunner": "pynenc.runner.engine_runner",
        "ExternalRunner": "pynenc.runner.external_runner",
        "MultiThreadRunner": "pynenc.runner.multi_thread_runner",
        "PersistentProcessRunner": "pynenc.runner.persistent_process_runner",
        "ProcessRunner": "pynenc.runner.process_runner",
        "ThreadRunner": "pynenc.runner.thread_runner",
        "Work": "pynenc.runner.work",
    },
)
