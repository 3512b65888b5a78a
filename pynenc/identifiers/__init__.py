"""Identifiers: tasks, invocations and ids derived from their cause."""

from pynenc.identifiers.task_id import TaskId

__all__ = [
    "TaskId",
]
