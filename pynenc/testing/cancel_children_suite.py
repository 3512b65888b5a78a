"""The promises of cancelling what an invocation has started along with it."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from pynenc.app import Pynenc
from pynenc.calls.interfaces import InvocationGroup
from pynenc.exceptions import InvocationCancelledError
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle import recovery
from pynenc.testing import kit_functions, kit_workflows
from pynenc.testing.app_fixtures import AppFixtures, running
from pynenc.testing.faulty_storage import CrashPlan, SimulatedCrash, put_faulty
from pynenc.testing.inline_runner import InlineRunner

_S = InvocationStatus
_LONG_S = 1000.0
_ROUNDS = 12


def _until(app: Pynenc, count: int) -> None:
    """Wait until so many invocations are stored; the test's own limit ends a vain wait."""
    while len(app.find_records(limit=100)) < count:
        pass


def _statuses(app: Pynenc, without: str = "") -> set[InvocationStatus]:
    found = app.find_records(limit=100)
    return {record.status for data, record in found if data.invocation_id != without}


class CancelChildrenSuite(AppFixtures):
    """All that an invocation has started ends with it when that is wanted, wherever a process dies."""

    @pytest.mark.parametrize("spins", [False, True], ids=["waits", "runs"])
    def test_all_generations_end_when_asked(self, app: Pynenc, spins: bool) -> None:
        with running(app):
            root = app.task(kit_functions.branch_out)(2, spins)
            _until(app, 7)
            root.cancel(children=True)
            with pytest.raises(InvocationCancelledError):
                root.wait(60)
        assert _statuses(app) == {_S.CANCELLED}

    def test_children_go_on_when_not_asked(self, app: Pynenc) -> None:
        with running(app):
            root = app.task(kit_functions.branch_out)(1, True)
            _until(app, 3)
            root.cancel()
            with pytest.raises(InvocationCancelledError):
                root.wait(60)
        assert _statuses(app, root.invocation_id) == {_S.REGISTERED}
        root.cancel(children=True)  # it has ended, and its children have not
        assert _statuses(app) == {_S.CANCELLED}

    def test_a_task_may_ask_for_it(self, app: Pynenc) -> None:
        with running(app):
            root = app.task(cancel_children=True)(kit_functions.branch_out)(1, True)
            _until(app, 3)
            root.cancel()
            with pytest.raises(InvocationCancelledError):
                root.wait(60)
        assert _statuses(app) == {_S.CANCELLED}

    @pytest.mark.parametrize("option", [False, True], ids=["asked", "option"])
    def test_a_child_that_is_submitted_meanwhile_ends_too(self, app: Pynenc, option: bool) -> None:
        task = app.task(cancel_children=option)(kit_functions.start_one_too_late)
        with running(app):
            root = task(not option)
            with pytest.raises(InvocationCancelledError):
                root.wait(60)
        assert len(app.find_records(limit=100)) == 3
        assert _statuses(app) == {_S.CANCELLED}

    def test_a_group_reaches_them_too(self, app: Pynenc) -> None:
        with running(app):
            group = app.task(kit_functions.branch_out).parallelize([(1, False)])
            _until(app, 3)
            group.cancel(children=True)
            assert isinstance(group.outcomes(60)[0], InvocationCancelledError)
        assert _statuses(app) == {_S.CANCELLED}

    def _workflow(self, app: Pynenc, compensates: bool, **options: Any) -> tuple[Any, Any]:
        app.conf.workflow_park_after_seconds = 0.0
        app.task(kit_workflows.square)
        undo = app.task(kit_workflows.undo)
        app.workflow(kit_workflows.waits_for_approval)
        root = app.workflow(**options)(kit_workflows.starts_children)(compensates)
        while sum(record.is_parked for _, record in app.find_records(limit=100)) < 2:
            pass
        return root, undo

    def test_the_children_of_a_workflow_end_but_not_its_compensation(self, app: Pynenc) -> None:
        with running(app):
            root, undo = self._workflow(app, True)
            root.cancel()
            with pytest.raises(InvocationCancelledError):
                root.wait(60)
            (undone,) = app.find_invocations(undo)
            assert undone.wait(60) is None
            InvocationGroup(undo, app.find_invocations()).outcomes(60)
        statuses = {data.task_id.rpartition(".")[2]: record.status for data, record in app.find_records()}
        assert statuses == {
            "starts_children": _S.CANCELLED,
            "square": _S.CANCELLED,
            "waits_for_approval": _S.CANCELLED,
            "undo": _S.SUCCESS,
        }

    def test_a_workflow_may_leave_its_children(self, app: Pynenc) -> None:
        with running(app):
            root, _ = self._workflow(app, False, cancel_children=False)
            root.cancel()
            with pytest.raises(InvocationCancelledError):
                root.wait(60)
        assert _statuses(app, root.invocation_id) == {_S.REGISTERED, _S.RETRY}

    @pytest.mark.timeout(600)  # each crash point is a life of its own
    def test_a_crash_at_any_operation_leaves_no_child_behind(self, app: Pynenc) -> None:
        plan = put_faulty(app)
        task = app.task(cancel_children=True)(kit_functions.start_one_too_late)
        plan.arm(None)
        task(False)
        InlineRunner(app).run_due()
        assert _statuses(app) == {_S.CANCELLED}
        for number in range(plan.steps):
            for after in (False, True):
                plan.arm(None)
                app.purge()
                app.client_data_store.forget()
                plan.arm(number, after)
                root_ids: list[str] = []
                with contextlib.suppress(SimulatedCrash):
                    root_ids.append(task(False).invocation_id)
                    InlineRunner(app).run_due()
                plan.arm(None)
                for root_id in root_ids:
                    _heal(app, plan, root_id)
                    place = f"died {'after' if after else 'before'} operation {number}"
                    assert _statuses(app) == {_S.CANCELLED}, place


def _heal(app: Pynenc, plan: CrashPlan, root_id: str) -> None:
    """Let recovery and a healthy runner bring it to its end."""
    for _ in range(_ROUNDS):
        plan.clock_offset_s += _LONG_S
        recovery.recover(app.components, "boss")
        (state,) = app.orchestrator.read_states([root_id])
        if state is not None and state.status.final:
            return
        InlineRunner(app, "r9").run_due()
    raise AssertionError(f"it does not end: {app.orchestrator.history(root_id)[-6:]}")
