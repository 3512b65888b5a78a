"""Every query that the core issues is answered by an index."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import mongo_tasks
import pytest
from mongo_apps import make_mongo_app
from pymongo import MongoClient
from pymongo.monitoring import CommandListener, CommandStartedEvent, register
from pynenc_mongo.schema import RECORDS

from pynenc.invocation.status import InvocationStatus
from pynenc.orchestrator.base_orchestrator import StateLookup
from pynenc.testing.app_fixtures import running
from pynenc.trigger import TriggerBuilder, on_cron, on_event, on_status
from pynenc.trigger.records import RunState

_LOOKS = ("find", "aggregate", "update", "delete", "distinct", "count")
_PASSED_ON = {"explain", "lsid", "$db", "$clusterTime", "txnNumber", "$readPreference", "writeConcern"}


class _Recorder(CommandListener):
    """Keeps the commands of one application by their shape."""

    def __init__(self) -> None:
        self.commands: dict[str, dict[str, Any]] = {}
        self.is_on = False
        self._lock = threading.Lock()

    def started(self, event: CommandStartedEvent) -> None:
        if not self.is_on or event.command_name not in _LOOKS:
            return
        command = {name: value for name, value in event.command.items() if name not in _PASSED_ON}
        if command[event.command_name] != RECORDS:
            return
        for statement in command.pop("updates", []):
            self._keep({**command, "updates": [statement]})
        for statement in command.pop("deletes", []):
            self._keep({**command, "deletes": [statement]})
        if event.command_name not in ("update", "delete"):
            self._keep(command)

    def _keep(self, command: dict[str, Any]) -> None:
        with self._lock:
            self.commands.setdefault(str(_shape(command)), command)

    def succeeded(self, event: object) -> None:
        """Not of interest."""

    def failed(self, event: object) -> None:
        """Not of interest."""


def _shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_shape(value[0])] if value else []
    return type(value).__name__


_recorder = _Recorder()
register(_recorder)


@pytest.fixture
def recorder() -> Iterator[_Recorder]:
    _recorder.commands.clear()
    _recorder.is_on = True
    yield _recorder
    _recorder.is_on = False


def test_no_query_scans_the_collection(recorder: _Recorder, mongo_url: str) -> None:
    app = make_mongo_app(mongo_url, "plans", recovery_interval_seconds=0.1)
    add, fail = app.task(mongo_tasks.add), app.task(max_retries=1)(mongo_tasks.fail)
    both = TriggerBuilder().on_event("code").on_status(add).with_logic("and")
    triggers = [on_event("code").with_rate_cap(5), on_cron("* * * * * *"), on_status(fail, "FAILED"), both]
    follow = app.task(triggers=[each.with_arguments({"x": 1, "y": 2}) for each in triggers])(
        mongo_tasks.follow
    )
    single = app.task(running_concurrency="task", reroute_on_concurrency_control=True)(mongo_tasks.repeat)
    late = add.options(delay=3600.0)(1, 1)
    with running(app):
        assert list(add.parallelize([(number, 1) for number in range(50)]).results) == list(range(1, 51))
        assert [each.result for each in [single("x", 1), single("x", 2)]] == ["x", "xx"]
        with pytest.raises(ValueError, match="as asked"):
            _ = fail().result
        late.cancel()
        app.trigger.emit_event("code", {"x": 1})
        while len({run.trigger_id for run in app.trigger.find_runs()}) < 4:
            time.sleep(0.01)
        while app.trigger.open_occurrences(1):
            time.sleep(0.01)
    (stored, *_) = app.trigger.find_definitions(follow.task_id.key)
    app.trigger.pause(stored.trigger_id)
    app.trigger.resume(stored.trigger_id)
    app.trigger.find_runs(stored.trigger_id)
    app.trigger.find_runs(state=RunState.FAILED)
    app.trigger.find_events("code", since=1.0)
    app.trigger.forget(app.trigger.now() + 60)
    app.find_invocations(task=add, limit=5)
    app.find_invocations(statuses=[InvocationStatus.SUCCESS], limit=5)
    app.broker.queues()
    app.broker.depth(["default"])
    for status in InvocationStatus:
        app.orchestrator.count_states(status)
    app.purge()
    recorder.is_on = False
    assert {name for command in recorder.commands.values() for name in command} >= {
        "find",
        "aggregate",
        "update",
    }
    with MongoClient(mongo_url) as client:
        database = client.get_default_database()
        for command in recorder.commands.values():
            plan = database.command({"explain": command, "verbosity": "queryPlanner"})
            assert "COLLSCAN" not in str(plan), command


def test_a_count_reads_no_more_of_a_sparse_index_than_it_counts(recorder: _Recorder, mongo_url: str) -> None:
    app = make_mongo_app(mongo_url, "sparse-counts")
    fail = app.task(mongo_tasks.fail)
    with running(app):
        for each in [fail() for _ in range(20)]:
            with pytest.raises(ValueError, match="as asked"):
                _ = each.result
    lookups = [StateLookup("failed_task", key) for key in (fail.task_id.key, "another.task")]
    recorder.commands.clear()
    assert app.orchestrator.count_many_states(lookups, 100) == [20, 0]
    recorder.is_on = False
    with MongoClient(mongo_url) as client:
        database = client.get_default_database()
        for command in recorder.commands.values():
            told = database.command({"explain": command, "verbosity": "executionStats"})
            stats = told["stages"][0]["$cursor"]["executionStats"]
            assert stats["totalKeysExamined"] <= stats["nReturned"] + 1, command
    app.purge()
