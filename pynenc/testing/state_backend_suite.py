"""The promises of a state backend."""

from __future__ import annotations

from pynenc.app import Pynenc
from pynenc.invocation.data import InvocationData, OutcomeData
from pynenc.invocation.state import outcome_id, recovery_outcome_id
from pynenc.state_backend.base_state_backend import RunnerData
from pynenc.storage.group import Group
from pynenc.storage.operations import Cursor
from pynenc.testing.app_fixtures import AppFixtures


def _data(name: str, at: float = 1.0, task: str = "kit.task") -> InvocationData:
    return InvocationData(name, task, '{"x": "1"}', at, name, task, None, None, "client")


class StateBackendSuite(AppFixtures):
    """Invocations and outcomes: written once, found by task and time."""

    def test_invocations_come_back_and_are_never_overwritten(self, app: Pynenc) -> None:
        app.state_backend.save_invocations([_data("a"), _data("b")])
        app.state_backend.save_invocations([_data("a", 9.0)])
        assert app.state_backend.read_invocations(["b", "no", "a"]) == [_data("b"), None, _data("a")]

    def test_invocations_are_found_newest_first(self, app: Pynenc) -> None:
        invocations = [_data("a", 1.0), _data("b", 3.0), _data("c", 2.0, "kit.other")]
        app.state_backend.save_invocations(invocations)
        find = app.state_backend.find_invocations
        assert [each.invocation_id for each in find()] == ["b", "c", "a"]
        assert [each.invocation_id for each in find("kit.task")] == ["b", "a"]
        assert [each.invocation_id for each in find(since=2.0)] == ["b", "c"]
        assert [each.invocation_id for each in find(until=3.0)] == ["c", "a"]
        assert [each.invocation_id for each in find(limit=1, after=Cursor(3.0, "b"))] == ["c"]

    def test_outcomes_are_written_once(self, app: Pynenc) -> None:
        key = outcome_id("a", 1)
        app.state_backend.save_outcomes([OutcomeData(key, 0, "first")])
        app.state_backend.save_outcomes([OutcomeData(key, 1, "second")])
        found = app.state_backend.read_outcomes([outcome_id("a", 2), key])
        assert found == [None, OutcomeData(key, 0, "first")]

    def test_deleting_takes_all_outcomes_along(self, app: Pynenc) -> None:
        keys = [outcome_id("a", 1), outcome_id("a", 2), recovery_outcome_id("a", 2)]
        app.state_backend.save_invocations([_data("a"), _data("b")])
        app.state_backend.save_outcomes([OutcomeData(key, 0, "x") for key in keys])
        app.state_backend.delete([("a", 2)])
        assert app.state_backend.read_invocations(["a", "b"]) == [None, _data("b")]
        assert app.state_backend.read_outcomes(keys) == [None, None, None]
        assert [each.invocation_id for each in app.state_backend.find_invocations()] == ["b"]

    def test_runners_come_back(self, app: Pynenc) -> None:
        runner = RunnerData("r1", "ThreadRunner", 42, "host", None, 1.5)
        app.state_backend.save_runners([runner])
        assert app.state_backend.read_runners(["r1", "no"]) == [runner, None]

    def test_steps_of_a_group_do_the_same(self, app: Pynenc) -> None:
        group = Group()
        app.state_backend.stage_save_invocations(group, [_data("a")])
        reply = app.state_backend.stage_read_invocations(group, ["a", "no"])
        app.state_backend.stage_save_outcomes(group, [OutcomeData("a:1", 0, "x")])
        group.send()
        assert reply.get() == [_data("a"), None]
        assert app.state_backend.read_outcomes(["a:1"]) == [OutcomeData("a:1", 0, "x")]
