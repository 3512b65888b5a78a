"""Failures are grouped, counted exactly, sampled within bounds, and kept until nobody asks for them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from pynenc import Pynenc
from pynenc.actions.audit import entries
from pynenc.cli.main import cli
from pynenc.exceptions import SearchError, StorageUnavailableError
from pynenc.lifecycle import count_keeping, observation_retention
from pynenc.lifecycle.count_keeping import all_counts, flush_counts, fold
from pynenc.lifecycle.failures import decide, failure_groups, flush_failures, samples_of
from pynenc.lifecycle.observation_retention import old_failure_groups, old_failure_samples
from pynenc.lifecycle.rollups import roll_up
from pynenc.metrics.failures import failures
from pynenc.recording.counts import key_of
from pynenc.recording.failures import FailureNotes, group_of, place_in, shape_of
from pynenc.recording.recorder import FAILURE, Recorder
from pynenc.serializer.exception_data import readable
from pynenc.state_backend.count_records import HOUR, MINUTE, Rollup
from pynenc.state_backend.failure_records import FailureGroup, FailureSample, FailureState
from pynenc.storage.record_store import Amend, Lookup, Save
from pynenc.testing import in_memory, working

app = Pynenc({"app_id": "failing"})
TRACE = 'Traceback:\n  File "/shop/tasks.py", line {line}, in price\n    raise\n'


@app.task
def fails(number: int) -> None:
    raise ValueError(f"order {number} of 'someone'")


@app.task(max_retries=1, retry_for=(KeyError,))
def fails_twice() -> None:
    raise KeyError("\ud800 surrogate")


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    with in_memory(app):
        yield


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def _note(notes: FailureNotes, number: int = 0, task: str = "t", line: int = 1) -> str:
    return notes.note(task, "ValueError", f"order {number}", TRACE.format(line=line), f"i{number}", 5.0, True)


def test_the_same_failure_is_one_group_whatever_its_numbers() -> None:
    with working(app):
        for number in (1, 2):
            with suppress(ValueError):
                fails(number).wait(30)
        with suppress(KeyError):
            fails_twice().wait(30)
    one, two = sorted(failure_groups(app.components, 0.0, 10), key=lambda each: each.task_id)
    assert (one.task_id, one.type_name) == (fails.task_id.key, "ValueError")
    assert one.place == "test_failures.py: fails"
    assert "order 1 of" in one.message
    assert "raise ValueError" in one.trace
    assert one.first_at < one.last_at
    assert shape_of(one.message) == "order … of …"
    assert len(samples_of(app.components, one.group_id, 10)) == 2
    (sample,) = samples_of(app.components, two.group_id, 10)  # the first of its attempts
    assert "\\ud800" in sample.message
    assert not sample.is_final
    flush_counts(app.components)
    counts = all_counts(app.components).numbers_by(FAILURE, 0)
    assert counts == {one.group_id: 2, two.group_id: 2}


def test_an_edit_that_moves_lines_keeps_the_group_and_another_place_does_not() -> None:
    notes = FailureNotes()
    assert _note(notes, line=1) == _note(notes, line=99)
    assert _note(notes) != _note(notes, task="other")
    assert group_of("t", "E", "") != group_of("tE", "", "")


@pytest.mark.parametrize("size", [10, 100_000])
def test_a_message_says_nothing_about_the_group(size: int) -> None:
    groups = set()
    for number in range(3):
        frames = f'Traceback\n  File "/srv/job_{number}.py", line 1, in x'
        try:
            _raises(f"job {number} failed:\n{frames}\n" + "y" * size)
        except RuntimeError as error:
            data = readable(error, 10**6, 10**6)
        notes = FailureNotes()
        groups.add(notes.note("t", data.type_name, data.message, data.traceback, "i", 1.0, True))
        _, (kept,) = notes.take()
        assert kept.place == "test_failures.py: _raises"
    assert len(groups) == 1


def _raises(text: str) -> None:
    raise RuntimeError(text)


def test_a_group_of_exceptions_has_a_place() -> None:
    try:
        raise ExceptionGroup("several", [ValueError("one"), KeyError("two")])
    except ExceptionGroup as error:
        data = readable(error, 10**6, 10**6)
    place = place_in(data.type_name, data.message, data.traceback)
    assert place == "test_failures.py: test_a_group_of_exceptions_has_a_place"


def test_a_storm_is_sampled_and_each_sample_says_for_how_many_it_stands() -> None:
    notes, clock = FailureNotes(clock := Clock()), clock
    for number in range(250):
        _note(notes, number)
    latest, kept = notes.take()
    assert len(latest) == 1
    assert len(kept) == 20 + 18
    assert sum(each.weight for each in kept) == 200
    clock.now += 60.0
    _note(notes, 999)
    _, (sample,) = notes.take()
    assert sample.weight == 51
    for task in range(300):
        last = _note(notes, task, task=f"task {task}")
    assert last == "other"
    latest, kept = notes.take()
    assert len(latest) == 199
    assert latest[0].first.task_id == "task 0"
    assert len(kept) <= 200


def test_what_cannot_be_stored_now_is_stored_later(monkeypatch: pytest.MonkeyPatch) -> None:
    components = dataclasses.replace(app.components, recorder=Recorder())
    _note(components.recorder.failures)
    with monkeypatch.context() as patched:

        def away(*_: Any) -> Any:
            raise StorageUnavailableError("away")

        patched.setattr(app.state_backend, "write", away)
        flush_failures(components, "r")
    assert failure_groups(components, 0.0, 10) == []
    _note(components.recorder.failures, 2)
    flush_failures(components, "r")
    (group,) = failure_groups(components, 0.0, 10)
    assert {each.invocation_id for each in samples_of(components, group.group_id, 10)} == {"i0", "i2"}


def test_bounds_of_texts() -> None:
    notes = FailureNotes()
    notes.note("t", "E", "m" * 10_000, "x" * 100_000, "i", 1.0, True)
    _, (kept,) = notes.take()
    assert len(kept.message) < 600
    assert len(kept.trace) < 8100


@pytest.mark.parametrize("observation", ["off", "counts"])
def test_settings_keep_no_failure(observation: str) -> None:
    other = Pynenc({"app_id": f"failing_{observation}", "observation": observation})
    task = other.task(_fails)
    with working(other), suppress(ValueError):
        task().wait(30)
    assert other.failures() == []


def _fails() -> None:
    raise ValueError("x")


def _rolled(groups: dict[str, int], at: float, span: str = MINUTE) -> None:
    from_counts = msgspec.msgpack.encode(
        [{key_of(FAILURE, [each]): number for each, number in groups.items()}, {}]
    )
    step = 3600.0 if span == HOUR else 60.0
    app.state_backend.write([Save(Rollup(f"{span}:{at}", span, at, at - step, 1, from_counts))])


def test_how_often_is_counted_in_hours_and_the_minutes_behind_them() -> None:
    now = app.components.now()
    components = dataclasses.replace(app.components, recorder=Recorder())
    group = _note(components.recorder.failures)
    note = dataclasses.replace(components, now=lambda: now)
    flush_failures(note, "r")
    hour = (now // 3600) * 3600
    _rolled({group: 5, "else": 7}, hour - 3600, HOUR)
    _rolled({group: 5}, hour - 3700)  # a minute of an hour that is closed, so it counts no more
    _rolled({group: 2}, hour)
    record = failure_groups(components, 0.0, 10)[0]
    app.state_backend.write([Amend(FailureGroup, record.group_id, {"last_at": now})])
    (found,) = failures(components, 86400.0)
    assert (found.count, sum(found.points)) == (7, 7)
    assert found.is_new(0.0)
    assert not found.is_new(now - 3600)


def _stored_group(**fields: Any) -> FailureGroup:
    now = app.components.now()
    group = FailureGroup("g", "t", "ValueError", "f: g", "m", "trace", now, now)
    group = msgspec.structs.replace(group, **fields)
    app.state_backend.write([Save(group)])
    return group


def test_what_was_decided_hides_a_group_until_it_is_back() -> None:
    _stored_group()
    assert [each.group.group_id for each in app.failures()] == ["g"]
    decide(app.components, "g", FailureState.MUTED, "known")
    assert app.failures() == []
    assert [each.group.note for each in app.failures(with_decided=True)] == ["known"]
    decide(app.components, "g", FailureState.RESOLVED)
    assert app.failures() == []
    app.state_backend.write([Amend(FailureGroup, "g", {"last_at": app.components.now() + 1.0})])
    (back,) = app.failures()
    assert back.group.is_back
    with pytest.raises(LookupError, match="no group of failures nothing"):
        decide(app.components, "nothing", FailureState.OPEN)
    with pytest.raises(ValueError, match="at most 500"):
        decide(app.components, "g", FailureState.OPEN, "x" * 501)
    with pytest.raises(ValueError, match="surrogate"):
        decide(app.components, "g", FailureState.OPEN, "\ud800")


@pytest.mark.parametrize(
    "given",
    [{"limit": 0}, {"limit": 1001}, {"limit": "a"}, {"limit": 1.5}, {"limit": True}, {"within": timedelta()}],
)
def test_wrong_questions(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be|whole number"):
        app.failures(**given)
    with pytest.raises(TypeError, match="timedelta"):
        app.failures(within=5)  # type: ignore[arg-type]


def test_old_ones_are_deleted_and_there_are_never_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observation_retention, "MOST_KEPT", 10)
    components = dataclasses.replace(app.components, recorder=Recorder())
    for number in range(30):
        _note(components.recorder.failures, number)
    flush_failures(components, "r")
    list(old_failure_samples(components, 1.0))
    assert len(app.state_backend.find_all(FailureSample, Lookup(FailureSample))) == 10
    list(old_failure_samples(components, 100.0))
    list(old_failure_groups(components, 100.0))
    assert app.state_backend.find_all(FailureSample, Lookup(FailureSample)) == []
    assert failure_groups(components, 0.0, 10) == []


def test_the_totals_have_room_for_so_many_groups_and_the_rollups_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(count_keeping, "_MOST_GROUPS", 2)
    now = app.components.now()
    for at, groups in enumerate((["a", "b", "c"], ["c", "b"])):
        process = dataclasses.replace(app.components, recorder=Recorder())
        for group in groups:
            process.recorder.note((FAILURE, "", "", group, -1.0))
        flush_counts(process)
        roll_up(dataclasses.replace(app.components, now=lambda at=at: now + 100 * at + 10), [])  # type: ignore[misc]
        fold(app.components, now + 10**6)
        roll_up(dataclasses.replace(app.components, now=lambda at=at: now + 100 * at + 50), [])  # type: ignore[misc]
    roll_up(dataclasses.replace(app.components, now=lambda: now + 1000), [])
    assert all_counts(app.components).numbers_by(FAILURE, 0) == {"a": 1, "b": 2}
    rollups = app.state_backend.find_all(Rollup, Lookup(Rollup, {"span": MINUTE}))
    found = [each.counts.numbers_by(FAILURE, 0) for each in rollups]
    assert found == [{"a": 1, "b": 1, "c": 1}, {"b": 1, "c": 1}]


def test_the_invocations_of_a_group_are_found() -> None:
    with working(app):
        for number in range(3):
            with suppress(ValueError):
                fails(number).wait(30)
    (group,) = failure_groups(app.components, 0.0, 10)
    page = app.search(f"failures:{group.group_id}", 2)
    assert len(page.rows) == 2
    rest = app.search(f"failures:{group.group_id}", 2, page.cursor)
    assert len(rest.rows) == 1
    assert {each.data.task_id for each in page.rows} == {fails.task_id.key}
    one = page.rows[0].data.invocation_id
    assert len(app.search(f"failures:{group.group_id} id:{one}").rows) == 1
    assert app.search(f"failures:{group.group_id} status:success").rows == []
    assert app.search("failures:nothing").rows == []


def test_all_of_a_group_are_found_though_few_are_kept() -> None:
    with working(app):
        for call in fails.parallelize([(number,) for number in range(60)]).invocations:
            with suppress(ValueError):
                call.wait(30)
        with suppress(KeyError):
            fails_twice().wait(30)
    (group,) = [each for each in failure_groups(app.components, 0.0, 9) if each.type_name == "ValueError"]
    assert len(samples_of(app.components, group.group_id, 100)) < 60
    assert len(app.search(f"failures:{group.group_id}", 100).rows) == 60
    assert len(app.search(f"-failures:{group.group_id}", 100).rows) == 1
    with pytest.raises(SearchError):
        app.search("failures:")


def test_the_command_line() -> None:
    def call(*words: str) -> tuple[int, str]:
        answer = CliRunner().invoke(cli, ["--app", "test_failures.app", *words])
        return answer.exit_code, answer.output

    assert "nothing has failed" in call("failures", "list")[1]
    _stored_group(message="order 5\x1b[31m")
    assert "ValueError: order …" in call("failures", "list")[1]
    assert "\x1b[31m" not in call("failures", "show", "g")[1]
    assert call("failures", "mute", "g", "--note", "known") == (0, "g is muted\n")
    assert "nothing has failed" in call("failures", "list")[1]
    assert "muted" in call("failures", "list", "--all")[1]
    assert call("failures", "reopen", "g")[0] == 0
    assert call("failures", "resolve", "x")[0] == 1
    assert call("failures", "resolve", "g", "--note", "x" * 600)[0] == 1
    shown = msgspec.json.decode(call("failures", "list", "--json")[1])
    assert shown[0]["group_id"] == "g"
    trail = entries(app.components, 10)
    assert [(each.action, each.target, each.is_error) for each in trail] == [
        ("reopen", "g", 0),
        ("mute", "g", 0),
    ]
    assert trail[1].reason == "known"
