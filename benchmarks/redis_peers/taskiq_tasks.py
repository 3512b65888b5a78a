"""Taskiq's broker and its no-op task."""

import os

from taskiq_redis import ListQueueBroker, RedisAsyncResultBackend

results = RedisAsyncResultBackend(os.environ["BENCH_REDIS"] + "/1")
broker = ListQueueBroker(os.environ["BENCH_REDIS"] + "/0").with_result_backend(results)


@broker.task
async def add(x: int, y: int) -> int:
    return x + y
