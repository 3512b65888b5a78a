"""The promises of a trigger store."""

from __future__ import annotations

import msgspec
import pytest

from pynenc.app import Pynenc
from pynenc.exceptions import SerializationError, TriggerNotFoundError
from pynenc.identifiers.task_id import TaskId
from pynenc.storage.group import Group
from pynenc.storage.operations import Cursor
from pynenc.testing.app_fixtures import AppFixtures
from pynenc.trigger.definition import tick_marks
from pynenc.trigger.records import (
    EVENT,
    Mark,
    Occurrence,
    Part,
    RunState,
    TriggerProblem,
    TriggerRun,
    pause_mark,
)
from pynenc.trigger.trigger_builder import on_cron, on_event

_TASK = TaskId("kit", "task")


def run_of(number: int, state: RunState = RunState.FIRED, trigger_id: str = "t") -> TriggerRun:
    """Return a run whose number is its moment."""
    return TriggerRun(f"run{number}", trigger_id, "kit.task", state, "cause", float(number), "", "[]")


def stage(app: Pynenc, occurrences: list[Occurrence]) -> None:
    """Store occurrences."""
    group = Group()
    app.trigger.stage_occurrences(group, occurrences)
    group.send()


class TriggerStoreSuite(AppFixtures):
    """Definitions, occurrences, runs, parts and marks: stored once, found again."""

    def test_definitions_of_a_task_are_found(self, app: Pynenc) -> None:
        definitions = [on_cron("0 0 * * *").build(_TASK), on_event("code", {"x": 1}).build(_TASK)]
        app.trigger.register(_TASK, definitions)
        found = {trigger.trigger_id: trigger for trigger in app.trigger.find_definitions(_TASK.key)}
        assert found == {each.stored().trigger_id: each.stored() for each in definitions}
        assert app.trigger.find_definitions("kit.other") == []

    def test_registering_again_changes_nothing(self, app: Pynenc) -> None:
        for _ in range(2):
            app.trigger.register(_TASK, [on_cron("0 0 * * *").build(_TASK)])
        assert len(app.trigger.find_definitions(_TASK.key)) == 1

    def test_definitions_that_are_gone_from_the_code_are_dropped(self, app: Pynenc) -> None:
        app.trigger.register(_TASK, [on_cron("0 0 * * *").build(_TASK), on_event("a").build(_TASK)])
        app.trigger.register(_TASK, [on_event("a").build(_TASK)])
        (kept,) = app.trigger.find_definitions(_TASK.key)
        assert '"code":"a"' in kept.conditions
        app.trigger.register(_TASK, [])
        assert app.trigger.find_definitions(_TASK.key) == []

    def test_events_are_kept_in_order(self, app: Pynenc) -> None:
        ids = [app.trigger.emit_event("code", {"number": number}) for number in range(3)]
        app.trigger.emit_event("other")
        events = app.trigger.find_events("code")
        assert [event.event_id for event in events] == ids
        assert [msgspec.json.decode(event.payload) for event in events] == [{"number": n} for n in range(3)]

    def test_a_payload_that_is_no_json_is_refused(self, app: Pynenc) -> None:
        with pytest.raises(SerializationError, match="payload of event 'code'"):
            app.trigger.emit_event("code", {"odd": object()})
        assert app.trigger.find_events("code") == []

    # --- occurrences -------------------------------------------------------------------

    def test_an_event_with_an_id_counts_once(self, app: Pynenc) -> None:
        for number in range(2):
            assert app.trigger.emit_event("code", {"number": number}, event_id="mine") == "mine"
        (event,) = app.trigger.find_events("code")
        assert event.payload == '{"number":0}'

    def test_what_is_open_is_found_page_by_page_until_it_is_settled(self, app: Pynenc) -> None:
        stage(app, [Occurrence(f"o{number}", EVENT, "code", "{}", float(number)) for number in range(5)])
        first = app.trigger.open_occurrences(3)
        assert [each.occurrence_id for each in first] == ["o0", "o1", "o2"]
        rest = app.trigger.open_occurrences(3, Cursor(first[-1].at, first[-1].occurrence_id))
        assert [each.occurrence_id for each in rest] == ["o3", "o4"]
        app.trigger.mark_evaluated(["o0", "o1", "o4"], [])
        stage(app, [Occurrence("o0", EVENT, "code", "{}", 0.0)])
        assert [each.occurrence_id for each in app.trigger.open_occurrences(9)] == ["o2", "o3"]

    # --- runs --------------------------------------------------------------------------

    def test_runs_are_found_newest_first(self, app: Pynenc) -> None:
        app.trigger.mark_evaluated([], [run_of(1), run_of(2, RunState.FAILED), run_of(3, trigger_id="u")])
        found = app.trigger.find_runs()
        assert [run.run_id for run in found] == ["run3", "run2", "run1"]
        assert [run.run_id for run in app.trigger.find_runs(limit=1)] == ["run3"]
        assert [run.run_id for run in app.trigger.find_runs("t")] == ["run2", "run1"]
        assert [run.run_id for run in app.trigger.find_runs(state=RunState.FAILED)] == ["run2"]
        assert app.trigger.count_runs("t", 2.0) == 1
        assert app.trigger.read_runs(["run1", "none"]) == [found[2], None]

    def test_a_run_that_was_begun_is_completed_once(self, app: Pynenc) -> None:
        app.trigger.save_runs([run_of(1, RunState.FIRING)])
        app.trigger.mark_evaluated([], [run_of(1, RunState.FIRED)])
        app.trigger.mark_evaluated([], [run_of(1, RunState.FAILED)])
        app.trigger.save_runs([run_of(1, RunState.FIRING)])
        assert [run.state for run in app.trigger.find_runs()] == [RunState.FIRED]

    def test_a_run_that_is_tried_again_is_due_until_it_is_over(self, app: Pynenc) -> None:
        retrying = msgspec.structs.replace(run_of(1, RunState.RETRYING), retry_at=5.0)
        app.trigger.mark_evaluated([], [retrying])
        assert [each.run_id for each in app.trigger.find_retries(5.0, 9)] == ["run1"]
        assert app.trigger.find_retries(4.0, 9) == []
        app.trigger.mark_evaluated([], [msgspec.structs.replace(retrying, retry_at=7.0, attempts=2)])
        assert [(each.run_id, each.at) for each in app.trigger.find_retries(None, 9)] == [("run1", 7.0)]
        app.trigger.mark_evaluated([], [msgspec.structs.replace(run_of(1), attempts=3)])
        assert app.trigger.find_retries(None, 9) == []
        (run,) = app.trigger.find_runs()
        assert (run.state, run.attempts) == (RunState.FIRED, 3)

    def test_problems_are_counted_until_they_are_solved(self, app: Pynenc) -> None:
        for at in (1.0, 2.0):
            app.trigger.note_problem(TriggerProblem("t", "m.f", f"error {at}", 1, at, at))
        app.trigger.note_problem(TriggerProblem("u", "m.g", "else", 1, 1.5, 1.5))
        assert app.trigger.find_problems() == [
            TriggerProblem("u", "m.g", "else", 1, 1.5, 1.5),
            TriggerProblem("t", "m.f", "error 2.0", 2, 1.0, 2.0),
        ]
        app.trigger.delete_problems(["t", "none"])
        assert [each.trigger_id for each in app.trigger.find_problems()] == ["u"]
        app.trigger.delete_definitions(["u"])
        assert app.trigger.find_problems() == []

    # --- parts -------------------------------------------------------------------------

    def test_parts_expire_unless_a_run_has_used_them(self, app: Pynenc) -> None:
        app.trigger.save_parts(
            [Part(f"p{number}", "slot", "{}", 0.0, "", float(number)) for number in range(4)]
        )
        app.trigger.use_parts([("p1", "run1")])
        assert [part.part_id for part in app.trigger.expired_parts(3.0, 9)] == ["p0", "p2"]
        assert [part.part_id for part in app.trigger.expired_parts(3.0, 1)] == ["p0"]

    def test_a_part_belongs_to_the_run_that_was_first(self, app: Pynenc) -> None:
        app.trigger.save_parts([Part(f"p{number}", "slot", "{}", float(number)) for number in range(3)])
        assert app.trigger.use_parts([("p0", "run1"), ("p1", "run2")]) == [True, True]
        assert app.trigger.use_parts([("p0", "run2"), ("p1", "run2")]) == [False, True]
        assert [part.part_id for part in app.trigger.waiting_parts("slot", 9)] == ["p2"]
        app.trigger.free_parts([("p0", "run2"), ("p1", "run2")])
        assert [part.part_id for part in app.trigger.waiting_parts("slot", 9)] == ["p1", "p2"]
        app.trigger.save_parts([Part("p0", "slot", "{}", 0.0)])
        assert [part.part_id for part in app.trigger.waiting_parts("slot", 1)] == ["p1"]

    # --- marks -------------------------------------------------------------------------

    def test_marks_change_by_compare_and_set(self, app: Pynenc) -> None:
        first, second = Mark("m", "a", 1.5), Mark("m", "b", 2.5)
        assert app.trigger.swap_marks([(None, first)]) == [True]
        assert app.trigger.swap_marks([(None, second)]) == [False]
        assert app.trigger.swap_marks([(second, first)]) == [False]
        assert app.trigger.swap_marks([(first, second)]) == [True]
        assert app.trigger.swap_marks([(first, None)]) == [False]
        assert app.trigger.read_marks(["m", "n"]) == [second, None]
        assert app.trigger.swap_marks([(second, None)]) == [True]
        assert app.trigger.read_marks(["m"]) == [None]

    def test_a_trigger_is_paused_and_resumed_once(self, app: Pynenc) -> None:
        app.trigger.register(_TASK, [on_cron("0 0 * * *").build(_TASK)])
        (stored,) = app.trigger.find_definitions()
        (tick,) = tick_marks(stored)
        app.trigger.swap_marks([(None, Mark(tick, "", 5.0))])
        assert [app.trigger.pause(stored.trigger_id) for _ in range(2)] == [True, False]
        assert app.trigger.read_marks([pause_mark(stored.trigger_id)])[0] is not None
        before = app.trigger.now()
        assert [app.trigger.resume(stored.trigger_id) for _ in range(2)] == [True, False]
        (mark,) = app.trigger.read_marks([tick])
        assert mark is not None
        assert mark.number >= before
        with pytest.raises(TriggerNotFoundError):
            app.trigger.pause("unknown")

    def test_a_trigger_that_is_dropped_forgets_its_ticks(self, app: Pynenc) -> None:
        app.trigger.register(_TASK, [on_cron("0 0 * * *").build(_TASK)])
        (tick,) = tick_marks(app.trigger.find_definitions()[0])
        app.trigger.swap_marks([(None, Mark(tick, "", 5.0))])
        app.trigger.register(_TASK, [])
        assert app.trigger.read_marks([tick]) == [None]

    # --- what is long past -------------------------------------------------------------

    def test_forgetting_leaves_what_is_open_or_recent(self, app: Pynenc) -> None:
        stage(app, [Occurrence(f"o{number}", EVENT, "code", "{}", float(number)) for number in range(4)])
        app.trigger.mark_evaluated(["o0", "o1", "o3"], [run_of(number) for number in range(4)])
        app.trigger.save_parts([Part(f"p{number}", "slot", "{}", float(number)) for number in range(4)])
        assert app.trigger.forget(2.5, limit=1) == 3
        while app.trigger.forget(2.5):
            pass
        assert [each.event_id for each in app.trigger.find_events("code")] == ["o2", "o3"]
        assert [run.run_id for run in app.trigger.find_runs()] == ["run3"]
        assert [part.part_id for part in app.trigger.waiting_parts("slot", 9)] == ["p3"]

    def test_a_purge_leaves_nothing(self, app: Pynenc) -> None:
        app.trigger.register(_TASK, [on_cron("0 0 * * *").build(_TASK)])
        app.trigger.emit_event("code")
        app.trigger.mark_evaluated([], [run_of(1)])
        app.trigger.save_parts([Part("p", "slot", "{}", 1.0)])
        app.trigger.swap_marks([(None, Mark("m", "", 1.0))])
        app.trigger.purge()
        assert app.trigger.find_definitions() == []
        assert app.trigger.open_occurrences(9) == []
        assert app.trigger.find_runs() == []
        assert app.trigger.waiting_parts("slot", 9) == []
        assert app.trigger.read_marks(["m"]) == [None]
