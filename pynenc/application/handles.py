"""Tasks, invocations and apps as values: they travel by their ids, without settings or addresses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pynenc.calls.interfaces import App, BaseInvocation, BaseTask, InvocationGroup
from pynenc.client.dist_invocation import DistributedInvocation, ReusedInvocation
from pynenc.exceptions import SerializationError
from pynenc.serializer.base_serializer import BaseSerializer
from pynenc.task import Task

FindApp = Callable[[str], App | None]
"""Returns the app of this process with an id, if there is one."""


def register_handles(serializer: BaseSerializer, app: App, find_app: FindApp) -> None:
    """Let a serializer carry the tasks, invocations and groups of the apps of this process.

    Args:
        serializer: The serializer of an app.
        app: The app itself; it is carried as well.
        find_app: Finds other apps.
    """

    def app_of(data: Any) -> App:
        found = find_app(data["app"])
        if found is None:
            raise SerializationError(f"no app '{data['app']}' exists in this process; import its module")
        return found

    def task_data(task: BaseTask[..., Any]) -> dict[str, Any]:
        return {"app": task.app.app_id, "task": task.key}

    def task_of(data: Any) -> BaseTask[..., Any]:
        return app_of(data).find_task(data["task"])

    def invocation_data(invocation: BaseInvocation[..., Any]) -> dict[str, Any]:
        return {"app": invocation.task.app.app_id, "invocation": invocation.invocation_id}

    def invocation_of(data: Any) -> BaseInvocation[..., Any]:
        return app_of(data).get_invocation(data["invocation"])

    def group_data(group: InvocationGroup[..., Any]) -> dict[str, Any]:
        return {"task": task_data(group.task), "invocations": list(group.invocations)}

    def group_of(data: Any) -> InvocationGroup[..., Any]:
        return InvocationGroup(task_of(data["task"]), data["invocations"])

    serializer.register(type(app), lambda carried: {"app": carried.app_id}, app_of)
    serializer.register(Task, task_data, task_of)
    serializer.register(DistributedInvocation, invocation_data, invocation_of)
    serializer.register(ReusedInvocation, invocation_data, invocation_of)
    serializer.register(InvocationGroup, group_data, group_of)
