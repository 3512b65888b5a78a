"""Names of tasks that are not those of their functions, and calls that were made for earlier code."""

from __future__ import annotations

import pickle
import sys
from types import ModuleType
from typing import Any

import plain_tasks
import pytest

from pynenc import Pynenc
from pynenc.exceptions import TaskDefinitionError
from pynenc.runner.worker_recipe import task_modules
from pynenc.testing.app_fixtures import running
from pynenc.trigger import on_cron


@pytest.fixture
def app() -> Pynenc:
    return Pynenc({"app_id": "naming", "runner_cls": "ThreadRunner", "logging_level": "critical"})


def test_a_task_is_stored_under_its_name(app: Pynenc) -> None:
    add = app.task(plain_tasks.add, name="math.sum", aliases=["old.place.add", "older:add.it"])
    assert str(add.task_id) == "math.sum"
    call = add(1, 2)
    (data,) = app.state_backend.read_invocations([call.invocation_id])
    assert data is not None
    assert data.task_id == "math.sum"
    for name in ("math.sum", "old.place.add", "older:add.it"):
        assert app.find_task(name) is add
    assert pickle.loads(pickle.dumps(add)) is add
    assert task_modules(app) == ("plain_tasks",)
    with running(app):
        assert call.wait(60) == 3


def stored_under(app: Pynenc, old: Any, *calls: tuple[Any, ...]) -> list[Any]:
    """Make calls of a task that is renamed then."""
    made = [old(*each) for each in calls]
    del app.task_registry.tasks[old.task_id]
    return made


def test_calls_of_the_old_name_run(app: Pynenc) -> None:
    (call,) = stored_under(app, app.task(plain_tasks.add), (1, 2))
    app.task(plain_tasks.add, name="math.sum", aliases=["plain_tasks.add"])
    with running(app):
        assert call.wait(60) == 3


def test_arguments_of_earlier_code_are_upgraded(app: Pynenc) -> None:
    given: list[dict[str, Any]] = []

    def upgrade(arguments: dict[str, Any]) -> dict[str, Any]:
        given.append(dict(arguments))
        return {"x": int(arguments["value"])}

    (call,) = stored_under(app, app.task(plain_tasks.echo), ("5",))
    add = app.task(plain_tasks.add, name="math.sum", aliases=["plain_tasks.echo"], upgrade=upgrade)
    new = add(1, 2)
    with running(app):
        assert call.wait(60) == 15
        assert new.wait(60) == 3
    assert given == [{"value": "5"}]


def test_arguments_that_no_longer_fit_are_upgraded(app: Pynenc) -> None:
    (call,) = stored_under(app, app.task(plain_tasks.echo, name="math.sum"), ("5",))
    app.task(plain_tasks.add, name="math.sum", upgrade=lambda arguments: {"x": int(arguments["value"])})
    with running(app):
        assert call.wait(60) == 15


@pytest.mark.parametrize("made", [{"value": 1}, None, [1], {}, {"x": 1, "z": 2}])
def test_an_upgrade_that_does_not_fit_fails_its_own_call(app: Pynenc, made: Any) -> None:
    (call,) = stored_under(app, app.task(plain_tasks.echo), ("5",))
    add = app.task(plain_tasks.add, name="math.sum", aliases=["plain_tasks.echo"], upgrade=lambda _: made)
    other = add(1, 2)
    with running(app):
        with pytest.raises(TypeError, match="'upgrade' of task 'math.sum' returned"):
            call.wait(60)
        assert other.wait(60) == 3


def test_an_upgrade_that_raises_fails_its_own_call(app: Pynenc) -> None:
    def upgrade(arguments: dict[str, Any]) -> dict[str, Any]:
        raise KeyError("gone")

    (call,) = stored_under(app, app.task(plain_tasks.echo), ("5",))
    add = app.task(plain_tasks.add, name="math.sum", aliases=["plain_tasks.echo"], upgrade=upgrade)
    other = add(1, 2)
    with running(app):
        with pytest.raises(KeyError, match="gone"):
            call.wait(60)
        assert other.wait(60) == 3


@pytest.mark.parametrize(
    "options",
    [
        {"name": "nodot"},
        {"name": ""},
        {"name": "a..b"},
        {"name": "a.b\0"},
        {"name": "a.\ud800"},
        {"name": 5},
        {"name": "a." + "b" * 200},
        {"aliases": "a.b"},
        {"aliases": 5},
        {"aliases": ["a.b", 7]},
        {"upgrade": "a.b"},
    ],
)
def test_wrong_names_are_refused(app: Pynenc, options: dict[str, Any]) -> None:
    with pytest.raises(TaskDefinitionError):
        app.task(plain_tasks.add, **options)
    assert not app.tasks


def test_a_name_belongs_to_one_function(app: Pynenc) -> None:
    app.task(plain_tasks.add, aliases=["math.sum"])
    with pytest.raises(TaskDefinitionError, match="'math.sum', because that is a name of 'plain_tasks.add'"):
        app.task(plain_tasks.echo, name="math.sum")
    with pytest.raises(TaskDefinitionError, match="'plain_tasks.add', because"):
        app.task(plain_tasks.echo, aliases=["plain_tasks.add"])
    assert [task.func for task in app.tasks.values()] == [plain_tasks.add]
    app.task(plain_tasks.add, aliases=["math.sum"])  # a reload


def test_the_triggers_of_the_old_name_are_replaced(app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "old_place", ModuleType("old_place"))
    app.task(plain_tasks.nothing, name="old_place.nothing", triggers=on_cron("* * * * *"))
    app.register_deferred_triggers()
    app.task_registry.tasks.clear()
    app.task_registry.deferred_triggers.clear()
    app.task(
        plain_tasks.nothing, name="new.nothing", aliases=["old_place.nothing"], triggers=on_cron("* * * * *")
    )
    app.register_deferred_triggers()
    assert [each.task_id for each in app.trigger.find_definitions()] == ["new.nothing"]


def test_an_idempotency_key_goes_on(app: Pynenc) -> None:
    old = app.task(plain_tasks.add)
    call = old.options(idempotency_key="k")(1)
    del app.task_registry.tasks[old.task_id]
    new = app.task(plain_tasks.add, name="math.sum", aliases=["plain_tasks.add"])
    assert new.options(idempotency_key="k")(1).invocation_id == call.invocation_id
    assert app.count() == 1
