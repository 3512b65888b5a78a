"""The hooks that a plugin may implement.

A plugin is a module or object named by an entry point in the group `pynenc.plugins`, with
functions marked `@hookimpl`. All hooks are optional. A life-cycle hook that raises is logged
and changes nothing for the invocation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager

import pluggy

from pynenc.context import RunnerContext
from pynenc.invocation.status import StatusRecord
from pynenc.plugins.component import BuilderMethod, CodecSpec, CommandSpec, ComponentSpec, ConverterSpec
from pynenc.plugins.middleware import Alert, Execution, StatusChange, StepRun, Submission

PROJECT = "pynenc"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


# --- what a plugin offers ------------------------------------------------------------


@hookspec
def pynenc_components() -> Iterable[ComponentSpec]:
    """Return components, described lazily: listing them must not import a driver."""
    raise NotImplementedError


@hookspec
def pynenc_builder_methods() -> Iterable[BuilderMethod]:
    """Return methods for `PynencBuilder`."""
    raise NotImplementedError


@hookspec
def pynenc_cli_commands() -> Iterable[CommandSpec]:
    """Return commands for the `pynenc` command line."""
    raise NotImplementedError


@hookspec
def pynenc_converters() -> Iterable[ConverterSpec]:
    """Return converters: how serializers carry the objects of further classes."""
    raise NotImplementedError


@hookspec
def pynenc_codecs() -> Iterable[CodecSpec]:
    """Return codecs: what values go through before they are stored."""
    raise NotImplementedError


# --- what happens --------------------------------------------------------------------


@hookspec
def pynenc_before_submit(app_id: str, invocation_id: str, task_id: str) -> None:
    """Act before an invocation is stored and queued."""


@hookspec
def pynenc_after_submit(app_id: str, invocation_id: str, task_id: str) -> None:
    """Act after an invocation was accepted."""


@hookspec
def pynenc_status_changed(app_id: str, invocation_id: str, task_id: str, record: StatusRecord) -> None:
    """Act after this process changed the status of an invocation."""


@hookspec
def pynenc_before_execution(app_id: str, invocation_id: str, task_id: str) -> None:
    """Act before a body runs, in the thread that runs it."""


@hookspec
def pynenc_after_execution(
    app_id: str, invocation_id: str, task_id: str, error: BaseException | None
) -> None:
    """Act after a body has returned, or raised `error`."""


@hookspec
def pynenc_submitting(
    app_id: str, submissions: Sequence[Submission]
) -> AbstractContextManager[object] | Iterator[None] | None:
    """Act around the storing of calls, in the context of the caller; headers may be changed before that."""


@hookspec
def pynenc_executing(
    app_id: str, execution: Execution
) -> AbstractContextManager[object] | Iterator[None] | None:
    """Act around a body, in its own context: its thread, or its task of the event loop.

    It is left as well when the body parks; `execution.end` says how the body ended.
    """


@hookspec
def pynenc_step(
    app_id: str, execution: Execution, step: StepRun
) -> AbstractContextManager[object] | Iterator[None] | None:
    """Act around a step of a workflow that really runs."""


@hookspec
def pynenc_statuses_changed(app_id: str, changes: Sequence[StatusChange]) -> None:
    """Act after this process has changed statuses: every change that was applied, in order."""


@hookspec
def pynenc_runner_started(app_id: str, runner: RunnerContext) -> None:
    """Act when a runner begins to work in this process."""


@hookspec
def pynenc_runner_stopped(app_id: str, runner: RunnerContext) -> None:
    """Act when a runner of this process has stopped."""


@hookspec
def pynenc_process_started(app_id: str, process: RunnerContext) -> None:
    """Act when a runner or one of its worker processes begins to work, in that process."""


@hookspec
def pynenc_process_stopped(app_id: str, process: RunnerContext) -> None:
    """Act when it has stopped in good order: what it ran has ended or was given back."""


@hookspec
def pynenc_alert(app_id: str, alert: Alert) -> None:
    """Act when an alert fires, goes on for long, or is over; called by the runner that has found it."""
