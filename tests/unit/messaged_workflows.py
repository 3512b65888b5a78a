"""Bodies of workflows that answer messages."""

from __future__ import annotations

from typing import Any

from pynenc.calls.interfaces import current_invocation
from pynenc.exceptions import UpdateRefusedError
from pynenc.workflow.context import WorkflowContext


def _wf() -> WorkflowContext:
    invocation: Any = current_invocation.get()
    found: WorkflowContext = invocation.task.wf
    return found


def _check(payload: Any) -> None:
    if payload["count"] <= 0:
        raise ValueError(f"a count of {payload['count']} is not positive")
    if payload["item"] == "gin":
        raise UpdateRefusedError("no gin today")


def basket() -> dict[str, int]:
    wf, found = _wf(), dict[str, int]()
    wf.step("opened", lambda: "opened")
    while True:
        update = wf.wait_update("add", validate=_check)
        item, count = update.payload["item"], update.payload["count"]
        if item == "end":
            update.answer()
            return found
        found[item] = found.get(item, 0) + count
        wf.set_data("basket", found)
        update.answer(found)


async def async_basket() -> dict[str, int]:
    wf, found = _wf(), dict[str, int]()
    wf.step("opened", lambda: "opened")
    while True:
        update = await wf.async_wait_update("add", validate=_check)
        item, count = update.payload["item"], update.payload["count"]
        if item == "end":
            update.answer()
            return found
        found[item] = found.get(item, 0) + count
        wf.set_data("basket", found)
        update.answer(found)


def sets_data_of_the_framework() -> None:
    _wf().set_data("pynenc.answer.x", 1)


def answers_twice() -> None:
    update = _wf().wait_update("add")
    update.answer(1)
    update.answer(2)


def waits_for_a_good_update() -> None:
    _wf().wait_update("add", validate=_check, timeout=100)
