"""Bodies of workflows that wait for whichever comes first."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pynenc.calls.interfaces import current_invocation
from pynenc.workflow.context import WorkflowContext


def _here() -> tuple[Any, WorkflowContext]:
    invocation: Any = current_invocation.get()
    return invocation.task, invocation.task.wf


def _task(name: str) -> Any:
    return next(each for each in _here()[0].app.tasks.values() if each.task_id.func_name == name)


def event_or_timer(days: int) -> list[Any]:
    _, wf = _here()
    return list(wf.first(wf.event("paid"), wf.timer(timedelta(days=days))))


def two_rounds() -> list[Any]:
    _, wf = _here()
    wf.sleep(60)
    first = list(wf.first(wf.event("a"), wf.event("b")))
    return [first, list(wf.first(wf.event("b"), wf.timer(60)))]


def times_out() -> None:
    _, wf = _here()
    wf.first(wf.event("never"), timeout=timedelta(hours=1))


def sleeps_and_returns(pause: int) -> str:
    _here()[1].sleep(pause)
    return f"slept {pause}"


def child_or_event(pause: int) -> list[Any]:
    _, wf = _here()
    child = wf.execute_task(_task("sleeps_and_returns"), pause)
    number, come = wf.first(wf.event("never"), child)
    return [number, come.result]


def failing_child() -> list[Any]:
    _, wf = _here()
    number, come = wf.first(wf.execute_task(_task("fail"), "no"), wf.timer(60))
    return [number, f"{type(come.error).__name__}: {come.error}"]


def plain_child() -> list[Any]:
    _, wf = _here()
    number, come = wf.first(wf.execute_task(_task("add"), 1), wf.timer(3600))
    return [number, come.result]


def short() -> list[Any]:
    _, wf = _here()
    return list(wf.first(wf.event("never"), wf.timer(0.01)))


def mistaken(what: str) -> None:
    _, wf = _here()
    awaited: dict[str, Any] = {
        "nothing": (),
        "a number": (5,),
        "a wrong code": (wf.event(""),),
        "a negative time": (wf.timer(-1),),
    }
    wf.first(*awaited[what])
