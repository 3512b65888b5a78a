"""Parallel calls of what is read while it is submitted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from pynenc.calls.arguments import BATCH
from pynenc.calls.call_options import CallOptions
from pynenc.calls.interfaces import BaseTask
from pynenc.client.dist_invocation import DistributedInvocation
from pynenc.client.submitting import Bound, submit_calls
from pynenc.exceptions import PartlySubmittedError
from pynenc.identifiers.ids import IdSeries
from pynenc.types import Params, Result


def submit_stream(
    task: BaseTask[Params, Result], calls: Iterator[Bound], options: CallOptions, common: Mapping[str, Any]
) -> list[DistributedInvocation[Params, Result]]:
    """Submit calls while they are read, a batch at a time; the handles do not keep the arguments.

    Args:
        task: The task.
        calls: The bound arguments of each call.
        options: Where, when and how long they run.
        common: Arguments that all calls share.

    Raises:
        PartlySubmittedError: Reading or submitting failed after some calls were accepted.
    """
    handles: list[DistributedInvocation[Params, Result]] = []
    series = IdSeries()
    size = task.conf.parallel_batch_size or BATCH
    try:
        while batch := list(islice(calls, size)):
            made = submit_calls(task, batch, options, common, series=series)
            for each in made:
                each.forget_arguments()
            handles += made
    except Exception as error:
        if handles:
            raise PartlySubmittedError(handles) from error
        raise
    return handles
