"""Bodies of workflows that tests rehearse."""

from __future__ import annotations

import itertools
from collections import Counter
from datetime import timedelta
from typing import Any

from pynenc.calls.interfaces import current_invocation
from pynenc.workflow.context import WorkflowContext

EFFECTS: Counter[str] = Counter()
_chance = itertools.count()


def _here() -> tuple[Any, WorkflowContext]:
    invocation: Any = current_invocation.get()
    return invocation.task, invocation.task.wf


def _task(name: str) -> Any:
    return next(each for each in _here()[0].app.tasks.values() if each.task_id.func_name == name)


def _remind() -> str:
    EFFECTS["remind"] += 1
    return "reminded"


def pay(order_id: str) -> str:
    EFFECTS["pay"] += 1
    return f"paid {order_id}"


def refund(order_id: str) -> None:
    EFFECTS["refund"] += 1


def tick() -> None:
    EFFECTS["tick"] += 1


def reminds(order_id: str) -> str:
    _, wf = _here()
    paid = wf.execute_task(_task("pay"), order_id).result
    wf.sleep(timedelta(days=30))
    return f"{paid}, {wf.step('remind', _remind)}"


async def reminds_in_a_coroutine(order_id: str) -> str:
    _, wf = _here()
    paid = await wf.execute_task(_task("pay"), order_id).async_result()
    await wf.async_sleep(timedelta(days=30))
    return f"{paid}, {wf.step('remind', _remind)}"


def approved(order_id: str) -> str:
    _, wf = _here()
    paid = wf.step("pay", lambda: pay(order_id))
    return f"{paid} by {wf.wait_event('approve')['by']}"


def approved_twice() -> list[str]:
    _, wf = _here()
    return [wf.wait_event("approve")["by"] for _ in range(2)]


def careless(order_id: str) -> str:
    _, wf = _here()
    EFFECTS["mail"] += 1
    wf.execute_task(_task("pay"), order_id)
    wf.sleep(10)
    return str(wf.step("remind", _remind))


def unsteady() -> str:
    _, wf = _here()
    name = "even" if next(_chance) % 2 else "odd"
    wf.step(name, lambda: None)
    wf.step("then", lambda: None)
    return name


def random_result() -> str:
    return str(_here()[1].uuid())


def starts_itself() -> None:
    _here()[0]()


def reminds_and_more(order_id: str) -> str:
    found = reminds(order_id)
    _here()[1].step("refund", lambda: refund(order_id))
    return found


def reminds_patched(order_id: str) -> str:
    _, wf = _here()
    paid = wf.execute_task(_task("pay"), order_id).result
    if wf.patched("thank"):
        wf.step("thank", lambda: None)
    wf.sleep(timedelta(days=30))
    return f"{paid}, {wf.step('remind', _remind)}"


def waits_for_a_late_child() -> int:
    _, wf = _here()
    return int(wf.execute_task(_task("add").options(delay=86400), 1).result)


async def waits_for_a_late_child_in_a_coroutine() -> int:
    _, wf = _here()
    return int(await wf.execute_task(_task("add").options(delay=86400), 1).async_result())


def sleeps() -> str:
    _here()[1].sleep(timedelta(days=3))
    return "slept"


async def awaits_one_that_sleeps() -> str:
    _, wf = _here()
    return str(await wf.execute_task(_task("sleeps")).async_result())


def continues_after_events(number: int) -> int:
    _, wf = _here()
    wf.wait_event("e")
    if number < 2:
        wf.continue_as_new(number + 1)
    return number
