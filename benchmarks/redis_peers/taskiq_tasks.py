"""Taskiq's broker and its no-op task."""

import asyncio
import os

from taskiq_redis import ListQueueBroker, RedisAsyncResultBackend

results = RedisAsyncResultBackend(os.environ["BENCH_REDIS"] + "/1")
broker = ListQueueBroker(os.environ["BENCH_REDIS"] + "/0").with_result_backend(results)


@broker.task
async def add(x: int, y: int) -> int:
    return x + y


@broker.task
async def rest(seconds: float) -> None:
    await asyncio.sleep(seconds)
