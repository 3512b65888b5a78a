"""How each peer submits, works and gives results."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import redis

from benchmarks.peers import WAIT_S, Contender, Ours


class Peer(Contender):
    """What the peers have in common: a command line that starts workers, results that are counted."""

    module: ClassVar[str]
    packages: ClassVar[tuple[str, ...]]
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self, url: str) -> None:
        os.environ["BENCH_REDIS"] = url
        self.url = url
        self.tasks = importlib.import_module(f"benchmarks.redis_peers.{self.module}")
        self.results = redis.Redis.from_url(url + "/1")

    def command(self, processes: int) -> Sequence[str]:
        """Starts the workers."""
        raise NotImplementedError

    def copies(self, processes: int) -> int:
        """How often to run the command."""
        return 1

    def done(self) -> int:
        return int(self.results.dbsize())

    @contextmanager
    def workers(self, processes: int) -> Iterator[None]:
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        started = [
            subprocess.Popen(
                [sys.executable, "-m", *self.command(processes)], start_new_session=True, **silent
            )  # type: ignore[call-overload]
            for _ in range(self.copies(processes))
        ]
        try:
            yield
        finally:
            for process in started:
                process.send_signal(self.stop_signal)
            for process in started:
                try:
                    process.wait(15)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()

    def rest(self, count: int, seconds: float) -> None:
        """Submit tasks that only sleep."""
        raise NotImplementedError


def kill_workers() -> None:
    """Every process that this one started but the server, at once."""
    for pid in worker_pids():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def worker_pids() -> list[int]:
    """Processes that this one started, and theirs; not the server."""
    command = ["ps", "-eo", "pid=,ppid=,comm="]
    table = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rows = [(int(pid), int(parent), name) for pid, parent, name in map(str.split, table.splitlines())]
    found: list[int] = []
    fresh = {os.getpid()}
    while fresh:
        fresh = {
            pid for pid, parent, name in rows if parent in fresh and not name.startswith(("redis", "ps"))
        }
        found += sorted(fresh)
    return found


def commands_per_invocation(url: str, live: Callable[[], None], count: int) -> dict[str, float]:
    """What the server did for each of some invocations: requests of clients, and commands in scripts.

    Args:
        url: The server.
        live: Runs the invocations to their ends.
        count: How many these are.
    """
    with redis.Redis.from_url(url) as client:
        before = _calls(client)
        live()
        after = _calls(client)
    more = {name: calls - before.get(name, 0) for name, calls in after.items()}
    sent = sum(calls for name, calls in more.items() if name in _SENT)
    return {"requests": sent / count, "commands in scripts": (sum(more.values()) - sent) / count}


_SENT = ("cmdstat_evalsha", "cmdstat_subscribe", "cmdstat_unsubscribe", "cmdstat_time", "cmdstat_info")


def _calls(client: redis.Redis) -> dict[str, int]:
    return {name: int(stats["calls"]) for name, stats in client.info("commandstats").items()}


class CeleryRedis(Peer):
    """Celery with prefork workers."""

    name = "Celery"
    module, packages = "celery_tasks", ("celery",)

    def command(self, processes: int) -> Sequence[str]:
        app = "benchmarks.redis_peers.celery_tasks"
        return ("celery", "-A", app, "worker", "-c", str(processes), "-l", "critical")

    def submit(self, count: int) -> None:
        for number in range(count):
            self.tasks.add.delay(number, 1)

    def rest(self, count: int, seconds: float) -> None:
        for _ in range(count):
            self.tasks.rest.delay(seconds)

    def gather(self, count: int) -> int:
        results = [self.tasks.add.delay(number, 1) for number in range(count)]
        return sum(result.get(timeout=WAIT_S) for result in results)

    def round_trip(self) -> None:
        assert self.tasks.add.delay(1, 1).get(timeout=WAIT_S) == 2


class DramatiqRedis(Peer):
    """Dramatiq, one thread in each process."""

    name = "Dramatiq"
    module, packages = "dramatiq_tasks", ("dramatiq",)

    def command(self, processes: int) -> Sequence[str]:
        return ("dramatiq", "benchmarks.redis_peers.dramatiq_tasks", "-p", str(processes), "-t", "1")

    def submit(self, count: int) -> None:
        for number in range(count):
            self.tasks.add.send(number, 1)

    def rest(self, count: int, seconds: float) -> None:
        for _ in range(count):
            self.tasks.rest.send(seconds)

    def _result(self, message: Any) -> int:
        return int(message.get_result(backend=self.tasks.backend, block=True, timeout=int(WAIT_S * 1000)))

    def gather(self, count: int) -> int:
        messages = [self.tasks.add.send(number, 1) for number in range(count)]
        return sum(map(self._result, messages))

    def round_trip(self) -> None:
        assert self._result(self.tasks.add.send(1, 1)) == 2


class HueyRedis(Peer):
    """Huey with worker processes."""

    name = "Huey"
    module, packages = "huey_tasks", ("huey",)
    stop_signal = signal.SIGINT

    def command(self, processes: int) -> Sequence[str]:
        app = "benchmarks.redis_peers.huey_tasks.huey"
        return ("huey.bin.huey_consumer", app, "-w", str(processes), "-k", "process", "-q")

    def done(self) -> int:
        return int(self.tasks.huey.result_count())

    def submit(self, count: int) -> None:
        for number in range(count):
            self.tasks.add(number, 1)

    def rest(self, count: int, seconds: float) -> None:
        for _ in range(count):
            self.tasks.rest(seconds)

    def gather(self, count: int) -> int:
        results = [self.tasks.add(number, 1) for number in range(count)]
        return sum(result.get(blocking=True, timeout=WAIT_S) for result in results)

    def round_trip(self) -> None:
        assert self.tasks.add(1, 1).get(blocking=True, timeout=WAIT_S) == 2


class RqRedis(Peer):
    """RQ with its default worker."""

    name = "RQ"
    module, packages = "rq_tasks", ("rq",)

    def __init__(self, url: str) -> None:
        super().__init__(url)
        from rq import Queue  # noqa: PLC0415 - only where it is measured

        self._queue = Queue(connection=redis.Redis.from_url(url + "/0"))

    def command(self, processes: int) -> Sequence[str]:
        return ("rq.cli", "worker", "--url", self.url + "/0", "--quiet")

    def copies(self, processes: int) -> int:
        return processes

    def done(self) -> int:
        return int(self._queue.finished_job_registry.get_job_count(cleanup=False))

    def submit(self, count: int) -> None:
        for number in range(count):
            self._queue.enqueue(self.tasks.add, number, 1)

    def rest(self, count: int, seconds: float) -> None:
        for _ in range(count):
            self._queue.enqueue(self.tasks.rest, seconds)

    def _result(self, job: Any) -> int:
        result = job.latest_result(timeout=int(WAIT_S))
        return int(result.return_value)

    def gather(self, count: int) -> int:
        jobs = [self._queue.enqueue(self.tasks.add, number, 1) for number in range(count)]
        return sum(map(self._result, jobs))

    def round_trip(self) -> None:
        assert self._result(self._queue.enqueue(self.tasks.add, 1, 1)) == 2


class TaskiqRedis(Peer):
    """Taskiq with worker processes."""

    name = "Taskiq"
    module, packages = "taskiq_tasks", ("taskiq", "taskiq_redis")

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self._wait(self.tasks.broker.startup())

    def _wait(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(WAIT_S)

    def command(self, processes: int) -> Sequence[str]:
        return ("taskiq", "worker", "benchmarks.redis_peers.taskiq_tasks:broker", "--workers", str(processes))

    async def _submit(self, count: int) -> list[Any]:
        return [await self.tasks.add.kiq(number, 1) for number in range(count)]

    def submit(self, count: int) -> None:
        self._wait(self._submit(count))

    async def _rest(self, count: int, seconds: float) -> None:
        for _ in range(count):
            await self.tasks.rest.kiq(seconds)

    def rest(self, count: int, seconds: float) -> None:
        self._wait(self._rest(count, seconds))

    async def _gather(self, count: int) -> int:
        sent = await self._submit(count)
        found = await asyncio.gather(
            *(task.wait_result(check_interval=0.005, timeout=WAIT_S) for task in sent)
        )
        return sum(each.return_value for each in found)

    def gather(self, count: int) -> int:
        return int(self._wait(self._gather(count)))

    async def _round_trip(self) -> int:
        sent = await self.tasks.add.kiq(1, 1)
        return int((await sent.wait_result(check_interval=0.001, timeout=WAIT_S)).return_value)

    def round_trip(self) -> None:
        assert self._wait(self._round_trip()) == 2


class OursRedis(Ours):
    """pynenc on Redis."""

    packages: ClassVar[tuple[str, ...]] = ("pynenc_redis",)

    def __init__(self, url: str) -> None:
        os.environ["PYNENC__REDIS_URL"] = url + "/0"
        super().__init__("redis", "")
        self.name = "pynenc"

    def rest(self, count: int, seconds: float) -> None:
        """Submit tasks that only sleep."""
        self._sleep.parallelize([(seconds,) for _ in range(count)])

    @contextmanager
    def workers(self, processes: int) -> Iterator[None]:
        # A runner of its own process, as the others have it.
        os.environ["PYNENC__NUM_PROCESSES"] = str(processes)
        command = [sys.executable, "-m", "pynenc.cli.main", "--app", "benchmarks.noop_tasks.app"]
        runner = subprocess.Popen([*command, "runner", "start"])
        try:
            yield
        finally:
            runner.send_signal(signal.SIGTERM)
            runner.wait()


CONTENDERS: dict[str, type[Any]] = {
    "pynenc": OursRedis,
    "celery": CeleryRedis,
    "dramatiq": DramatiqRedis,
    "huey": HueyRedis,
    "rq": RqRedis,
    "taskiq": TaskiqRedis,
}
