"""A program of a hundred lines that uses what the manual shows, and that type checkers accept."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, assert_type

from pynenc import Pynenc, PynencBuilder, RetryError, check_interruption
from pynenc.exceptions import InvocationCancelledError, PynencError
from pynenc.testing import (
    Rehearsal,
    Submissions,
    explore_crashes,
    in_memory,
    rehearsing,
    synchronous,
    working,
)
from pynenc.trigger import all_of, on_any_result, on_cron, on_event, on_interval, on_result, on_success
from pynenc.trigger.conditions import EventContext

app = PynencBuilder().app_id("everything").sqlite("x.db").thread_runner(max_threads=4).build()
other = Pynenc({"app_id": "everything_else", "task_modules": ["shop.*.tasks"], "embedded_runner": False})


@dataclass
class Order:
    """A value of the program."""

    order_id: str
    total: float = 0.0


@app.task(name="shop.pay", aliases=["old.pay"], max_retries=3, retry_delay=1.5, timeout=30)
def pay(order: Order) -> Order:
    check_interruption()
    if pay.invocation.num_retries < 1:
        raise RetryError
    pay.logger.info("paid", extra={"order": order.order_id})
    return order


@app.task(throttle=60, key_arguments=["order_id"], cancel_children=True)
async def remind(order_id: str) -> None: ...


@app.task(triggers=[on_interval(timedelta(hours=1)), on_event("paid", {"total": {"$gt": 10}})])
def count(total: float = 0.0) -> int:
    return int(total)


def of_event(context: EventContext) -> dict[str, Any]:
    return {"total": context.payload["total"]}


@app.task(triggers=all_of(on_event("a"), on_success(pay), correlate_by="order_id", within=timedelta(hours=1)))
def both() -> None: ...


@app.task(triggers=on_event("paid").with_args_from_event(of_event))
def from_event(total: float) -> float:
    return total


@app.task(triggers=[on_any_result(pay), on_result(pay, {"total": 3}), on_cron("0 5 * * *")])
def after_payment() -> None: ...


@app.workflow(pin_version=True)
def ship(order: Order) -> str:
    paid = ship.wf.execute_task(pay, order)
    ship.wf.sleep(timedelta(days=1))
    which, _ = ship.wf.first(ship.wf.event("cancelled"), ship.wf.timer(5), paid)
    assert_type(which, int)
    ship.wf.set_data("which", which)
    saga = ship.wf.saga()
    del saga
    return ship.wf.step("send", lambda: paid.result.order_id, retries=2, timeout=5)


@ship.query
def progress(view: Any) -> int:
    return len(view.data)


async def rows() -> AsyncIterator[tuple[Order]]:
    yield (Order("o1"),)


async def use_async() -> None:
    call = await pay.acall(Order("o1"))
    assert_type(await call.async_result(5), Order)
    assert_type((await pay.aparallelize(rows())).result, list[Order])
    await app.trigger.aemit_event("paid", {"total": 11})
    await app.asend_event(call.invocation_id, "cancelled")
    await call.acancel(children=True)


def use() -> None:
    once = pay.options(idempotency_key="k", idempotency_ttl=timedelta(days=1), delay=1)(Order("o1"))
    named = ship.options(workflow_id="order-42", if_exists="return")(Order("o2"))
    later = count.options(eta=datetime.now(UTC), queue="slow", priority=2, invocation_id="c-1")(1.0)
    assert_type((once.result, named.result, later.result), tuple[Order, str, int])
    assert_type(app.count(pay), int)
    print(
        once.children, once.parent, once.history, once.waits_for, app.query_workflow("order-42", "progress")
    )
    app.schedules.create("nightly", count, {"total": 1.0}, cron="0 3 * * *")
    try:
        again = once.retry()
        assert_type(again.result, Order)
    except (InvocationCancelledError, PynencError) as error:
        print(error)


def test_mine(pynenc_submitted: Submissions, pynenc_clock: Rehearsal) -> None:
    pay(Order("o1"))
    assert_type(pynenc_submitted.assert_submitted(pay, Order("o1")).result, Any)
    pynenc_clock.advance(timedelta(days=1))
    with in_memory(app), synchronous(app) as rehearsal:
        assert_type(rehearsal.now, datetime)
    with in_memory(app) as same, working(same), rehearsing(other):
        explore_crashes(ship, Order("o1")).check()
