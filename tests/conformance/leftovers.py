"""A bit of everything that an app can store, and then the time after which none of it is needed."""

from __future__ import annotations

import contextlib
from typing import Any

from pynenc import ConcurrencyControlType, Pynenc
from pynenc.exceptions import InvocationError
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle.retention import Retention
from pynenc.task import Task
from pynenc.testing import kit_functions, kit_workflows
from pynenc.testing.app_fixtures import running
from pynenc.testing.evaluating import Evaluating
from pynenc.testing.faulty_storage import put_faulty
from pynenc.testing.inline_runner import InlineRunner
from pynenc.trigger import on_cron, on_event, on_status

_YEAR_S = 365 * 86400.0
_LARGE = "large value " * 500
_MODE = ConcurrencyControlType


class Everything:
    """An app whose every kind of record comes into being, and goes again.

    Args:
        app: The app; its clock is put forward.
    """

    def __init__(self, app: Pynenc) -> None:
        self.app = app
        self.plan = put_faulty(app)
        app.conf.workflow_park_after_seconds = 0.0
        self.add = app.task(kit_functions.add, call_result_cache=True)
        self.size = app.task(
            running_concurrency=_MODE.ARGUMENTS,
            registration_concurrency=_MODE.ARGUMENTS,
            reroute_on_concurrency_control=True,
        )(kit_functions.size_of)
        self.fail = app.task(kit_functions.fail)
        self.retry = app.task(kit_functions.succeed_after, max_retries=3)
        self.square = app.task(kit_workflows.square)
        self.reports = app.task(kit_functions.count_to)
        self.followed: Task[..., Any] = app.task(
            triggers=[on_event("code"), on_status(self.fail, "failed"), on_cron("0 0 * * *")]
        )(kit_functions.follow)
        self.undone = app.workflow(kit_workflows.undone)
        app.task(kit_workflows.undo)
        self.counts = app.workflow(kit_workflows.counts_down)
        self.waits = app.workflow(kit_workflows.waits_for_order)
        self.everything = app.workflow(kit_workflows.everything)
        self.approval = app.workflow(kit_workflows.waits_for_approval)
        app.register_deferred_triggers()

    def live(self, number: int) -> None:
        """Run some of everything to its end."""
        kit_workflows.forget()
        app, calls = self.app, []
        for each in range(3):
            calls += [self.add(number, each), self.add(number, each), self.size(_LARGE * (1 + each), number)]
            calls += [self.fail(f"{number} {each} {_LARGE}"), self.retry(2)]
        calls += [*self.size.parallelize([{"at": at} for at in range(5)], {"data": _LARGE + "shared"})]
        calls += [self.undone(3), self.counts(3), self.reports(3)]
        self.add(number, 99).cancel()
        whole, order = self.everything(number), self.waits(number)
        app.trigger.emit_event("code", {"x": number, "y": 1})
        with running(app):
            for call in calls:
                _wait_for(call)
        evaluating = Evaluating(app)
        evaluating.work()
        runner = InlineRunner(app)
        runner.run_due()
        for event, payload in (("approved", {"by": "Ada"}), ("paid", {"order": number})):
            self.plan.clock_offset_s += 3601
            runner.run_due()
            if event == "approved":
                app.send_event(whole.invocation_id, event, payload)
            else:
                app.trigger.emit_event(event, payload)
            evaluating.work()
            runner.run_due()
        assert {app.get_invocation(each.invocation_id).status for each in (whole, order)} == {
            InvocationStatus.SUCCESS
        }

    def clean(self) -> None:
        """Let a year pass, and delete what nothing needs."""
        work = Retention(self.app.components)
        for _ in range(3):
            self.plan.clock_offset_s += _YEAR_S
            work.begin()
            while work.work(1.0):
                pass


def _wait_for(call: Any) -> None:
    with contextlib.suppress(InvocationError, ValueError):
        _ = call.result
