"""Alerts are told once, whoever looks, and end; silences keep them quiet."""

from __future__ import annotations

from typing import Any

import pytest
from alert_looks import Watch, app, work

from pynenc.alerts import watching
from pynenc.alerts.watching import CLEAR_S, alerts, silence, watch
from pynenc.exceptions import StorageUnavailableError
from pynenc.lifecycle.observation_retention import old_alerts
from pynenc.state_backend.alert_records import AlertState


def test_it_is_over_only_after_it_was_right_for_a_while(looks: Watch) -> None:
    looks.rules(queue_age={"over": 10, "for": "20s"})
    call = work()
    assert looks.at(11, "queue_age") == []
    assert looks.at(31, "queue_age") == [("queue_age:default", "firing")]
    call.cancel()
    assert looks.at(40, "queue_age") == []
    other = work()
    assert looks.at(60, "queue_age") == []  # wrong again, so it goes on
    other.cancel()
    assert looks.at(70, "queue_age") == []
    assert looks.at(70 + CLEAR_S - 1, "queue_age") == []
    assert looks.at(70 + CLEAR_S, "queue_age") == [("queue_age:default", "over")]
    work()
    assert looks.at(1000, "queue_age") == []
    assert looks.at(1020, "queue_age") == [("queue_age:default", "firing")]


def test_what_was_wrong_for_a_moment_is_not_told(looks: Watch) -> None:
    call = work()
    assert looks.at(310, "queue_age") == []
    call.cancel()
    assert looks.at(320, "queue_age") == []
    assert alerts(app.components) == []


def test_what_goes_on_is_told_again_after_hours(looks: Watch) -> None:
    work()
    looks.rules(queue_age={"for": 0})
    assert looks.at(400, "queue_age") == [("queue_age:default", "firing")]
    assert looks.at(400 + 4 * 3600 - 1, "queue_age") == []
    assert looks.at(400 + 4 * 3600, "queue_age") == [("queue_age:default", "firing")]
    assert looks.at(401 + 4 * 3600, "queue_age") == []


def test_two_evaluators_tell_once(looks: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    looks.rules(queue_age={"over": 1, "for": 0})
    work()
    original, entered = app.state_backend.write, []

    def interrupted(writes: Any) -> Any:
        if len(entered) < 2:
            entered.append(None)
            watch(looks.shifted(10), looks.told.append, ("queue_age",))
        return original(writes)

    monkeypatch.setattr(app.state_backend, "write", interrupted)
    watch(looks.shifted(10), looks.told.append, ("queue_age",))
    monkeypatch.undo()
    watch(looks.shifted(11), looks.told.append, ("queue_age",))
    assert [each.state for each in looks.told] == [AlertState.FIRING]


def test_a_rule_that_cannot_be_looked_at_stops_no_other(
    looks: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks.rules(no_runner={"for": 0}, no_consumer={"for": 0})
    work()
    assert len(looks.at(10, "no_runner", "no_consumer")) == 2

    def away(*_: Any) -> Any:
        raise StorageUnavailableError("away")

    monkeypatch.setattr(app.broker, "depth", away)
    looks.told.clear()
    failed = watch(looks.shifted(20 * 3600), looks.told.append, ("no_consumer", "no_runner"))
    assert [each.alert_id for each in looks.told] == ["no_runner:app"]
    assert failed == {"no_consumer": "StorageUnavailableError: away"}


def test_who_was_told_that_it_fires_is_told_that_it_is_over_though_it_is_silent(looks: Watch) -> None:
    looks.rules(queue_age={"over": 1, "for": 0})
    call = work()
    assert len(looks.at(10, "queue_age")) == 1
    silence(looks.shifted(11), "queue_age:default", looks.begin + 1000)
    call.cancel()
    assert looks.at(20, "queue_age") == []
    assert looks.at(100, "queue_age") == [("queue_age:default", "over")]


def test_what_fires_within_a_silence_is_told_after_it(looks: Watch) -> None:
    looks.rules(queue_age={"over": 1, "for": 0})
    silence(looks.components, "queue_age:default", looks.begin + 1000)
    work()
    assert looks.at(10, "queue_age") == []
    assert [each.state for each in alerts(app.components)] == [AlertState.FIRING]
    assert looks.at(999, "queue_age") == []
    assert looks.at(1001, "queue_age") == [("queue_age:default", "firing")]


def test_a_silence_outlives_what_was_wrong_for_a_moment(looks: Watch) -> None:
    looks.rules(queue_age={"over": 1, "for": 60})
    silence(looks.components, "queue_age:default", looks.begin + 1000)
    call = work()
    assert looks.at(10, "queue_age") == []
    call.cancel()
    assert looks.at(20, "queue_age") == []
    (alert,) = alerts(app.components)
    assert (alert.state, alert.silent_until) == (AlertState.OVER, looks.begin + 1000)


@pytest.mark.parametrize("name", ["nothing", "queue_age", "queue_age:", "no_rule:x"])
def test_only_alerts_of_rules_can_be_silenced(name: str) -> None:
    with pytest.raises(ValueError, match="RULE:SUBJECT"):
        silence(app.components, name, 1.0)


def test_what_fires_keeps_its_words_up_to_date(looks: Watch) -> None:
    looks.rules(queue_age={"over": 1, "for": 0})
    work()
    looks.at(10, "queue_age")
    looks.at(40, "queue_age")
    assert alerts(app.components)[0].value < 20
    looks.at(100, "queue_age")
    assert alerts(app.components)[0].value > 90


def test_alerts_that_are_over_are_deleted_some_day(looks: Watch) -> None:
    looks.rules(queue_age={"over": 1, "for": 0})
    call = work()
    looks.at(10, "queue_age")
    call.cancel()
    looks.at(20, "queue_age")
    looks.at(100, "queue_age")
    assert sum(old_alerts(app.components, looks.begin + 50)) == 0
    assert sum(old_alerts(app.components, looks.begin + 150)) == 1
    assert alerts(app.components) == []


def test_a_flood_of_subjects_is_bounded(looks: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "_MOST_SUBJECTS", 5)
    looks.rules(no_consumer={"for": 0})
    for number in range(10):
        work.options(queue=f"q{number}")()
    assert len(looks.at(10, "no_consumer")) == 5
