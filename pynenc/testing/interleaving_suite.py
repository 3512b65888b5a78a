"""Two actors at one workflow, in every order of their operations: nothing is lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from pynenc.app import Pynenc
from pynenc.exceptions import InvocationCancelledError
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle.cancellation import cancel
from pynenc.testing import kit_workflows
from pynenc.testing.app_fixtures import AppFixtures
from pynenc.testing.evaluating import Evaluating
from pynenc.testing.faulty_storage import put_faulty
from pynenc.testing.inline_runner import InlineRunner
from pynenc.testing.interleaving import Turns, every_order

_S = InvocationStatus
_FEW = 25
_Reach = Callable[[Pynenc, str], object]


def sent(app: Pynenc, root_id: str) -> None:
    """Send an event to the workflow."""
    app.send_event(root_id, "approved", {"by": "Ada"})


def cancelled(app: Pynenc, root_id: str) -> None:
    """Cancel the workflow."""
    cancel(app.components, [root_id], "client")


@dataclass(frozen=True)
class Scene:
    """A workflow that is about to wait, and what reaches it just then.

    Attributes:
        body: The workflow.
        reach: What the other actor does.
        result: What the workflow gives; None if it is cancelled.
    """

    body: Callable[..., Any]
    reach: _Reach
    result: Any

    def __str__(self) -> str:
        return f"{self.body.__name__}-{self.reach.__name__}"


_ADA = {"by": "Ada"}
SCENES = [
    Scene(kit_workflows.waits_once, sent, _ADA),
    Scene(kit_workflows.waits_once, cancelled, None),
    Scene(kit_workflows.sleeps_once, cancelled, None),
]


class InterleavingSuite(AppFixtures):
    """Events and cancelling that reach a workflow while it is being parked wake it at once.

    Attributes:
        switches: How often one actor is held up at most; None for every order there is.
        most_orders: After how many orders to stop.
    """

    switches: int | None = 1
    most_orders = _FEW

    @pytest.mark.timeout(600)
    @pytest.mark.parametrize("scene", SCENES, ids=str)
    def test_what_reaches_a_workflow_that_is_being_parked_wakes_it(self, app: Pynenc, scene: Scene) -> None:
        turns = Turns()
        put_faulty(app, turns)
        app.workflow(kit_workflows.waits_once)
        root = app.workflow(scene.body)

        def life(schedule: Sequence[int]) -> Turns:
            app.purge()
            kit_workflows.forget()
            called = root()

            def run() -> None:
                kit_workflows.AT_WAIT[:] = [lambda: turns.begin(0)]
                InlineRunner(app).run_due()

            def reach() -> None:
                turns.begin(1)
                scene.reach(app, called.invocation_id)

            raised = turns.run([run, reach], schedule)
            kit_workflows.AT_WAIT.clear()
            assert raised == [], f"in the order {turns.trace}"
            for _ in range(5):
                Evaluating(app).work()
                InlineRunner(app, "r3").run_due()
            (state,) = app.orchestrator.read_states([called.invocation_id])
            assert state is not None
            assert state.status.final, (
                f"{state.status} waits for {state.waits_for}, in the order {turns.trace}"
            )
            if scene.result is None:
                with pytest.raises(InvocationCancelledError):
                    called.wait(0)
            else:
                assert called.wait(0) == scene.result
            return turns

        for number, _ in enumerate(every_order(life, self.switches)):
            if number >= self.most_orders:
                break
