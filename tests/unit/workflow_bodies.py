"""Bodies of workflows for tests."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, cast

from pynenc.calls.interfaces import current_invocation
from pynenc.exceptions import EventTimeoutError, StepTimeoutError, WorkflowUsageError
from pynenc.task import Task
from pynenc.workflow.context import WorkflowContext

DONE: Counter[str] = Counter()


def here() -> tuple[Task[..., Any], WorkflowContext]:
    invocation = current_invocation.get()
    assert invocation is not None
    task = cast("Task[..., Any]", invocation.task)
    return task, task.wf


def task_named(name: str) -> Task[..., Any]:
    return next(each for each in here()[0].app.tasks.values() if each.task_id.func_name == name)


def double(number: int) -> int:
    DONE[f"double {number}"] += 1
    return 2 * number


def shaky(name: str, failures: int) -> str:
    DONE[name] += 1
    if DONE[name] <= failures:
        raise ConnectionError(f"{name} failed")
    return name


# --- changed code ----------------------------------------------------------------------


def first_version() -> list[Any]:
    _, wf = here()
    found = [wf.step("validate", lambda: "valid"), wf.step("pay", lambda: "paid")]
    wf.wait_event("go")
    return [*found, wf.step("ship", lambda: "shipped")]


def incompatible_version() -> list[Any]:
    _, wf = here()
    found = [wf.step("validate", lambda: "valid"), wf.step("check stock", lambda: "there")]
    found.append(wf.step("pay", lambda: "paid"))
    wf.wait_event("go")
    return [*found, wf.step("ship", lambda: "shipped")]


def shorter_version() -> list[Any]:
    _, wf = here()
    return [wf.step("validate", lambda: "valid")]


def patched_version() -> list[Any]:
    _, wf = here()
    found = [wf.step("validate", lambda: "valid")]
    if wf.patched("stock"):
        found.append(wf.step("check stock", lambda: "there"))
    found.append(wf.step("pay", lambda: "paid"))
    wf.wait_event("go")
    return [*found, wf.patched("stock"), wf.step("ship", lambda: "shipped")]


# --- steps -----------------------------------------------------------------------------


def many_attempts() -> str:
    _, wf = here()
    return wf.step("connect", lambda: shaky("connect", 2), retries=2, retry_for=(ConnectionError,))


def too_slow() -> str:
    _, wf = here()
    never = threading.Event()
    try:
        wf.step("slow", never.wait, timeout=0.01)
    except StepTimeoutError as error:
        return str(error)
    return "in time"


def retries_from_the_failed_step() -> list[int]:
    _, wf = here()
    wf.step("before", lambda: shaky("before", 0))
    wf.step("fails once", lambda: shaky("fails once", 1))
    return [DONE["before"], DONE["fails once"]]


def retries_with_another_child() -> str:
    _, wf = here()
    return cast(str, wf.execute_task(task_named("shaky"), "child", 1).result)


def calls_inside_a_step() -> None:
    _, wf = here()
    wf.step("outer", lambda: wf.random())


def catches_a_failure() -> list[str]:
    _, wf = here()
    found = []
    try:
        wf.step("fails", lambda: shaky("always", 99))
    except ConnectionError as error:
        found.append(str(error))
    wf.wait_event("go")
    return [*found, str(DONE["always"])]


def shares_data() -> list[Any]:
    _, wf = here()
    wf.root.set_data("key", {"a": 1})
    child = wf.execute_task(task_named("reads_data"))
    return [child.result, wf.get_data("missing", "default")]


def reads_data() -> list[Any]:
    _, wf = here()
    try:
        _ = wf.root
    except WorkflowUsageError as error:
        return [wf.get_data("key"), type(error).__name__]
    return []


def waits_in_vain() -> str:
    _, wf = here()
    try:
        wf.wait_event("never", timeout=0.05)
    except EventTimeoutError as error:
        return str(error)
    return "heard"


def sleeps_for_long() -> str:
    _, wf = here()
    wf.wait_event("wake up")
    return "awake"


async def async_waits_for_a_child() -> str:
    _, wf = here()
    child = wf.execute_task(task_named("sleeps_for_long"))
    wf.set_data("child", child.invocation_id)
    return f"child: {await child.async_result()}"


async def gathers_children_and_an_event() -> list[Any]:
    _, wf = here()
    child = wf.execute_task(task_named("sleeps_for_long"))
    wf.set_data("child", child.invocation_id)
    plain = wf.execute_task(task_named("double"), 4)
    return list(await asyncio.gather(child.async_result(), wf.async_wait_event("own"), plain.async_result()))


def waits_for_a_child() -> list[str]:
    _, wf = here()
    child = wf.execute_task(task_named("sleeps_for_long"))
    wf.set_data("child", child.invocation_id)
    return [child.result, wf.step("after", lambda: "after")]


def wakes_another(other_id: str) -> str:
    _, wf = here()
    wf.send_event(other_id, "wake up")
    wf.wait_event("go")
    return "done"


def many_steps(count: int) -> int:
    _, wf = here()
    total = sum(wf.step("one", lambda: 1) for _ in range(count))
    wf.wait_event("go")
    return total


def takes_its_time() -> None:
    time.sleep(0.01)


def misuse(what: str) -> None:
    """Call an operation with wrong input."""
    _, wf = here()
    calls: dict[str, Callable[[], Any]] = {
        "a step without a name": lambda: wf.step("", lambda: 1),
        "a step with negative retries": lambda: wf.step("s", lambda: 1, retries=-1),
        "a step without time": lambda: wf.step("s", lambda: 1, timeout=0),
        "a negative sleep": lambda: wf.sleep(-1),
        "an event without a code": lambda: wf.wait_event(""),
        "an unknown operator": lambda: wf.wait_event("e", {"x": {"$near": 1}}),
        "wrong arguments of a child": lambda: wf.execute_task(task_named("double"), 1, 2),
        "wrong arguments of a compensation": lambda: wf.saga().add(task_named("double")),
        "wrong arguments to continue with": lambda: wf.continue_as_new(1, 2, 3),
        "a value that cannot be kept": lambda: wf.set_data("s", (each for each in ())),
    }
    calls[what]()


GATE = threading.Event()


def gated() -> str:
    GATE.wait()
    return "through"


def saga_with_gated_child() -> None:
    _, wf = here()
    with wf.saga() as saga:
        saga.add(task_named("double"), 7)
        _ = wf.execute_task(task_named("gated")).result


async def async_saga_with_gated_child() -> None:
    _, wf = here()
    async with wf.saga() as saga:
        saga.add(task_named("double"), 7)
        await asyncio.gather(wf.execute_task(task_named("gated")).async_result())


# --- coroutines ------------------------------------------------------------------------


async def gathers(count: int) -> list[int]:
    _, wf = here()
    children = [wf.execute_task(task_named("double"), number) for number in range(count)]
    return list(await asyncio.gather(*(child.async_result() for child in children)))


async def _branch(wf: WorkflowContext, number: int) -> list[Any]:
    doubled = await wf.execute_task(task_named("double"), number).async_result()
    await wf.async_sleep(0.05 * (3 - number))
    said = await wf.async_step("say", lambda: _say(number))
    event = await wf.async_wait_event(f"go {number}")
    return [doubled, said, event["n"], wf.random()]


async def _say(number: int) -> str:
    DONE[f"say {number}"] += 1
    return f"said {number}"


async def side_by_side() -> list[Any]:
    _, wf = here()
    return list(await asyncio.gather(*(_branch(wf, number) for number in range(3))))


async def sleeps_and_works() -> list[Any]:
    _, wf = here()

    async def work() -> int:
        return int(await wf.execute_task(task_named("double"), 4).async_result())

    async def rest() -> str:
        await wf.async_sleep(0.01)
        return "rested"

    return list(await asyncio.gather(work(), rest()))


async def async_saga() -> None:
    _, wf = here()
    async with wf.saga() as saga:
        await wf.execute_task(task_named("double"), 1).async_result()
        saga.add(task_named("double"), 100)
        await wf.async_wait_event("never")


async def slow_async_step() -> str:
    _, wf = here()
    try:
        await wf.async_step("slow", lambda: asyncio.sleep(60, "done"), timeout=0.01, retries=1)
    except StepTimeoutError as error:
        return str(error)
    return "in time"


# --- random programs -------------------------------------------------------------------

SEEN: list[list[Any]] = []


def interpret(program: list[list[Any]]) -> list[Any]:
    """Do what a program says; chance is left out of the result, but not of what is seen."""
    _, wf = here()
    seen: list[Any] = []
    SEEN.append(seen)
    result: list[Any] = []
    later: list[Any] = []
    for name, value in program:
        if name == "chance":
            seen.append([wf.random(), wf.uuid(), wf.utc_now().isoformat()])
        elif name == "child":
            seen.append(wf.execute_task(task_named("double"), value).result)
            result.append(seen[-1])
        elif name == "child later":
            later.append(wf.execute_task(task_named("double"), value))
        elif name == "step":
            seen.append(wf.step(f"step {value}", lambda value=value: value + 1))  # type: ignore[misc]
            result.append(seen[-1])
        elif name == "failing step":
            try:
                wf.step(f"fails {value}", lambda: 1 // 0)
            except ZeroDivisionError as error:
                result.append(str(error))
        elif name == "sleep":
            wf.sleep(value * 600)
        elif name == "set":
            wf.set_data("shared", value)
        elif name == "get":
            seen.append(wf.get_data("shared"))
            result.append(seen[-1])
        elif name == "event":
            seen.append(wf.wait_event("go", {"n": value}))
            result.append(seen[-1])
        elif name == "patched":
            result.append(wf.patched(f"change {value}"))
    return [*result, *(child.result for child in later)]


def asks_late() -> int:
    """Start a child, wait for an event, and only then ask for the result."""
    _, wf = here()
    child = wf.execute_task(task_named("double"), 21)
    wf.wait_event("go")
    result: int = child.result
    return result
