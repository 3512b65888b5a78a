"""Executing one claimed invocation."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import os
import sys
import threading
import time
from collections.abc import Coroutine
from contextlib import nullcontext
from typing import Any, NoReturn

import msgspec

from pynenc.calls.body import call_function, run_function
from pynenc.calls.interfaces import App, current_invocation
from pynenc.calls.retries import next_pause
from pynenc.client.dist_invocation import DistributedInvocation
from pynenc.client.middleware import enter_execution
from pynenc.client.workflow_runtime import latest_arguments, workflow_of
from pynenc.context import (
    RunContext,
    RunnerContext,
    Running,
    body_task,
    current_headers,
    current_invocation_id,
    current_run,
    current_runner,
    current_task_key,
    current_trigger_depth,
    running_runner,
)
from pynenc.exceptions import InvocationCancelledError, SerializationError, StorageUnavailableError
from pynenc.identifiers.texts import error_text, traceback_text, type_name
from pynenc.interruption import Interruption, current_interruption, is_interrupted
from pynenc.invocation.claim import Claim
from pynenc.invocation.status import InvocationStatus
from pynenc.invocation.workflow_identity import WorkflowIdentity
from pynenc.lifecycle.cancellation import end_children, is_cancel_requested
from pynenc.lifecycle.execution import Finished
from pynenc.lifecycle.run_log import Failure
from pynenc.lifecycle.storage_retry import pauses, retry_while_unavailable, retry_while_unavailable_async
from pynenc.runner.other_code import check_version, left_to_others
from pynenc.runner.refused_writes import LAST_RESORT
from pynenc.runner.running_set import RunningBody
from pynenc.serializer.exception_data import ExceptionData, as_text

_LEAVING_S = 10.0

current_claim: contextvars.ContextVar[Claim | None] = contextvars.ContextVar("pynenc_claim", default=None)
"""The claim under which the body of this context runs."""


def invoke(
    app: App, claim: Claim, runner: Running, identity: RunnerContext, interruption: Interruption
) -> Finished:
    """Run the body of a claim that is RUNNING.

    Returns:
        How it ended. Whatever user code and stored data do, this does not raise.
    """
    context, begun = contextvars.copy_context(), time.monotonic()
    try:
        finished = context.run(_invoke, app, claim, runner, identity, interruption)
    except BaseException as error:  # noqa: BLE001 - nothing of one invocation may end its worker
        finished = ended_oddly(app, claim, error)
    return msgspec.structs.replace(finished, seconds=time.monotonic() - begun)


def ended_oddly(app: App, claim: Claim, error: BaseException) -> Finished:
    """Return how a run ends in which even the telling of its failure has failed. Never raises."""
    payload = LAST_RESORT
    with contextlib.suppress(BaseException):
        app.logger.error("invocation cannot be ended in order: %s", traceback_text(error))
    with contextlib.suppress(BaseException):
        payload = app.components.values.pack_error(error)
    failure = Failure(ExceptionData(type_name(type(error)), error_text(error), "", None))
    return Finished(claim, InvocationStatus.FAILED, payload, failure=failure)


def _enter(claim: Claim, runner: Running, identity: RunnerContext, interruption: Interruption) -> None:
    """Make this context that of the invocation."""
    current_runner.set(identity)
    running_runner.set(runner)
    current_claim.set(claim)
    interruption.is_cooperative = bool(claim.state.is_workflow)
    current_interruption.set(interruption)
    current_invocation_id.set(claim.data.invocation_id)
    current_task_key.set(claim.data.task_id)
    current_headers.set(claim.data.headers)
    current_run.set(RunContext(claim.data.workflow_id, claim.state.retries + 1))
    current_trigger_depth.set(claim.data.trigger_depth or 0)


def _begin(app: App, claim: Claim) -> DistributedInvocation[..., Any] | Finished:
    """Return the invocation, ready to run; how it ended if it cannot even begin."""
    components, data = app.components, claim.data
    try:
        if claim.state.is_pinned:
            check_version(app, claim)
        task = app.find_task(data.task_id)
        latest = None
        if claim.state.generation:
            latest = latest_arguments(components, data.invocation_id, claim.state.generation)
        (arguments,) = components.values.unpack_arguments([latest or data.arguments])
        if task.naming.upgrade is not None:
            arguments = task.upgraded(data.task_id, arguments)
    except StorageUnavailableError:
        raise
    except SerializationError as error:
        return _unable(app, claim, error.inside(f"task '{data.task_id}'"))
    except BaseException as error:  # noqa: BLE001 - stored data and imported modules may do anything
        return _unable(app, claim, error)
    workflow = WorkflowIdentity(data.workflow_id, data.workflow_type, data.parent_workflow_id)
    invocation: DistributedInvocation[..., Any] = DistributedInvocation(
        data.invocation_id, task, arguments, workflow, claim.state
    )
    invocation.claimed = claim.state
    if claim.state.is_workflow:
        workflow_of(invocation)  # a wait of the root is recorded, whether or not the body touches `wf`
    current_invocation.set(invocation)
    if components.hooks.before_execution.get_hookimpls():
        components.hooks.call("before_execution", **_ids(claim))
    return invocation


def _unable(app: App, claim: Claim, error: BaseException) -> Finished:
    """Return how a run ends that cannot begin."""
    left = left_to_others(app, claim, error)
    if left is not None:
        return left
    return _as_failed(app, claim, error)


def _ids(claim: Claim) -> dict[str, str]:
    return {"invocation_id": claim.data.invocation_id, "task_id": claim.data.task_id}


def _invoke(
    app: App, claim: Claim, runner: Running, identity: RunnerContext, interruption: Interruption
) -> Finished:
    _enter(claim, runner, identity, interruption)
    try:
        begun = _begin(app, claim)
    except StorageUnavailableError:
        begun = retry_while_unavailable(app.components.logger, lambda: _begin(app, claim))
    return begun if isinstance(begun, Finished) else _run(app, claim, begun)


async def invoke_async(
    app: App, claim: Claim, runner: Running, identity: RunnerContext, interruption: Interruption
) -> Finished:
    """Do the same as `invoke` inside a task of an event loop.

    A coroutine is awaited in a task of its own, a plain function runs in a thread of its own.

    Raises:
        asyncio.CancelledError: The task in which this runs was cancelled, not the invocation.
    """
    _enter(claim, runner, identity, interruption)
    try:
        invocation = await retry_while_unavailable_async(app.logger, lambda: _begin(app, claim))
        if isinstance(invocation, Finished):
            return invocation
        if not invocation.task.is_async:
            return await _in_thread(app, claim, invocation)
        process_id = os.getpid()
        result, failure = await _in_task(app, claim, invocation, interruption)
        if os.getpid() != process_id:
            _leave_fork(failure)
        return await retry_while_unavailable_async(
            app.logger, lambda: _outcome(app, claim, invocation, result, failure)
        )
    except asyncio.CancelledError:
        raise
    except BaseException as error:  # noqa: BLE001 - nothing of one invocation may end the event loop
        return ended_oddly(app, claim, error)


async def _in_task(
    app: App, claim: Claim, invocation: DistributedInvocation[..., Any], interruption: Interruption
) -> tuple[Any, BaseException | None]:
    """Await a body in a task of its own; return its result, or what it raised, `CancelledError` included."""
    loop, result, failure = asyncio.get_running_loop(), None, None

    async def run() -> None:
        nonlocal result, failure
        body_task.set(asyncio.current_task())
        process_id, hooks = os.getpid(), app.components.hooks
        is_watched = hooks.executing.get_hookimpls() or hooks.step.get_hookimpls()
        around = enter_execution(app, claim) if is_watched else None
        try:
            result = await call_function(invocation.task, invocation.kwargs)
        except BaseException as error:  # noqa: BLE001 - it belongs to whoever asks for the result
            failure = error
        if around is not None and os.getpid() == process_id:
            ended_by = interruption.error if isinstance(failure, asyncio.CancelledError) else None
            around.leave(invocation, ended_by or failure)

    task = own_task(run(), loop)

    def stop() -> None:
        loop.call_soon_threadsafe(task.cancel)

    try:
        with nullcontext() if interruption.is_cooperative else interruption.waking(stop):
            await asyncio.wait({task})
    except asyncio.CancelledError:
        interruption.is_abandoned = True
        task.cancel()
        raise
    left = invocation.body_record.left_tasks() if invocation.body_record is not None else []
    if left:  # they give back what a wait holds, so that the record is RUNNING again before it is parked
        await asyncio.wait(left, timeout=_LEAVING_S)
    if task.cancelled() and failure is None:  # before it began
        failure = asyncio.CancelledError()
    if isinstance(failure, asyncio.CancelledError) and interruption.error is not None:
        failure = interruption.error
    return result, failure


def own_task(work: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop) -> asyncio.Task[None]:
    """Start a task that neither `asyncio.all_tasks()` shows to bodies nor a task factory of theirs makes."""
    task = asyncio.Task(work, loop=loop)
    asyncio._unregister_task(task)  # documented for those who extend asyncio
    return task


async def _in_thread(app: App, claim: Claim, invocation: DistributedInvocation[..., Any]) -> Finished:
    """Run a body in a thread of its own, in this context."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Finished] = loop.create_future()

    def settle(finished: Finished) -> None:
        if not done.done():
            done.set_result(finished)

    def run() -> None:
        try:
            finished = _run(app, claim, invocation)
        except BaseException as error:  # noqa: BLE001 - nothing of one invocation may be left without an end
            finished = ended_oddly(app, claim, error)
        with contextlib.suppress(RuntimeError):  # the loop is closed: the runner has handed it back
            loop.call_soon_threadsafe(settle, finished)

    context = contextvars.copy_context()
    for pause_s in pauses():
        thread = threading.Thread(target=context.run, args=(run,), name="pynenc-body", daemon=True)
        try:
            thread.start()
            break
        except RuntimeError as error:
            app.logger.warning("no thread can be had for a body, next try in %.1f s: %s", pause_s, error)
            await asyncio.sleep(pause_s)
    return await done


def _run(app: App, claim: Claim, invocation: DistributedInvocation[..., Any]) -> Finished:
    result: Any = None
    failure: BaseException | None = None
    process_id, hooks = os.getpid(), app.components.hooks
    is_watched = hooks.executing.get_hookimpls() or hooks.step.get_hookimpls()
    around = enter_execution(app, claim) if is_watched else None
    try:
        result = run_function(invocation.task, invocation.kwargs)
    except BaseException as error:  # noqa: BLE001 - it belongs to whoever asks for the result
        failure = error
    if os.getpid() != process_id:
        _leave_fork(failure)
    if around is not None:
        around.leave(invocation, failure)
    try:
        return _outcome(app, claim, invocation, result, failure)
    except StorageUnavailableError:
        return retry_while_unavailable(
            app.components.logger, lambda: _outcome(app, claim, invocation, result, failure)
        )


def _leave_fork(failure: BaseException | None) -> NoReturn:
    """End the process that a body has forked: the invocation and the engine belong to its parent."""
    code = 1
    if failure is None:
        code = 0
    elif isinstance(failure, SystemExit):
        code = failure.code if isinstance(failure.code, int) else int(failure.code is not None)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(BaseException):
            stream.flush()
    os._exit(code & 0xFF)


def _outcome(
    app: App,
    claim: Claim,
    invocation: DistributedInvocation[..., Any],
    result: Any,
    failure: BaseException | None,
) -> Finished:
    """Return how a run ended whose body gave a result or raised an exception."""
    components, record = app.components, invocation.body_record
    invocation.claimed = None  # a thread that the body has left behind reports nothing any more
    has_steps = record is not None and record.has_steps
    if record is not None and record.parking is not None:  # then it does not matter how it was left
        return Finished(claim, InvocationStatus.RETRY, "", parking=record.parking, has_steps=True)
    payload = ""
    if record is not None and record.misfit is not None:
        failure = record.misfit
    if failure is None:
        try:
            if record is not None:
                record.check_complete()
            payload = components.values.pack_result(result)
        except StorageUnavailableError:
            raise
        except BaseException as error:  # noqa: BLE001 - a result that cannot be written is the task's error
            failure = error
    if components.hooks.after_execution.get_hookimpls():
        components.hooks.call("after_execution", error=failure, **_ids(claim))
    if failure is None:
        return Finished(claim, InvocationStatus.SUCCESS, payload, has_steps=has_steps)
    return _failed(app, claim, invocation, failure, has_steps)


def _failed(
    app: App,
    claim: Claim,
    invocation: DistributedInvocation[..., Any],
    error: BaseException,
    has_steps: bool,
) -> Finished:
    components = app.components
    if isinstance(error, InvocationCancelledError) and (
        is_interrupted() or is_cancel_requested(components, claim.data.invocation_id)
    ):
        record = invocation.body_record
        if record is None or not record.was_cancelled:
            end_children(components, claim.data.invocation_id, claim.state.runner_id or "")
        return Finished(claim, InvocationStatus.CANCELLED, "", has_steps=has_steps)
    left = left_to_others(app, claim, error, has_steps) if has_steps else None
    if left is not None:
        return left
    now = components.now()
    pause = next_pause(invocation.task, error, claim.state.retries, now - claim.data.created_at)
    if pause is not None:
        due = now + pause if pause > 0 else 0.0
        if invocation.body_record is not None:
            invocation.body_record.forget_failure(error)
        attempt = components.values.attempt_of(error)
        failure = Failure(attempt, invocation.task.conf.max_retries + 1)
        return Finished(
            claim, InvocationStatus.RETRY, as_text(attempt), due, has_steps=has_steps, failure=failure
        )
    return _as_failed(app, claim, error, has_steps, invocation.task.conf.max_retries + 1)


def _as_failed(
    app: App, claim: Claim, error: BaseException, has_steps: bool = False, most: int | None = None
) -> Finished:
    values = app.components.values
    told = values.failure_of(error)
    payload, failure = values.pack_failure(told), Failure(told, most)
    return Finished(claim, InvocationStatus.FAILED, payload, has_steps=has_steps, failure=failure)


def ended_by_force(app: App, body: RunningBody) -> Finished:
    """Return how a body ends that did not listen when it was asked to."""
    error = body.interruption.error
    if error is None or isinstance(error, InvocationCancelledError):
        end_children(app.components, body.claim.data.invocation_id, body.claim.state.runner_id or "")
        return Finished(body.claim, InvocationStatus.CANCELLED, "")
    return _as_failed(app, body.claim, error)
