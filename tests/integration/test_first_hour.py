"""The first hour of a user: five layouts of a project, and mistakes that are answered with their cure."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

PYTHON = os.environ.get("PYNENC_TEST_PYTHON", sys.executable)
"""The Python of the user; `make first-hour` gives that of an empty environment."""

BIN = Path(PYTHON).parent
APP = "from pynenc import Pynenc\napp = Pynenc({'app_id': 'shop', 'backend': 'sqlite'})\n"
ADD = "@app.task\ndef add(x: int, y: int) -> int:\n    return x + y\n"
CALL = "print('result', add(1, 2).wait(30))\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")


def environment(**more: str) -> dict[str, str]:
    kept = {
        name: value for name, value in os.environ.items() if not name.upper().startswith(("PYNENC", "PYTEST"))
    }
    return {**kept, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "250", **more}


def run(folder: Path, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, env=environment(**more), text=True, timeout=50, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


@contextmanager
def runner(folder: Path, *options: str, **more: str) -> Iterator[subprocess.Popen[str]]:
    """A runner, from when it says that it has started; it ends in order."""
    log = folder / "runner.log"
    with log.open("w") as stream:
        process = subprocess.Popen(
            ["pynenc", *options], cwd=folder, env=environment(**more), stdout=stream, stderr=stream, text=True
        )
        try:
            while "started" not in log.read_text():
                assert process.poll() is None, log.read_text()
                time.sleep(0.02)
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
            assert process.wait(40) == 0, log.read_text()


# --- layouts -----------------------------------------------------------------------------

LAYOUTS = {
    "one file": ({"tasks.py": APP + ADD}, "tasks"),
    "flat package": (
        {
            "shop/__init__.py": "",
            "shop/app.py": APP + "import shop.jobs\n",
            "shop/jobs.py": "from shop.app import app\n" + ADD,
        },
        "shop.jobs",
    ),
    "src layout": (
        {
            "src/shop/__init__.py": "",
            "src/shop/queue.py": APP,
            "src/shop/tasks.py": "from .queue import app\n" + ADD,
            "pyproject.toml": "[tool.pynenc]\napp = 'shop.queue:app'\ntask_modules = 'shop.**'\n",
        },
        "shop.tasks",
    ),
}


@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_a_layout_works_without_naming_the_app(layout: str, folder: Path) -> None:
    files, module = LAYOUTS[layout]
    write(folder, {**files, "main.py": f"from {module} import add\n{CALL}"})
    with runner(folder, "runner", "start"):
        done = run(folder, PYTHON, "main.py", PYTHONPATH="src")
    assert done.stdout == "result 3\n"
    told = (folder / "runner.log").read_text()
    assert "WARNING" not in told.replace("WARNING  [shop] a signal to stop", "")
    assert run(folder, "pynenc", "doctor").returncode == 0


def test_a_notebook_works_in_one_process_and_with_a_file_for_the_tasks(folder: Path) -> None:
    cells = [
        "from pynenc import Pynenc\napp = Pynenc()",
        ADD,
        ADD.replace("x + y", "x + y + 1"),
        "print('in memory', add(1, 2).result)",
        "shared = Pynenc({'app_id': 'shop', 'backend': 'sqlite'})\nshared.task(add.func)",
        f"%%writefile tasks.py\n{APP}{ADD}",
        "from tasks import add\n" + CALL,
    ]
    notebook = (
        "import sys\nfrom IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell.instance()\nsys.modules['__main__'] = shell.user_module\n"
        f"for cell in {cells!r}:\n    shell.run_cell(cell)\n"
    )
    write(folder, {"tasks.py": APP + ADD})
    with runner(folder, "runner", "start"):
        done = run(folder, PYTHON, "-c", notebook)
    assert "in memory 4" in done.stdout
    assert "result 3" in done.stdout
    assert "%%writefile tasks.py" in re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)


def test_a_django_project_works(folder: Path) -> None:
    write(
        folder,
        {
            "site_/__init__.py": "",
            "site_/settings.py": "INSTALLED_APPS = ['orders']\nSECRET_KEY = 'x'\n"
            "DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': 'db.sqlite3'}}\n"
            "DEFAULT_AUTO_FIELD = 'django.db.models.AutoField'\n",
            "site_/queueing.py": "import os\n"
            "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'site_.settings')\n"
            "import django\ndjango.setup()\n"
            + APP.replace("'sqlite'}", "'sqlite', 'task_modules': ['orders.tasks']}"),
            "orders/__init__.py": "",
            "orders/models.py": "from django.db import models\nclass Order(models.Model):\n"
            "    name = models.CharField(max_length=9)\n",
            "orders/tasks.py": "from site_.queueing import app\nfrom orders.models import Order\n"
            "@app.task\ndef name() -> str:\n    return Order.__name__\n",
            "call.py": "from orders.tasks import name\nprint('result', name().wait(30))\n",
        },
    )
    for kind in ("ThreadRunner", "PersistentProcessRunner"):
        with runner(folder, "runner", "start", "--runner", kind, PYNENC__NUM_PROCESSES="1"):
            done = run(folder, PYTHON, "-c", "import site_.queueing\nimport call")
        assert done.stdout == "result Order\n", kind


def test_worker_processes_set_django_up_like_the_program_that_started_them(folder: Path) -> None:
    write(
        folder,
        {
            "settings.py": "INSTALLED_APPS = ['orders']\nSECRET_KEY = 'x'\n"
            "DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': 'db.sqlite3'}}\n",
            "queueing.py": APP.replace("'sqlite'}", "'sqlite', 'runner_cls': 'PersistentProcessRunner'}"),
            "orders/__init__.py": "",
            "orders/models.py": "from django.db import models\nclass Order(models.Model):\n"
            "    id = models.AutoField(primary_key=True)\n",
            "orders/tasks.py": "from queueing import app\nfrom orders.models import Order\n"
            "@app.task\ndef name() -> str:\n    return Order.__name__\n",
            "command.py": "import os, threading\nos.environ['DJANGO_SETTINGS_MODULE'] = 'settings'\n"
            "import django\ndjango.setup()\nfrom orders.tasks import app, name\n"
            "runner = threading.Thread(target=app.runner.run)\nrunner.start()\n"
            "print('result', name().wait(30))\napp.runner.stop_runner_loop()\nrunner.join()\n",
        },
    )
    done = run(folder, PYTHON, "command.py", PYNENC__NUM_PROCESSES="1", PYNENC__LOGGING_LEVEL="error")
    assert done.stdout == "result Order\n"


def test_doctor_tells_of_a_runner_whose_workers_never_come_up(folder: Path) -> None:
    other = (
        "import os, pathlib\nif os.getppid() != int(pathlib.Path('starter').read_text()):\n"
        "    pathlib.Path('begun').touch()\n    raise RuntimeError('no settings')\n"
    )
    app = APP.replace("'sqlite'}", "'sqlite', 'task_modules': ['other']}")
    write(folder, {"tasks.py": app + ADD, "other.py": other, "starter": str(os.getpid())})
    with runner(folder, "runner", "start", "--runner", "PersistentProcessRunner", PYNENC__NUM_PROCESSES="1"):
        while True:
            done = run(folder, "pynenc", "doctor")
            told = [line for line in done.stdout.splitlines() if line.startswith("error    runner:")]
            if told:
                break
    assert "none of its worker processes is alive" in told[0]
    assert done.returncode == 1
    assert (folder / "begun").exists()


# --- mistakes ----------------------------------------------------------------------------

MISTAKES: dict[str, tuple[dict[str, str], list[str], dict[str, str], str]] = {
    "the command of another framework": (
        {"tasks.py": APP}, ["pynenc", "-A", "tasks", "worker"], {}, "pynenc --app tasks runner start",
    ),
    "a module that is not there": (
        {"tasks.py": APP}, ["pynenc", "--app", "task", "doctor"], {}, "module 'task' was not found here",
    ),
    "no app anywhere": ({}, ["pynenc", "runner", "start"], {}, "name one with --app"),
    "the name of a standard module": (
        {"queue.py": APP}, ["pynenc", "--app", "queue.py", "doctor"], {}, "rename it",
    ),
    "tasks in the script": (
        {"main.py": APP + ADD + CALL}, [PYTHON, "main.py"], {}, "from tasks import add",
    ),
    "a lambda": (
        {"tasks.py": APP + "f = app.task(lambda: 1)\n"}, [PYTHON, "-c", "import tasks"], {},
        "with 'def'",
    ),
    "a generator": (
        {"tasks.py": APP + "@app.task\ndef f():\n    yield 1\n"}, [PYTHON, "-c", "import tasks"], {},
        "Return a list",
    ),
    "the call of another framework": (
        {"tasks.py": APP + ADD}, [PYTHON, "-c", "from tasks import add; add.delay(1, 2)"], {},
        "call the task itself: add(1, 2)",
    ),
    "the result of another framework": (
        {"tasks.py": APP + ADD}, [PYTHON, "-c", "from tasks import add; add(1, 2).get()"], {},
        "write 'result'",
    ),
    "an option of another framework": (
        {"tasks.py": APP + "@app.task(bind=True)\ndef f(self): ...\n"},
        [PYTHON, "-c", "import tasks"], {}, "invocation",
    ),
    "one underscore": (
        {"tasks.py": APP}, ["pynenc", "doctor"], {"PYNENC_BACKEND": "redis"}, "write PYNENC__BACKEND",
    ),
    "a url without its backend": (
        {"tasks.py": "from pynenc import Pynenc\napp = Pynenc()\n"}, ["pynenc", "doctor"],
        {"PYNENC__SQLITE_DB_PATH": "x.db"}, "set backend='sqlite'",
    ),
    "a section for a setting": (
        {"tasks.py": "from pynenc import Pynenc\napp = Pynenc({'runner': 'ThreadRunner'})\n"},
        [PYTHON, "-c", "import tasks"], {}, "write 'runner_cls'",
    ),
    "a cron that nobody imports": (
        {"shop/__init__.py": "", "shop/app.py": APP, "shop/jobs.py": "from shop.app import app\n" + ADD},
        ["pynenc", "doctor"], {}, "shop.jobs",
    ),
    "a runner that executes nothing": (
        {"tasks.py": APP}, [PYTHON, "-c", "from tasks import app; app.runner.run()"], {},
        "PYNENC__RUNNER_CLS=ThreadRunner",
    ),
    "an argument too few": (
        {"tasks.py": APP + ADD}, [PYTHON, "-c", "from tasks import add; add(1)"], {},
        "missing a required argument: 'y'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", list(MISTAKES))
def test_a_mistake_is_answered_with_its_cure(mistake: str, folder: Path) -> None:
    files, command, variables, cure = MISTAKES[mistake]
    write(folder, files)
    done = run(folder, *command, **variables)
    assert cure in done.stdout


def test_a_runner_in_another_folder_is_easy_to_see(folder: Path) -> None:
    write(folder, {"tasks.py": APP + ADD, "elsewhere/keep": "", "main.py": "from tasks import add\n" + CALL})
    there = folder / "elsewhere"
    with runner(there, "--app", "../tasks.py", "runner", "start"):
        quick = CALL.replace("30", "7")
        done = run(folder, PYTHON, "-c", "from tasks import add\n" + quick)
    assert str(folder / "pynenc.db") in done.stdout
    assert "pynenc --app tasks.app runner start" in done.stdout


def test_a_runner_for_an_app_in_memory_is_told(folder: Path) -> None:
    write(folder, {"tasks.py": "from pynenc import Pynenc\napp = Pynenc()\n" + ADD})
    with runner(folder, "runner", "start"):
        pass
    assert "PYNENC__BACKEND=sqlite" in (folder / "runner.log").read_text()


# --- the end -----------------------------------------------------------------------------

RUNNERS = ["ThreadRunner", "AsyncRunner", "PersistentProcessRunner", "MultiThreadRunner", "ProcessRunner"]


@pytest.mark.parametrize("kind", RUNNERS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_every_runner_in_order(kind: str, number: signal.Signals, folder: Path) -> None:
    slow = (
        "import pathlib, time\n@app.task\ndef slow() -> None:\n    pathlib.Path('begun').touch()\n"
        "    for _ in range(3000):\n        time.sleep(0.01)\n"
    )
    write(folder, {"tasks.py": APP + slow})
    with runner(folder, "runner", "start", "--runner", kind, PYNENC__NUM_PROCESSES="1") as process:
        assert run(folder, PYTHON, "-c", "from tasks import slow; slow()").stdout == ""
        while not (folder / "begun").exists():
            time.sleep(0.02)
        process.send_signal(number)
        while "a signal to stop" not in (folder / "runner.log").read_text():
            time.sleep(0.02)
        process.send_signal(number)
        assert process.wait(30) == 0
    told = (folder / "runner.log").read_text()
    assert "Traceback" not in told
    assert "a second signal" in told


# --- logs --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["ThreadRunner", "PersistentProcessRunner"])
def test_what_users_log_is_shown_like_what_we_log(kind: str, folder: Path) -> None:
    text = (
        "import logging\n@app.task\ndef talk() -> None:\n    own = logging.getLogger('shop.jobs')\n"
        "    talk.logger.info('ours', extra={'order': 5, 'odd': float('nan'), 'cls': {1, 2}})\n"
        "    own.info('own info')\n    own.warning('own warning')\n"
    )
    write(folder, {"tasks.py": APP + text, "main.py": "from tasks import talk\ntalk().wait(30)\n"})
    with runner(
        folder, "runner", "start", "--runner", kind, PYNENC__LOG_FORMAT="json", PYNENC__NUM_PROCESSES="1"
    ):
        assert run(folder, PYTHON, "main.py").stdout == ""
    entries = {}
    for line in (folder / "runner.log").read_text().splitlines():
        entry = json.loads(line)
        entries[entry["message"]] = entry
    assert (entries["ours"]["order"], entries["ours"]["odd"]) == (5, "nan")
    for message in ("ours", "own info", "own warning"):
        assert entries[message]["task_id"] == "tasks.talk"
        assert entries[message]["invocation_id"]
