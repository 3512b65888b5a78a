"""A workflow whose process can be killed at each of its recorded operations."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

from pynenc import Pynenc
from pynenc.state_backend.workflow_records import Step
from pynenc.workflow.journal import Entry, StoredJournal

app = Pynenc({"app_id": "boundaries"})


@app.task
def square(number: int) -> int:
    return number * number


@app.workflow
def flow(number: int) -> list[Any]:
    wf = flow.wf
    seen: list[Any] = [wf.random(), wf.uuid()]
    seen.append(wf.execute_task(square, number).result)
    seen.append(wf.step("charge", lambda: "charged"))
    wf.sleep(0.05)
    seen.append(wf.execute_task(square, number + 1).result)
    wf.set_data("number", number)
    return [*seen, wf.utc_now(), wf.get_data("number")]


@app.workflow
async def side_by_side(number: int) -> list[Any]:
    wf = side_by_side.wf

    async def branch(at: int) -> list[Any]:
        child = wf.execute_task(square, at)
        drawn = wf.random()
        squared = await child.async_result()
        await wf.async_sleep(0.02)
        return [squared, drawn, wf.uuid()]

    return list(await asyncio.gather(branch(number), branch(number + 1)))


def die_after(count: int) -> None:
    """Kill this process when so many operations were recorded in it."""
    record = StoredJournal.record
    recorded: list[str] = []

    def record_and_die(self: StoredJournal, entry: Entry, *more: Any) -> Step:
        step = record(self, entry, *more)
        recorded.append(step.step_id)
        if len(recorded) == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return step

    StoredJournal.record = record_and_die  # type: ignore[method-assign]
