"""Requests from coroutines: our way, by threads, beside the clients for asyncio of the same libraries.

`python -m benchmarks.async_clients`. Each request writes one small record and reads it back, 64 at a time in
one event loop. Three rounds in turn; requests a second, medians, and the longest pause of a coroutine that
ticks beside them.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pymongo
import redis
import redis.asyncio

from benchmarks.engines import engine
from pynenc.storage.beside_loop import beside_loop

_REQUESTS, _AT_ONCE, _ROUNDS = 4000, 64, 3

Request = Callable[[int], Awaitable[object]]


async def _measured(request: Request) -> tuple[float, float]:
    """Return how many requests a second there are, and the longest pause of the loop in ms."""
    gate, longest = asyncio.Semaphore(_AT_ONCE), 0.0

    async def one(number: int) -> None:
        async with gate:
            await request(number)

    async def tick() -> None:
        nonlocal longest
        while True:
            begun = time.perf_counter()
            await asyncio.sleep(0.001)
            longest = max(longest, time.perf_counter() - begun - 0.001)

    for number in range(200):
        await one(number)
    ticking = asyncio.ensure_future(tick())
    begun = time.perf_counter()
    await asyncio.gather(*(one(number) for number in range(_REQUESTS)))
    took = time.perf_counter() - begun
    ticking.cancel()
    return _REQUESTS / took, longest * 1000


async def _of_redis(url: str) -> dict[str, Request]:
    plain, own = redis.Redis.from_url(url), redis.asyncio.Redis.from_url(url)

    def blocking(number: int) -> object:
        pipeline = plain.pipeline(transaction=True)
        pipeline.hset(f"k{number}", mapping={"a": "1", "b": "x" * 100})
        pipeline.hgetall(f"k{number}")
        return pipeline.execute()

    async def awaiting(number: int) -> object:
        pipeline = own.pipeline(transaction=True)
        pipeline.hset(f"k{number}", mapping={"a": "1", "b": "x" * 100})
        pipeline.hgetall(f"k{number}")
        return await pipeline.execute()

    return {"redis, threads": lambda number: beside_loop(lambda: blocking(number)), "redis.asyncio": awaiting}


async def _of_mongo(url: str) -> dict[str, Request]:
    plain = pymongo.MongoClient[dict[str, object]](url)["bench"]["records"]
    own = pymongo.AsyncMongoClient[dict[str, object]](url)["bench"]["records"]

    def blocking(number: int) -> object:
        plain.update_one({"_id": number}, {"$set": {"a": 1, "b": "x" * 100}}, upsert=True)
        return plain.find_one({"_id": number})

    async def awaiting(number: int) -> object:
        await own.update_one({"_id": number}, {"$set": {"a": 1, "b": "x" * 100}}, upsert=True)
        return await own.find_one({"_id": number})

    return {
        "pymongo, threads": lambda number: beside_loop(lambda: blocking(number)),
        "pymongo async": awaiting,
    }


async def _compared(make: Callable[[str], Awaitable[dict[str, Request]]], url: str) -> None:
    requests = await make(url)
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in requests}
    for _ in range(_ROUNDS):
        for name, request in requests.items():
            found[name].append(await _measured(request))
    for name, rounds in found.items():
        rate = statistics.median(rate for rate, _ in rounds)
        pause = statistics.median(pause for _, pause in rounds)
        print(f"{name:<18} {rate:,.0f} a second, longest pause {pause:.1f} ms", flush=True)


def main() -> None:
    """Entry point."""
    with tempfile.TemporaryDirectory() as folder, engine("redis", Path(folder)):
        asyncio.run(_compared(_of_redis, os.environ["PYNENC__REDIS_URL"]))
    with tempfile.TemporaryDirectory() as folder, engine("mongo", Path(folder)):
        asyncio.run(_compared(_of_mongo, os.environ["PYNENC__MONGO_URL"]))


if __name__ == "__main__":
    main()
