"""The promises of an orchestrator."""

from __future__ import annotations

import threading

from pynenc.app import Pynenc
from pynenc.invocation.state import Change, ChangeOutcome, InvocationState, changed
from pynenc.invocation.status import InvocationStatus
from pynenc.orchestrator.base_orchestrator import StateLookup
from pynenc.storage.operations import Cursor
from pynenc.testing.app_fixtures import AppFixtures

_S = InvocationStatus


def _state(name: str, at: float = 1.0) -> InvocationState:
    return InvocationState(name, "kit.task", _S.REGISTERED, changed_at=at, since=at)


def _claim_of(state: InvocationState, runner_id: str, at: float = 2.0) -> Change:
    return changed(state, _S.PENDING, runner_id, at)


class OrchestratorSuite(AppFixtures):
    """Status records: compared and set, found by status, with their history."""

    def test_a_record_is_registered_once(self, app: Pynenc) -> None:
        assert app.orchestrator.register([_state("a"), _state("a", 9.0)], "me") == [True, False]
        assert app.orchestrator.read_states(["a", "no"]) == [_state("a"), None]

    def test_a_change_applies_to_the_record_that_it_expects(self, app: Pynenc) -> None:
        app.orchestrator.register([_state("a")], None)
        change = _claim_of(_state("a"), "r1")
        assert app.orchestrator.change([change], "r1") == [ChangeOutcome(True)]
        assert app.orchestrator.read_states(["a"]) == [change.target]

    def test_a_refused_change_tells_what_stands_there(self, app: Pynenc) -> None:
        app.orchestrator.register([_state("a")], None)
        app.orchestrator.change([_claim_of(_state("a"), "r1")], "r1")
        outcomes = app.orchestrator.change(
            [_claim_of(_state("a"), "r2"), _claim_of(_state("unknown"), "r2")], "r2"
        )
        assert outcomes == [ChangeOutcome(False, _S.PENDING, "r1", 1), ChangeOutcome(False)]

    def test_of_many_that_claim_at_once_one_wins(self, app: Pynenc) -> None:
        app.orchestrator.register([_state("a")], None)
        won: list[str] = []

        def claim(runner_id: str) -> None:
            if app.orchestrator.change([_claim_of(_state("a"), runner_id)], runner_id)[0].applied:
                won.append(runner_id)

        threads = [threading.Thread(target=claim, args=(f"r{number}",)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        (state,) = app.orchestrator.read_states(["a"])
        assert state is not None
        assert won == [state.runner_id]

    def test_history_has_every_status_with_who_and_when(self, app: Pynenc) -> None:
        app.orchestrator.register([_state("a")], "client")
        pending = _claim_of(_state("a"), "r1")
        running = changed(pending.target, _S.RUNNING, "r1", 3.5)
        app.orchestrator.change([pending, running], "r1")
        entries = app.orchestrator.history("a")
        assert [entry.status for entry in entries] == [_S.REGISTERED, _S.PENDING, _S.RUNNING]
        assert [entry.runner_id for entry in entries] == ["client", "r1", "r1"]
        assert [entry.claim for entry in entries] == [0, 1, 1]
        assert [entry.timestamp.timestamp() for entry in entries] == [1.0, 2.0, 3.5]
        assert app.orchestrator.history("unknown") == []

    def test_lives_are_found_with_their_histories(self, app: Pynenc) -> None:
        app.orchestrator.register([_state("a"), _state("b")], "client")
        pending = _claim_of(_state("a"), "r1")
        app.orchestrator.change([pending, changed(pending.target, _S.RUNNING, "r1", 3.5)], "r1")
        (life,) = app.orchestrator.look_up_lives(StateLookup("status", "running"), 10)
        assert (life.invocation_id, life.since, life.changed_at) == ("a", 3.5, 3.5)
        assert life.entries == [
            (_S.REGISTERED, 1.0, "client"),
            (_S.PENDING, 2.0, "r1"),
            (_S.RUNNING, 3.5, "r1"),
        ]
        assert app.orchestrator.look_up_lives(StateLookup("status", "running", low=4.0), 10) == []

    def test_records_are_found_by_status_oldest_first(self, app: Pynenc) -> None:
        app.orchestrator.register([_state("b", 2.0), _state("a", 3.0), _state("c", 1.0)], None)
        find = app.orchestrator.find_states
        assert _ids(find(_S.REGISTERED)) == ["c", "b", "a"]
        assert _ids(find(_S.REGISTERED, newest_first=True, limit=2)) == ["a", "b"]
        assert _ids(find(_S.REGISTERED, before=2.5)) == ["c", "b"]
        assert _ids(find(_S.REGISTERED, after=Cursor(1.0, "c"))) == ["b", "a"]
        assert find(_S.RUNNING) == []
        assert app.orchestrator.count_states(_S.REGISTERED) == 3

    def test_a_record_with_a_time_counts_from_that_time(self, app: Pynenc) -> None:
        app.orchestrator.register([_state("a")], None)
        pending = _claim_of(_state("a"), "r1")
        running = changed(pending.target, _S.RUNNING, "r1", 3)
        retry = changed(running.target, _S.RETRY, "r1", 4, not_before=50.0)
        app.orchestrator.change([pending, running, retry], "r1")
        assert _ids(app.orchestrator.find_states(_S.RETRY, before=10.0)) == []
        assert _ids(app.orchestrator.find_states(_S.RETRY, before=60.0)) == ["a"]

    def test_only_unchanged_records_are_deleted(self, app: Pynenc) -> None:
        app.orchestrator.register([_state("a"), _state("b")], None)
        app.orchestrator.change([_claim_of(_state("b"), "r1")], "r1")
        app.orchestrator.delete([_state("a"), _state("b")])
        assert [state is None for state in app.orchestrator.read_states(["a", "b"])] == [True, False]

    def test_an_announcement_wakes_who_listens(self, app: Pynenc) -> None:
        with app.orchestrator.subscribe(["a", "b"]) as subscription:
            app.orchestrator.announce(["b", "c"])
            assert subscription.wait(60) == {"b"}

    def test_signs_of_life_tell_the_silent_from_the_living(self, app: Pynenc) -> None:
        orchestrator = app.orchestrator
        orchestrator.heartbeat(["r1", "r2"], 10.0)
        orchestrator.heartbeat(["r2"], 20.0)
        assert orchestrator.last_heartbeats(["r1", "r2", "r3"]) == [10.0, 20.0, None]
        assert orchestrator.silent_runners(15.0) == ["r1"]
        assert orchestrator.live_runners(15.0) == ["r2"]
        orchestrator.forget_runners(["r1", "r3"])
        assert orchestrator.silent_runners(99.0) == ["r2"]


def _ids(states: list[InvocationState]) -> list[str]:
    return [state.invocation_id for state in states]
