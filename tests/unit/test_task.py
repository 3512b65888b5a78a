"""Defining tasks, binding arguments, and running them in place."""

from __future__ import annotations

import asyncio
import runpy
from pathlib import Path
from typing import Any

import plain_tasks
import pytest

from pynenc import Pynenc, Task
from pynenc.calls.arguments import ArgumentBinder
from pynenc.client.inline_invocation import ConcurrentInvocation
from pynenc.exceptions import ConfigError, RetryError, TaskDefinitionError
from pynenc.invocation.arguments import Arguments
from pynenc.invocation.status import InvocationStatus


@pytest.fixture
def app() -> Pynenc:
    return Pynenc({"app_id": "sync", "dev_mode_force_sync_tasks": True})


# --- definition ----------------------------------------------------------------------


def test_a_decorated_function_is_a_task(app: Pynenc) -> None:
    task = app.task(plain_tasks.add)
    assert isinstance(task, Task)
    assert (task.__name__, task.__doc__) == ("add", "Add two numbers.")
    assert app.task(max_retries=3)(plain_tasks.add).conf.max_retries == 3


def test_a_lambda_is_refused(app: Pynenc) -> None:
    with pytest.raises(TaskDefinitionError, match="the lambda at .*test_task.py:.* Define it with 'def'"):
        app.task(lambda: 1)


def test_a_nested_function_is_refused(app: Pynenc) -> None:
    def nested() -> None: ...

    with pytest.raises(TaskDefinitionError, match="defined inside a function or class.*Move it"):
        app.task(nested)
    with pytest.raises(TaskDefinitionError, match="Holder.method"):
        app.task(plain_tasks.Holder.method)
    with pytest.raises(TaskDefinitionError, match="is not a function"):
        app.task(plain_tasks.Holder)
    assert app.tasks == {}


def test_a_function_of_the_main_script_is_refused(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("from pynenc import Pynenc\napp = Pynenc()\n@app.task\ndef job(): ...\n")
    with pytest.raises(TaskDefinitionError, match=r"__main__.*'from tasks import job'"):
        runpy.run_path(str(script), run_name="__main__")


def test_an_unknown_option_names_the_nearest(app: Pynenc) -> None:
    with pytest.raises(TaskDefinitionError, match="unknown setting 'max_retry'.*did you mean 'max_retries'"):
        app.task(max_retry=3)(plain_tasks.add)  # type: ignore[call-overload]
    with pytest.raises(TaskDefinitionError, match="did you mean 'parallel_func'"):
        app.direct_task(paralel_func=3)(plain_tasks.add)  # type: ignore[call-overload]


@pytest.mark.parametrize("decorator", ["task", "workflow", "direct_task"])
def test_what_is_not_a_function_is_refused_by_every_decorator(app: Pynenc, decorator: str) -> None:
    with pytest.raises(TaskDefinitionError, match="'x' cannot be a task because it is not a function"):
        getattr(app, decorator)("x")


def test_functions_of_a_direct_task_must_be_functions(app: Pynenc) -> None:
    with pytest.raises(TaskDefinitionError, match="parallel_func=1 of a direct task is not a function"):
        app.direct_task(parallel_func=1)


def test_a_wrong_option_is_refused_at_once(app: Pynenc) -> None:
    with pytest.raises(ConfigError, match="'max_retries'.*decorator of task plain_tasks.add.*-1"):
        app.task(max_retries=-1)(plain_tasks.add)
    with pytest.raises(TaskDefinitionError, match=r"key_arguments \['z'\].*it has: x, y"):
        app.task(key_arguments=("z",))(plain_tasks.add)
    assert app.tasks == {}


# --- arguments -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [((), {}), ((1, 2, 3), {}), ((1,), {"x": 2}), ((1,), {"z": 2}), ((), {"y": 2})],
)
def test_wrong_arguments_are_refused_at_the_call(app: Pynenc, args: Any, kwargs: Any) -> None:
    task = app.task(plain_tasks.add)
    with pytest.raises(TypeError, match=r"add\(\) "):
        task(*args, **kwargs)


@pytest.mark.parametrize("args", [(1,), (1, 2, 3)])
@pytest.mark.parametrize("kwargs", [{}, {"key": 5}, {"key": 5, "x": 6, "other": 7}])
def test_parameters_of_every_kind_are_bound_like_python_does(args: Any, kwargs: Any) -> None:
    binder = ArgumentBinder(plain_tasks.positional)
    again_args, again_kwargs = binder.call_with(binder.bind(args, kwargs))
    assert plain_tasks.positional(*again_args, **again_kwargs) == plain_tasks.positional(*args, **kwargs)


def test_arguments_can_be_bound_without_a_call(app: Pynenc) -> None:
    arguments = app.task(plain_tasks.add).args(1, y=2)
    assert arguments == Arguments({"x": 1, "y": 2})
    assert (arguments["x"], list(arguments), len(arguments)) == (1, ["x", "y"], 2)


def test_items_of_the_wrong_shape_are_refused(app: Pynenc) -> None:
    task = app.task(plain_tasks.add)
    with pytest.raises(TypeError, match=r"not int; for one positional argument write \(value,\)"):
        task.parallelize([1, 2])  # type: ignore[list-item]
    with pytest.raises(TypeError, match=r"add\(\) "):
        task.parallelize([(1,), (1, 2, 3)])


# --- running in place ----------------------------------------------------------------


def test_a_call_runs_at_once(app: Pynenc) -> None:
    invocation = app.task(plain_tasks.add)(1, 2)
    assert isinstance(invocation, ConcurrentInvocation)
    assert (invocation.result, invocation.status) == (3, InvocationStatus.SUCCESS)
    assert asyncio.run(invocation.async_result()) == 3


def test_errors_come_when_the_result_is_asked_for(app: Pynenc) -> None:
    invocation = app.task(plain_tasks.fail)("broken")
    assert invocation.status == InvocationStatus.FAILED
    with pytest.raises(ValueError, match="broken"):
        _ = invocation.result


def test_retries_behave_the_same(app: Pynenc) -> None:
    task = app.task(max_retries=2)(plain_tasks.fail_until)
    invocation = task(2)
    assert (invocation.result, invocation.num_retries) == (2, 2)
    with pytest.raises(RetryError):
        _ = task(3).result


def test_other_errors_are_retried_only_if_the_task_says_so(app: Pynenc) -> None:
    assert app.task(max_retries=2)(plain_tasks.fail)("x").num_retries == 0
    assert app.task(max_retries=2, retry_for=(ValueError,))(plain_tasks.fail)("x").num_retries == 2


def test_a_coroutine_runs_inside_and_outside_of_a_loop(app: Pynenc) -> None:
    task = app.task(plain_tasks.add_async)
    assert task(1, 2).result == 3

    async def inside() -> Any:
        return task(1, 2).result

    assert asyncio.run(inside()) == 3


def test_a_group_runs_at_once(app: Pynenc) -> None:
    group = app.task(plain_tasks.add).parallelize([(1, 1), {"x": 2}])
    assert (list(group.results), len(group)) == ([2, 12], 2)

    async def gather() -> list[int]:
        return [result async for result in group.async_results()]

    assert asyncio.run(gather()) == [2, 12]


def test_tasks_call_tasks_and_share_their_workflow(app: Pynenc) -> None:
    app.task(plain_tasks.add)
    outer = app.task(plain_tasks.numbers_up_to)
    invocation = outer(4)
    assert invocation.result == [0, 1, 2, 3]
    assert invocation.workflow.workflow_id == invocation.invocation_id
    assert not invocation.workflow.is_subworkflow


def test_outside_of_its_body_a_task_has_no_invocation(app: Pynenc) -> None:
    with pytest.raises(RuntimeError, match="only inside its body"):
        _ = app.task(plain_tasks.add).invocation


# --- direct tasks --------------------------------------------------------------------


def test_a_direct_task_returns_what_the_function_did(app: Pynenc) -> None:
    assert app.direct_task(plain_tasks.add)(1, 2) == 3
    assert asyncio.run(app.direct_task(plain_tasks.add_async)(1, 2)) == 3
    with pytest.raises(ValueError, match="broken"):
        app.direct_task(plain_tasks.fail)("broken")


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        ([(1, 1), (2, 2)], [2, 4]),
        ([{"x": 1}, {"x": 2, "y": 2}], [11, 4]),
        (({"x": 1}, {"x": 2}), [11, 12]),
        ({"common_args": {"y": 5}, "param_iter": [{"x": 1}, (2,)]}, [6, 7]),
        ({"param_iter": [(1, 2)]}, [3]),
        (({"y": 5}, [{"x": 1}, {"x": 2, "y": 0}]), [6, 2]),
        (iter([Arguments({"x": 1, "y": 1})]), [2]),
        ([], []),
    ],
)
def test_a_parallel_function_may_return_several_shapes(app: Pynenc, made: Any, expected: list[int]) -> None:
    direct = app.direct_task(parallel_func=lambda arguments: made)(plain_tasks.add)
    assert direct(0) == expected


def test_a_parallel_function_gets_the_arguments_and_results_are_combined(app: Pynenc) -> None:
    direct = app.direct_task(
        parallel_func=lambda arguments: [(each, 0) for each in range(arguments["x"])], aggregate_func=sum
    )(plain_tasks.add)
    assert direct(5) == 10


@pytest.mark.parametrize("made", [3, {"common_args": {}}, {"param_iter": [], "other": 1}])
def test_a_wrong_shape_is_a_clear_error(app: Pynenc, made: Any) -> None:
    direct = app.direct_task(parallel_func=lambda arguments: made)(plain_tasks.add)
    with pytest.raises(TypeError, match="parallel_func returned"):
        direct(0)
