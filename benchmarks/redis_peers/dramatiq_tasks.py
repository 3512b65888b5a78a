"""Dramatiq's broker and its no-op actor."""

import os
import time

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

broker = RedisBroker(url=os.environ["BENCH_REDIS"] + "/0")
backend = RedisBackend(url=os.environ["BENCH_REDIS"] + "/1")
broker.add_middleware(Results(backend=backend))
dramatiq.set_broker(broker)


@dramatiq.actor(store_results=True)
def add(x: int, y: int) -> int:
    return x + y


@dramatiq.actor(store_results=True)
def rest(seconds: float) -> bool:
    time.sleep(seconds)
    return True
