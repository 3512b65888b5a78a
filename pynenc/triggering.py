"""Starting the tasks of triggers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from pynenc.arguments import Arguments
from pynenc.call import Call
from pynenc.call_options import CallOptions
from pynenc.exceptions import PynencError, StorageUnavailableError
from pynenc.identifiers.task_id import TaskId
from pynenc.submitting import Origin, submit_calls
from pynenc.trigger.firing import Start

if TYPE_CHECKING:
    from pynenc.app import Pynenc
    from pynenc.task import Task


def start_tasks(app: Pynenc, starts: Sequence[Start]) -> list[str | None]:
    """Start tasks; what `Starter` promises."""
    reasons: list[str | None] = []
    for task_id, some in groupby(starts, lambda each: each.task_id):
        reasons += _start_some(app, task_id, list(some))
    return reasons


def _start_some(app: Pynenc, task_id: str, starts: Sequence[Start]) -> list[str | None]:
    try:
        task = app.find_task(TaskId.from_key(task_id))
    except PynencError as error:
        return [str(error)] * len(starts)
    reasons: list[str | None] = [None] * len(starts)
    good: list[tuple[int, Call[..., Any]]] = []
    for at, start in enumerate(starts):
        try:
            good.append((at, Call(task, Arguments(task.binder.bind((), _arguments(task, start))))))
        except TypeError as error:
            reasons[at] = str(error)
    try:
        _submit(app, task, [(starts[at], call) for at, call in good])
    except StorageUnavailableError:
        raise
    except PynencError:
        for at, call in good:  # one of them is to blame: each by itself
            try:
                _submit(app, task, [(starts[at], call)])
            except StorageUnavailableError:
                raise
            except PynencError as error:
                reasons[at] = str(error)
    return reasons


def _submit(app: Pynenc, task: Task[..., Any], some: Sequence[tuple[Start, Call[..., Any]]]) -> None:
    origins = [Origin(start.invocation_id, start.run_id, start.depth) for start, _ in some]
    submit_calls(app, [call for _, call in some], CallOptions.of(task.conf), origins=origins)


def _arguments(task: Task[..., Any], start: Start) -> dict[str, Any]:
    if start.arguments is not None:
        return dict(start.arguments)
    names = task.binder.signature.parameters
    return {name: value for name, value in start.offered.items() if name in names}
