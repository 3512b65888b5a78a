"""What cannot be a task is told where it is defined, with the way out."""

from __future__ import annotations

import functools
import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pynenc.exceptions import TaskDefinitionError

HEAD = "import functools\nfrom pynenc import Pynenc\napp = Pynenc({'app_id': 'definitions'})\n"


def load(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str, name: str = "defined_here") -> Any:
    """Import a module with an app and this text."""
    (folder / f"{name}.py").write_text(HEAD + text, "utf-8")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, name, raising=False)
    importlib.invalidate_caches()
    return importlib.import_module(name)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("@app.task\ndef f():\n    yield 1\n", "'f'.*is a generator.*Return a list"),
        ("@app.task\nasync def f():\n    yield 1\n", "'f'.*is a generator"),
        ("f = app.task(lambda: 1)\n", "the lambda at .*Define it with 'def'"),
        (
            "def log(func):\n    def inner(*args):\n        return func(*args)\n    return inner\n"
            "@app.task\n@log\ndef f():\n    return 1\n",
            "'log.<locals>.inner'.*functools.wraps",
        ),
        ("class Shop:\n    @app.task\n    def sell(self):\n        return 1\n", "'Shop.sell'.*top level"),
        ("app.task(functools.partial(print, 1))\n", "not a function.*with 'def'"),
        ("class Call:\n    def __call__(self): ...\napp.task(Call())\n", "not a function.*with 'def'"),
        ("app.task(int)\n", "not a function.*with 'def'"),
        (
            "@app.task\ndef f():\n    return 1\n@app.task\ndef f():\n    return 2\n",
            "two functions of module 'defined_here' are named 'f'.*:4 and .*:7.*Rename one",
        ),
    ],
)
def test_it_is_refused_with_the_way_out(
    text: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(TaskDefinitionError, match=told):
        load(tmp_path, monkeypatch, text)


def test_a_decorator_with_wraps_is_fine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = """
def log(func):
    @functools.wraps(func)
    def inner(*args):
        return func(*args)
    return inner

@app.task
@log
def f(x: int) -> int:
    return x
"""
    module = load(tmp_path, monkeypatch, text)
    assert str(module.f.task_id) == "defined_here.f"


def test_a_reload_is_not_a_clash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load(tmp_path, monkeypatch, "@app.task\ndef f():\n    return 1\n")
    (tmp_path / "defined_here.py").write_text(
        HEAD + "\n\n@app.task\ndef f():\n    return 'second'\n", "utf-8"
    )
    assert importlib.reload(module).f.func() == "second"
    again = load(tmp_path, monkeypatch, "\n\n\n@app.task\ndef f():\n    return 'third'\n")
    assert again.f.func() == "third"


def test_the_same_function_once_more_is_not_a_clash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load(
        tmp_path, monkeypatch, "def f():\n    return 1\na = app.task(f)\nb = app.task(f, max_retries=1)\n"
    )
    assert module.app.tasks[module.b.task_id] is module.b


@functools.cache
def script(settings: str) -> str:
    return f"""
from pynenc import Pynenc
app = Pynenc({settings})
@app.task
def double(x: int) -> int:
    return 2 * x
@app.task
def both(x: int) -> int:
    return double(x).result + double(x).result
if __name__ == "__main__":
    print(both(4).result)
"""


def run(folder: Path, text: str, *command: str) -> subprocess.CompletedProcess[str]:
    (folder / "script.py").write_text(text, "utf-8")
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder)}
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("settings", ["", "{'dev_mode_force_sync_tasks': True, 'backend': 'sqlite'}"])
@pytest.mark.parametrize("command", [("script.py",), ("-m", "script"), ("-i", "script.py")])
def test_tasks_of_a_script_work_where_nothing_is_imported(
    settings: str, command: tuple[str, ...], tmp_path: Path
) -> None:
    done = run(tmp_path, script(settings), *command)
    assert done.stdout.splitlines()[-1:] == ["16"], done.stderr


@pytest.mark.parametrize(("command", "told"), [(("script.py",), "script"), (("-m", "script"), "script")])
def test_elsewhere_a_script_is_told_what_to_do(command: tuple[str, ...], told: str, tmp_path: Path) -> None:
    done = run(tmp_path, script("{'backend': 'sqlite'}"), *command)
    assert done.returncode == 1
    line = done.stderr.splitlines()[-1]
    assert "TaskDefinitionError" in line
    assert "'double'" in line
    assert "from tasks import double" in line
    assert f"from {told} import double" in line


def test_elsewhere_a_prompt_is_told_what_to_do(tmp_path: Path) -> None:
    done = run(tmp_path, "", "-c", script("{'backend': 'sqlite'}"))
    assert done.returncode == 1
    assert "%%writefile tasks.py" in done.stderr


def test_a_cell_may_be_run_again(tmp_path: Path) -> None:
    cell = "\n@app.task\ndef f(x: int) -> int:\n    return x + {}\n"
    text = f"""
from pynenc import Pynenc
app = Pynenc()
for number, text in enumerate([{cell.format(1)!r}, {cell.format(2)!r}]):
    exec(compile(text, f"<cell {{number}}>", "exec"), globals())
print(f(1).result)
"""
    done = run(tmp_path, "", "-c", text)
    assert done.stdout == "3\n", done.stderr


def test_classes_of_a_script_are_carried_where_nothing_is_imported(tmp_path: Path) -> None:
    text = """
from dataclasses import dataclass
from enum import Enum
from pynenc import Pynenc
app = Pynenc(SETTINGS)

class Size(Enum):
    BIG = 1

@dataclass
class Order:
    name: str
    size: Size

class SoldOutError(Exception):
    pass

@app.task
def ship(order: Order) -> Order:
    if not order.name:
        raise SoldOutError("all gone")
    return Order(order.name.upper(), order.size)

if __name__ == "__main__":
    print(ship(Order("tea", Size.BIG)).result)
    try:
        ship(Order("", Size.BIG)).result
    except SoldOutError as error:
        print(repr(error))
"""
    done = run(tmp_path, text.replace("SETTINGS", ""), "script.py")
    assert done.stdout.splitlines() == [
        "Order(name='TEA', size=<Size.BIG: 1>)",
        "SoldOutError('all gone')",
    ], done.stderr
    text = text.replace("SETTINGS", "{'backend': 'sqlite', 'embedded_runner': True}")
    done = run(tmp_path, text, "script.py")
    assert "is defined in the script that is being run" in done.stderr
