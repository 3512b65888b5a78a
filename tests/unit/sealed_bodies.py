"""What the tests of sealing run and store."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any

import msgspec
from workflow_bodies import here

from pynenc import Pynenc
from pynenc.invocation.status import InvocationStatus
from pynenc.storage.codecs import Codec
from pynenc.task import Task
from pynenc.testing.app_fixtures import running
from pynenc.testing.evaluating import Evaluating
from pynenc.testing.inline_runner import InlineRunner
from pynenc.trigger import on_event, on_result
from pynenc.trigger.conditions import EventContext


class Backwards(Codec):
    """Writes from back to front."""

    def __init__(self, keys: Sequence[str]) -> None:
        super().__init__(keys)

    def encode(self, data: bytes) -> bytes:
        return data[::-1]

    def decode(self, data: bytes, most: int) -> bytes:
        return data[::-1]


IS_BROKEN = False


class Breaking(Codec):
    """Raises for one value, while it is broken."""

    def __init__(self, error: str) -> None:
        super().__init__(())
        self._error = error

    def encode(self, data: bytes) -> bytes:
        return self.decode(data, 0)

    def decode(self, data: bytes, most: int) -> bytes:
        if IS_BROKEN and (b"BROKEN" in data or b"NEKORB" in data):
            raise getattr(builtins, self._error)("the codec is broken")
        return data[::-1]


def cannot(context: EventContext) -> dict[str, Any]:
    raise ValueError(f"cannot use {context.payload}")


def echo(value: str) -> str:
    return value


def raises(value: str) -> str:
    raise ValueError(value)


def keeps(value: str) -> Any:
    """Use every operation that records a value."""
    task, wf = here()
    wf.step("step", lambda: value)
    wf.set_data("data", value)
    wf.execute_task(next(each for each in task.app.tasks.values() if each.task_id.func_name == "echo"), value)
    found = wf.wait_event("sent", {"value": {"$exists": True}})
    return [found, wf.wait_event("paid", {"value": value})]


def run_everything(app: Pynenc, value: str, small: str) -> None:
    """Store a value in every place where users put one; those that stay in place get the small one."""
    app.conf.workflow_park_after_seconds = 0.0
    calls = [app.task(echo)(value), app.task(raises)(value)]
    followed: Task[..., Any] = app.task(
        triggers=[on_event("code", {"value": {"$exists": True}}), on_result(app.task(echo), small)]
    )(follow)
    app.register_deferred_triggers()
    root = app.workflow(keeps)(value)
    with running(app):
        for call in calls:
            try:
                _ = call.result
            except ValueError:
                continue
    runner = InlineRunner(app)
    runner.run_due()
    app.trigger.emit_event("code", {"value": small})
    Evaluating(app).work()
    app.send_event(root.invocation_id, "sent", {"value": small})
    runner.run_due()
    Evaluating(app).work()
    app.trigger.emit_event("paid", {"value": value})
    Evaluating(app).work()
    runner.run_due()
    assert app.get_invocation(root.invocation_id).status == InvocationStatus.SUCCESS
    assert followed.task_id.func_name == "follow"


def follow(value: str = "") -> str:
    return value


def example(cls: type[msgspec.Struct]) -> Any:
    """Return a record whose fields all hold something."""
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(cls):
        for wanted in (0.5, 1, "text"):
            try:
                msgspec.convert(wanted, field.type)
            except msgspec.ValidationError:
                continue
            values[field.name] = wanted
            break
        else:
            values[field.name] = list(field.type)[0]  # type: ignore[call-overload]  # noqa: RUF015 - an enum
    return cls(**values)
