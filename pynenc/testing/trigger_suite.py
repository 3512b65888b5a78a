"""What a trigger store promises."""

from __future__ import annotations

import msgspec
import pytest

from pynenc.app import Pynenc
from pynenc.exceptions import SerializationError
from pynenc.identifiers.task_id import TaskId
from pynenc.testing.app_fixtures import AppFixtures
from pynenc.trigger.builder import on_cron, on_event

_TASK = TaskId("kit", "task")


class TriggerSuite(AppFixtures):
    """Definitions and events: stored once, found again."""

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
