"""Bodies of workflows that fail at a place of one's choice."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any, cast

from pynenc.calls.interfaces import current_invocation
from pynenc.task import Task
from pynenc.workflow.context import WorkflowContext

DONE: Counter[str] = Counter()
BROKEN: set[str] = set()


def _here() -> tuple[Any, WorkflowContext]:
    invocation = current_invocation.get()
    assert invocation is not None
    task = cast("Task[..., Any]", invocation.task)
    return task, task.wf


def _task(name: str) -> Any:
    return next(each for each in _here()[0].app.tasks.values() if each.task_id.func_name == name)


def _do(what: str, place: str, result: str) -> str:
    DONE[what] += 1
    if place in BROKEN:
        raise ConnectionError(f"{what} failed")
    return result


def charge(order_id: str) -> str:
    return _do("charge", "child", f"charged {order_id}")


def refund(order_id: str) -> None:
    DONE["refund"] += 1


def order(order_id: str) -> list[str]:
    _, wf = _here()
    found = [wf.step("reserve", lambda: _do("reserve", "first", f"reserved {order_id}"))]
    wf.set_data("note", "noted")
    found.append(wf.execute_task(_task("charge"), order_id).result)
    found.append(wf.step("ship", lambda: _do("ship", "step", f"shipped {order_id}")))
    if "body" in BROKEN:
        raise ConnectionError("the body failed")
    return [*found, wf.get_data("note")]


def saga(order_id: str) -> str:
    _, wf = _here()
    with wf.saga() as undoing:
        found: str = wf.execute_task(_task("charge"), order_id).result
        undoing.add(_task("refund"), order_id)
        if "saga" in BROKEN:
            raise ConnectionError("the body failed")
    return found


def saga_that_waits(order_id: str) -> str:
    _, wf = _here()
    with wf.saga() as undoing:
        found: str = wf.execute_task(_task("charge"), order_id).result
        undoing.add(_task("refund"), order_id)
        wf.wait_event("go")
    return found


def saga_in_another_order(order_id: str) -> str:
    _, wf = _here()
    with wf.saga() as undoing:
        undoing.add(_task("refund"), order_id)
        wf.step("check", lambda: "checked")
        found: str = wf.execute_task(_task("charge"), order_id).result
        wf.wait_event("go")
    return found


def counts(number: int) -> str:
    _, wf = _here()
    wf.step("tick", lambda: _do(f"tick {number}", "", "ticked"))
    if number == 1:
        if "count" in BROKEN:
            raise ConnectionError("the body failed")
        return "done"
    wf.continue_as_new(number - 1)
    raise AssertionError("it does not return")


def starts_many(count: int) -> None:
    _task("nothing").options(delay=3600).parallelize([()] * count)


def tries_two_cards() -> str:
    _, wf = _here()
    try:
        wf.step("first card", lambda: _declined("first card"))
    except ValueError:
        wf.step("reserve", lambda: _do("reserve", "", "reserved"))
    return str(wf.step("second card", lambda: _declined("second card")))


def _declined(name: str) -> str:
    DONE[name] += 1
    if name == "first card" or "card" in BROKEN:
        raise ValueError("declined")
    return "paid"


async def side_by_side() -> list[str]:
    _, wf = _here()

    async def pay() -> str:
        return str(await wf.execute_task(_task("charge"), "o1").async_result())

    async def note() -> str:
        return str(await wf.async_step("note", _note))

    return list(await asyncio.gather(pay(), note()))


async def _note() -> str:
    return _do("note", "", "noted")


def waits_at_the_end() -> str:
    _, wf = _here()
    child = wf.execute_task(_task("charge"), "o1")
    _ = child.result
    wf.step("ship", lambda: _do("ship", "step", "shipped"))
    wf.wait_event("delivered")
    return str(child.result)
