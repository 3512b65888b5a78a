"""A program of a user that type checkers accept."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import assert_type

from pynenc import ConcurrencyControlType, Pynenc, Task
from pynenc.calls.interfaces import BaseInvocation, InvocationGroup
from pynenc.invocation import DistributedInvocation, InvocationStatus
from pynenc.trigger import on_cron, on_event

app = Pynenc({"app_id": "typed"})


@app.task
def add(x: int, y: int = 1) -> int:
    return x + y


@app.task(max_retries=3, retry_for=(ValueError, OSError), queue="fast", priority=0.5, timeout=60)
def load(url: str) -> bytes:
    return url.encode()


@app.task(running_concurrency=ConcurrencyControlType.KEYS, key_arguments=("url",))
async def fetch(url: str) -> dict[str, int]:
    return {url: 1}


@app.task(triggers=[on_cron("0 0 * * *"), on_event("paid")], registration_concurrency="task")
def report() -> None: ...


@app.workflow
def order(order_id: str) -> str:
    payment = order.wf.execute_task(add, 1, y=2)
    assert_type(payment.result, int)
    bytes_of = order.wf.execute_task(load.options(delay=5), "u").result
    assert_type(bytes_of, bytes)
    return order.wf.step("name", lambda: order_id)


@app.workflow(max_retries=2)
async def later(day: datetime) -> list[str]:
    return [str(day)]


@app.direct_task
def twice(x: int) -> int:
    return 2 * x


@app.direct_task(parallel_func=lambda arguments: [(1,), (2,)], aggregate_func=sum, max_retries=1)
def thrice(x: int) -> int:
    return 3 * x


def use() -> None:
    invocation = add(1, y=2)
    assert_type(invocation.result, int)
    assert_type(add(1).wait(timeout_s=5), int)
    assert_type(fetch("u").result, dict[str, int])
    assert_type(later(datetime.now(UTC)).result, list[str])
    assert_type(order("o").result, str)
    assert_type(load("u").status, InvocationStatus)
    assert_type(load("u").error, BaseException | None)
    assert_type(twice(1), int)
    assert_type(thrice(1), int)
    group = add.parallelize([(1, 2), {"x": 1}, add.args(3)], common_args={"y": 1})
    whole: InvocationGroup[..., int] = group
    first: BaseInvocation[..., int] = whole[0]
    assert_type(first.result, int)
    assert_type(group.results, Iterator[int])
    assert_type(group.result, list[int])
    assert_type(group.outcomes(), list[int | BaseException])
    assert_type(group.status, dict[InvocationStatus, int])
    for each in group.as_completed(timeout_s=1):
        assert_type(each.result, int)
    quick = add.options(delay=timedelta(seconds=1), queue="fast", priority=1.5, timeout=None)
    assert_type(quick(1, 2).result, int)
    group.cancel()
    task: Task[[int, int], int] = add
    handle = app.get_invocation(invocation.invocation_id)
    if isinstance(handle, DistributedInvocation):
        print(handle.history, task.conf.queue)


async def use_async() -> None:
    assert_type(await add(1).async_result(), int)
    assert_type(await fetch("u").async_result(timeout_s=1), dict[str, int])
    async for each in fetch.parallelize([("u",)]).async_results():
        assert_type(each, dict[str, int])
    assert_type(await add.parallelize([(1,)]).async_result(), list[int])
