"""Bodies of workflows for the kit; each tells what it has seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, cast

from pynenc.calls.interfaces import current_invocation
from pynenc.exceptions import InvocationCancelledError
from pynenc.task import Task
from pynenc.workflow.context import WorkflowContext

SEEN: dict[str, list[list[Any]]] = {}
"""For each invocation what each run of its body has seen, in order."""

EFFECTS: Counter[str] = Counter()
"""How often something was done that nobody can take back."""


def forget() -> None:
    """Begin anew."""
    SEEN.clear()
    EFFECTS.clear()


def _here() -> tuple[Task[..., Any], WorkflowContext, list[Any]]:
    invocation = current_invocation.get()
    if invocation is None:
        raise RuntimeError("only as a task")
    task = cast("Task[..., Any]", invocation.task)
    runs = SEEN.setdefault(invocation.invocation_id, [])
    runs.append([])
    return task, task.wf, runs[-1]


def _task(task: Task[..., Any], name: str) -> Task[..., Any]:
    found = next(each for each in task.app.tasks.values() if each.task_id.func_name == name)
    return cast("Task[..., Any]", found)


def square(number: int) -> int:
    """Return a child."""
    EFFECTS[f"square {number}"] += 1
    return number * number


def undo(what: str) -> None:
    """A compensation."""
    EFFECTS[f"undo {what}"] += 1


def _charge() -> str:
    EFFECTS["charge"] += 1
    return "charged"


def everything(number: int) -> list[Any]:
    """Return every kind of operation, one after the other."""
    task, wf, seen = _here()
    square_task = _task(task, "square")
    seen.append(wf.random())
    seen.append(wf.uuid())
    first = wf.execute_task(square_task, number)
    seen.append(first.invocation_id)
    seen.append(first.result)
    seen.append(wf.step("charge", _charge))
    wf.sleep(3600)
    seen.append(wf.utc_now().isoformat())
    wf.set_data("number", number)
    second = wf.execute_task(square_task, number + 1)
    seen.append(wf.wait_event("approved", {"by": {"$exists": True}}))
    seen.append(second.result)
    seen.append(wf.get_data("number"))
    return list(seen)


def undone(number: int) -> str:
    """Return a saga that fails at its end."""
    task, wf, seen = _here()
    with wf.saga() as saga:
        for each in range(number):
            seen.append(wf.execute_task(_task(task, "square"), each).result)
            saga.add(_task(task, "undo"), str(each))
        wf.step("fail", _fail)
    return "unreached"


def _fail() -> None:
    raise ValueError("as planned")


def waits_to_be_cancelled(number: int) -> str:
    """Return a saga that waits for something which does not come."""
    task, wf, seen = _here()
    with wf.saga() as saga:
        seen.append(wf.execute_task(_task(task, "square"), number).result)
        saga.add(_task(task, "undo"), str(number))
        wf.wait_event("never")
    return "unreached"


def counts_down(number: int) -> int:
    """Continues as new until it is done."""
    _, wf, seen = _here()
    seen.append(wf.random())
    if number:
        wf.continue_as_new(number - 1)
    return number


def goes_on_for_ever(number: int) -> int:
    """Run a child, remember a large value, and continue as new; the second generation parks."""
    task, wf, _ = _here()
    wf.execute_task(_task(task, "square"), number)
    wf.set_data("last", f"{number}" * 5000)
    wf.step("large", lambda: f"step {number} " * 5000)
    if number == 0:
        wf.continue_as_new(number + 1)
    wf.wait_event("never")
    return number


def waits_for_order(number: int) -> Any:
    """Return waits for an event that is emitted for anybody."""
    _, wf, _ = _here()
    return wf.wait_event("paid", {"order": number})


def waits_for_approval(number: int) -> str:
    """Return a child workflow."""
    _, wf, _ = _here()
    by: str = wf.wait_event("approved")["by"]
    EFFECTS[f"approved {number}"] += 1
    return by


def parent(number: int) -> list[Any]:
    """Return waits for a child workflow."""
    task, wf, seen = _here()
    seen.append(wf.random())
    seen.append(wf.execute_task(_task(task, "waits_for_approval"), number).result)
    seen.append(wf.uuid())
    return list(seen)


AT_WAIT: list[Callable[[], None]] = []
"""What the bodies below call when they are about to wait."""


def _about_to_wait() -> WorkflowContext:
    _, wf, _ = _here()
    for call in AT_WAIT:
        call()
    return wf


def waits_once() -> Any:
    """Return the payload of an event."""
    return _about_to_wait().wait_event("approved", timeout=3600)


def sleeps_once() -> str:
    """Return when a long sleep is over."""
    _about_to_wait().sleep(3600)
    return "slept"


def takes_ticks() -> list[int]:
    """Return the numbers of three events, after a long sleep behind the first."""
    _, wf, _ = _here()
    first = wf.wait_event("tick")
    wf.sleep(600)
    return [each["n"] for each in (first, *(wf.wait_event("tick", timeout=1) for _ in range(2)))]


def starts_children(compensates: bool) -> None:
    """Start a task that is not due for long and a workflow that waits, wait, and compensate."""
    task, wf, _ = _here()
    square_task = _task(task, "square")
    wf.execute_task(square_task.options(delay=3600), 1)
    wf.execute_task(_task(task, "waits_for_approval"), 2)
    try:
        wf.wait_event("never")
    except InvocationCancelledError:
        if compensates:
            wf.execute_task(_task(task, "undo"), "it")
        raise
