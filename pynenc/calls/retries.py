"""Deciding whether a run that has failed is tried again, and when."""

from __future__ import annotations

import random

from pynenc.calls.interfaces import BaseTask
from pynenc.conf.config_task import ConfigTask
from pynenc.exceptions import NonDeterminismError, RetryError
from pynenc.identifiers.texts import traceback_text
from pynenc.types import Params, Result

_LONGEST_PAUSE_S = 366 * 86400.0


def next_pause(
    task: BaseTask[Params, Result], error: BaseException, retries: int, age_s: float = 0.0
) -> float | None:
    """Return how many seconds after a failure the task is to run again, None if it is not.

    A `RetryError` asks for another run whatever the options of the task say, but for their bounds.

    Args:
        task: The task.
        error: What its body has raised.
        retries: How many further runs there were already.
        age_s: How long ago the call was made, in seconds.
    """
    conf = task.conf
    if isinstance(error, NonDeterminismError):
        return None  # the same code would come to the same place
    if retries >= conf.max_retries:
        return None
    if not isinstance(error, RetryError) and (not _is_retried(conf, error) or _gives_up(task, error)):
        return None
    pause = _pause(conf, error, retries)
    if conf.retry_within is not None and age_s + pause > conf.retry_within:
        return None
    return pause


def _is_retried(conf: ConfigTask, error: BaseException) -> bool:
    return isinstance(error, (*conf.retry_for, *conf.retry_delays))


def _gives_up(task: BaseTask[Params, Result], error: BaseException) -> bool:
    """Ask `give_up` of the task; one that fails decides nothing."""
    give_up = task.conf.give_up
    if give_up is None:
        return False
    try:
        return bool(give_up(error))
    except Exception as failure:  # noqa: BLE001 - it is user code, and the task has failed otherwise
        told = "'give_up' of task %s has failed, so the task is tried again: %s"
        task.app.logger.error(told, task.task_id, traceback_text(failure))
        return False


def _pause(conf: ConfigTask, error: BaseException, retries: int) -> float:
    """Return the pause: what the error asks for, or that of its class, or that of the task."""
    if isinstance(error, RetryError) and error.after is not None:
        return min(error.after, _LONGEST_PAUSE_S)
    for cls in type(error).__mro__:
        if cls in conf.retry_delays:
            return min(conf.retry_delays[cls], _LONGEST_PAUSE_S)
    return retry_pause(conf, retries)


def retry_pause(conf: ConfigTask, retries: int) -> float:
    """Return seconds before the next run: growing by `retry_backoff`, bounded, and partly left to chance.

    Args:
        conf: Options of the task.
        retries: How many further runs there were already.
    """
    try:
        pause = conf.retry_delay * conf.retry_backoff**retries
    except OverflowError:
        pause = float("inf")
    if conf.retry_max_delay is not None:
        pause = min(pause, conf.retry_max_delay)
    return min(pause, _LONGEST_PAUSE_S) * (1 - conf.retry_jitter * random.random())
