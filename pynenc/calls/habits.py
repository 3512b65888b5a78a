"""Habits from other frameworks: what is called otherwise there is answered with what to write here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

_CALL = "call the task itself: {task}(1, 2)"
_OPTIONS = "write {task}.options(delay=60, queue='mail')(1, 2)"
_COMPOSE = (
    "there are no signatures: call tasks one after the other in the body of a task or of a workflow, or use "
    "{task}.parallelize([(1, 2), (3, 4)])"
)
_MANY = "write {task}.parallelize([(1, 2), (3, 4)])"
_RESULT = "write 'result', or wait(timeout_s=10)"
_ENDED = "write status.final, or wait()"

TASK = {
    **dict.fromkeys(
        ("delay", "send", "kiq", "enqueue", "submit", "defer", "schedule", "push", "call_local"), _CALL
    ),
    **dict.fromkeys(
        ("apply_async", "send_with_options", "kicker", "using", "configure", "message"), _OPTIONS
    ),
    **dict.fromkeys(("s", "si", "signature", "subtask", "chain", "chord", "pipeline"), _COMPOSE),
    **dict.fromkeys(("map", "starmap", "chunks", "group", "batch_defer"), _MANY),
    "apply": "write {task}.func(1, 2), or set 'dev_mode_force_sync_tasks' to run every call inline",
    "AsyncResult": "write app.get_invocation(invocation_id)",
    "request": "write {task}.invocation inside the body",
    "retry": "raise RetryError() in the body, or name exceptions in the option 'retry_for'",
    "update_state": "log it, or have a workflow record it with {task}.wf.set_data(key, value)",
    "run": "write {task}.func",
    "fn": "write {task}.func",
    "name": "write {task}.task_id",
}
"""What others call on a task."""

INVOCATION = {
    **dict.fromkeys(("get", "get_result", "wait_result", "value", "join", "collect"), _RESULT),
    **dict.fromkeys(("ready", "done", "is_ready", "finished", "is_finished", "is_completed"), _ENDED),
    **dict.fromkeys(("successful", "failed", "state", "get_status"), "write 'status'"),
    **dict.fromkeys(("id", "task_id", "message_id", "job_id", "uuid"), "write 'invocation_id'"),
    **dict.fromkeys(("revoke", "abort", "terminate"), "write 'cancel()'"),
    **dict.fromkeys(("traceback", "exception", "info", "exc_info"), "write 'error'"),
    "forget": "what has ended is deleted after 'auto_final_invocation_purge_hours'",
    "then": "start a task with on_success(...), or wait for the result in the body of another task",
}
"""What others call on the handle of a call."""

GROUP = {
    **dict.fromkeys(
        ("get", "get_results", "join", "join_native", "wait_result"), "write 'result', or wait(timeout_s=10)"
    ),
    **dict.fromkeys(
        ("ready", "done", "completed", "completed_count", "successful", "failed"), "write 'status'"
    ),
    **dict.fromkeys(("children", "jobs", "messages"), "write 'invocations'"),
    "iterate": "write 'as_completed()'",
    "revoke": "write 'cancel()'",
}
"""What others call on a group of calls."""

APP = {
    **dict.fromkeys(("actor", "shared_task", "register_task", "register"), "write @app.task"),
    "send_task": "call the task itself, which app.find_task('module.name') returns",
    "AsyncResult": "write app.get_invocation(invocation_id)",
    "autodiscover_tasks": "set 'task_modules' to names or patterns such as 'shop.*.tasks'",
    **dict.fromkeys(("worker_main", "start", "run_worker", "run", "listen"), "write app.runner.run()"),
    "on_after_configure": "give tasks triggers: @app.task(triggers=on_cron('0 5 * * *'))",
    "add_periodic_task": "give tasks triggers: @app.task(triggers=on_cron('0 5 * * *'))",
    **dict.fromkeys(
        ("config_from_object", "config"), "give settings to Pynenc(...), or set PYNENC__ variables"
    ),
    **dict.fromkeys(("signature", "chain", "chord"), "call tasks in the body of a task or of a workflow"),
    "control": "write app.find_invocations(...), or use the command line: pynenc --help",
    "get_tasks": "write app.tasks",
}
"""What others call on the app."""


class AnswersHabits:
    """An object that says what to write in place of what is called otherwise elsewhere."""

    __slots__ = ()
    _habits: ClassVar[Mapping[str, str]] = {}

    def _missing(self, name: str) -> Any:
        """Raise the error for an attribute that is not there, with the answer if there is one."""
        cls = type(self)
        if hasattr(cls, name):  # a property that has failed with an AttributeError of its own
            return object.__getattribute__(self, name)
        answer = cls._habits.get(name)
        own_name = getattr(self, "__dict__", {}).get("__name__", "task")
        hint = f": {answer.format(task=own_name)}" if answer is not None else ""
        raise AttributeError(f"'{cls.__name__}' object has no attribute '{name}'{hint}", name=name, obj=self)

    if not TYPE_CHECKING:  # type checkers are to refuse these names
        __getattr__ = _missing
