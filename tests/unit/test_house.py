"""The layout of the code: what the import contract cannot say."""

from __future__ import annotations

import ast
import importlib
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import plain_tasks
import pytest
from walks import PACKAGE, Walk

from pynenc import Pynenc
from pynenc.conf.config_runner import ConfigRunner
from pynenc.context import RunnerContext
from pynenc.invocation.claim import Claim
from pynenc.runner.engine import Engine
from pynenc.storage.base_storage import Storage
from pynenc.testing.evaluating import Evaluating
from pynenc.testing.inline_runner import InlineRunner
from pynenc.testing.measure_suite import counting
from pynenc.trigger import on_event

ROOT = PACKAGE.parent
SOURCES = [
    path
    for folder in (PACKAGE, *ROOT.glob("plugins/*/src"))
    for path in sorted(folder.rglob("*.py"))
    if "scaffold" not in path.parts
]
PUBLIC = {"backend", "builder", "conf", "exceptions", "identifiers", "plugins", "storage"}
"""The rooms that plugins may import from."""

NOT_FIRST = frozenset(
    {"it", "its", "they", "them", "those", "these", "that", "this", "what", "whether", "who", "whom"}
    | {"whose", "how", "when", "where", "which", "why", "i", "we", "you"}
)
"""Words that no docstring begins with."""


def settings() -> dict[str, Any]:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    return {each["type"] + str(number): each for number, each in enumerate(contracts)}


def rooms() -> set[str]:
    return {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()} - {
        "__init__",
        "__pycache__",
        "py",
    }


# --- files and imports -----------------------------------------------------------------


def test_no_file_is_longer_than_four_hundred_lines() -> None:
    long = {str(path): count for path in SOURCES if (count := len(path.read_text().splitlines())) > 400}
    assert long == {}


def test_loose_modules_do_not_become_more() -> None:
    loose = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}
    assert len(loose) <= 12, sorted(loose)


def test_every_room_is_public_or_kept_from_plugins() -> None:
    forbidden = next(each for each in settings().values() if each["type"] == "forbidden")
    kept = {name.removeprefix("pynenc.") for name in forbidden["forbidden_modules"]}
    assert kept & PUBLIC == set()
    assert kept | PUBLIC == rooms()


def test_no_import_of_ours_hides_in_a_function() -> None:
    hidden = [
        f"{path}:{inner.lineno}"
        for path in SOURCES
        for outer in ast.walk(ast.parse(path.read_text()))
        if isinstance(outer, (ast.FunctionDef, ast.AsyncFunctionDef))
        for inner in ast.walk(outer)
        if isinstance(inner, ast.ImportFrom) and (inner.module or "").startswith("pynenc")
    ]
    assert hidden == []


# --- language --------------------------------------------------------------------------


def docstrings() -> Iterator[tuple[str, str]]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Module)
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, kinds) and (text := ast.get_docstring(node)):
                yield f"{path}:{getattr(node, 'lineno', 1)}", text


def test_a_docstring_begins_with_a_verb_or_a_noun() -> None:
    wrong = [f"{place}: {text[:60]}" for place, text in docstrings() if first_word(text) in NOT_FIRST]
    assert wrong == []


def first_word(text: str) -> str:
    return re.split(r"\W", text.strip(), maxsplit=1)[0].lower()


def test_a_message_says_is_not_a_and_not_is_no() -> None:
    wrong = [
        f"{path}:{node.lineno}: {node.value[:60]}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.search(r"\b(is|are) no (?!longer|more|other)[a-z]", node.value)
        and "\n" not in node.value.strip()
        and not re.search(r"\b[Tt]here (is|are) no\b", node.value)
    ]
    assert wrong == []


# --- doors -----------------------------------------------------------------------------


DOORS = {
    stub.parent.relative_to(ROOT).as_posix().replace("/", "."): {
        name: module
        for module, name in re.findall(r"^from (\S+) import (\w+) as \w+$", stub.read_text(), re.M)
    }
    for stub in PACKAGE.rglob("__init__.pyi")
}


@pytest.mark.parametrize("package", sorted(DOORS))
def test_a_door_leads_where_its_types_say(package: str) -> None:
    door = importlib.import_module(package)
    assert sorted(door.__all__) == sorted(DOORS[package])
    for name, module in DOORS[package].items():
        assert getattr(door, name) is getattr(importlib.import_module(module), name)
        assert name in dir(door)
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'Nothing'"):
        _ = door.Nothing


PLACES = """
pynenc Pynenc PynencBuilder Task ConcurrencyControlType PynencError RetryError
pynenc.app Pynenc _new_pynenc
pynenc.app_info AppInfo
pynenc.core_tasks CoreTaskDefinition core_tasks_registry
pynenc.task Task
pynenc.types Func Params Result ParallelFunc AggregateFunc
pynenc.backend storage_family client_data_store_method trigger_method
pynenc.identifiers TaskId
pynenc.identifiers.task_id TaskId
pynenc.invocation InvocationStatus BaseInvocation DistributedInvocation ReusedInvocation ConcurrentInvocation
pynenc.invocation SynchronousInvocation DistributedInvocationGroup SynchronousInvocationGroup WorkflowIdentity
pynenc.invocation.status InvocationStatus
pynenc.workflow WorkflowContext WorkflowIdentity
pynenc.trigger TriggerBuilder on_cron on_event on_status on_result on_any_result on_success on_failure
pynenc.trigger on_exception BaseTrigger TriggerDefinition MemTrigger SQLiteTrigger
pynenc.trigger.trigger_builder TriggerBuilder on_cron
pynenc.trigger.conditions CompositeLogic CronCondition EventContext TriggerContext
pynenc.trigger.conditions.base Condition
pynenc.trigger.conditions.cron CronCondition CronContext
pynenc.trigger.conditions.event EventCondition EventContext
pynenc.trigger.conditions.status StatusCondition StatusContext
pynenc.trigger.conditions.result ResultCondition ResultContext
pynenc.trigger.conditions.exception ExceptionCondition ExceptionContext
pynenc.trigger.conditions.composite CompositeLogic
pynenc.conf.config_pynenc ConfigPynenc
pynenc.conf.config_task ConfigTask ConcurrencyControlType
pynenc.conf.config_broker ConfigBroker
pynenc.conf.config_orchestrator ConfigOrchestrator
pynenc.conf.config_state_backend ConfigStateBackend
pynenc.conf.config_serializer ConfigSerializer
pynenc.conf.config_trigger ConfigTrigger
pynenc.conf.config_client_data_store ConfigClientDataStore
pynenc.conf.config_runner ConfigRunner
pynenc.conf.config_sqlite ConfigSQLite
pynenc.broker BaseBroker MemBroker SQLiteBroker
pynenc.broker.base_broker BaseBroker
pynenc.orchestrator BaseOrchestrator MemOrchestrator SQLiteOrchestrator
pynenc.orchestrator.base_orchestrator BaseOrchestrator
pynenc.state_backend BaseStateBackend MemStateBackend SQLiteStateBackend
pynenc.state_backend.base_state_backend BaseStateBackend
pynenc.client_data_store BaseClientDataStore
pynenc.client_data_store.base_client_data_store BaseClientDataStore
pynenc.trigger.base_trigger BaseTrigger
pynenc.serializer BaseSerializer JsonSerializer JsonPickleSerializer PickleSerializer
pynenc.serializer.base_serializer BaseSerializer
pynenc.runner BaseRunner ThreadRunner MultiThreadRunner ProcessRunner PersistentProcessRunner AsyncRunner
pynenc.runner DummyRunner ExternalRunner
pynenc.runner.base_runner BaseRunner
pynenc.storage Storage StorageDriver Subscription
"""


@pytest.mark.parametrize("line", PLACES.strip().splitlines())
def test_a_name_that_users_import_is_there(line: str) -> None:
    module, *names = line.split()
    for name in names:
        assert hasattr(importlib.import_module(module), name), f"{module}.{name}"


# --- walks -----------------------------------------------------------------------------


@pytest.fixture
def app() -> Pynenc:
    return Pynenc({"app_id": "walks", "runner_cls": "ThreadRunner"})


def check(walk: Walk, functions: int, files: int) -> None:
    """The limits are what was reached; whoever needs more says why in the decisions."""
    assert len(walk.functions) <= functions, "\n".join(map(str, walk.functions))
    assert len(walk.files) <= files, walk.files


def test_the_walk_of_a_submission_is_short(app: Pynenc) -> None:
    task, walk = app.task(plain_tasks.add), Walk()
    task(0)
    walk.run(lambda: task(1, 2))
    check(walk, 22, 12)
    assert walk.files[:3] == ["task.py", "calls/arguments.py", "client/submitting.py"]


def test_the_walk_from_claim_to_finish_is_short(app: Pynenc) -> None:
    task = app.task(plain_tasks.add)
    engine = Engine(app, RunnerContext("ThreadRunner"), ConfigRunner(), 1)
    claiming, running, finishing = Walk(), Walk(), Walk()

    def start() -> Claim:
        engine._fetch()
        engine._finish_and_start()
        started = engine._next_started()
        assert started is not None
        return started

    def work() -> None:
        """Do what a worker does, one step after the other, in this thread."""
        started = claiming.run(start)
        ended = running.run(lambda: engine._execute(started))
        finishing.run(lambda: engine._finish_and_start([ended]))

    task(0)
    work()
    invocation = task(1, 2)
    for each in (claiming, running, finishing):
        each.functions.clear()
    work()
    assert invocation.result == 3
    check(claiming, 37, 12)
    check(running, 20, 11)
    check(finishing, 27, 11)
    whole = Walk()
    whole.functions = {**claiming.functions, **running.functions, **finishing.functions}
    check(whole, 63, 20)


def test_the_walk_of_a_wait_is_short(app: Pynenc) -> None:
    task, walk = app.task(plain_tasks.add), Walk()
    task(0)
    invocation = task(1, 2)
    InlineRunner(app).run_due()
    assert walk.run(lambda: invocation.result) == 3
    check(walk, 26, 11)
    assert not any(file.startswith("conf/") for file in walk.files)


def test_the_result_of_what_is_known_to_have_ended_subscribes_to_nothing(app: Pynenc) -> None:
    task, walk = app.task(plain_tasks.add), Walk()
    invocation = task(1, 2)
    InlineRunner(app).run_due()
    invocation = app.get_invocation(invocation.invocation_id)
    assert invocation.status.is_final()
    assert walk.run(lambda: invocation.result) == 3
    check(walk, 15, 9)
    assert not any(name.endswith("subscribe") for _, name in walk.functions)


def test_the_walk_of_an_event_is_short(app: Pynenc) -> None:
    task, emitting, evaluating_walk = app.task(plain_tasks.echo), Walk(), Walk()
    app._store_deferred_trigger(task, on_event("paid").with_arguments({"value": 1}))
    app.register_deferred_triggers()
    evaluating = Evaluating(app)
    for _ in range(2):
        app.trigger.emit_event("paid")
        evaluating.work()
    evaluating.evaluator._leased_until = float("inf")  # however slow the machine is
    emitting.run(lambda: app.trigger.emit_event("paid"))
    check(emitting, 18, 9)
    evaluating_walk.run(evaluating.evaluator.evaluate)
    assert len(app.find_invocations(task)) == 3
    functions = list(evaluating_walk.functions)
    submission = functions.index(("client/trigger_starts.py", "start_tasks"))
    evaluating_walk.functions = dict.fromkeys(functions[:submission])
    check(evaluating_walk, 45, 12)


def test_an_event_costs_four_calls_of_the_storage(app: Pynenc) -> None:
    task = app.task(plain_tasks.echo)
    app._store_deferred_trigger(task, on_event("paid").with_arguments({"value": 1}))
    app.register_deferred_triggers()
    evaluating = Evaluating(app)
    evaluating.work()
    app.trigger.emit_event("paid")
    evaluating.evaluator.evaluate()  # takes the lease
    evaluating.evaluator._leased_until = float("inf")  # however slow the machine is
    storage: Storage = app.trigger.storage  # type: ignore[attr-defined]
    app.trigger.emit_event("paid")
    with counting([storage]) as calls:
        evaluating.evaluator.evaluate()
    assert len(app.find_invocations(task)) == 2
    assert len(calls) == 4, calls
    with counting([storage]) as calls:
        assert evaluating.evaluator.evaluate() is None
    assert len(calls) == 1, calls


@pytest.mark.parametrize("script", sorted(ROOT.glob("benchmarks/*.py")), ids=lambda script: script.stem)
def test_a_benchmark_asks_only_for_what_is_there(script: Path) -> None:
    for node in ast.walk(ast.parse(script.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pynenc"):
            found = importlib.import_module(node.module or "")
            for alias in node.names:
                assert hasattr(found, alias.name), f"{node.module}.{alias.name}"
