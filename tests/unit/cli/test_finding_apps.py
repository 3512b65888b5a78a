"""The app is found where people put it, and what cannot be found says what to write."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pynenc import Pynenc
from pynenc.application import source_files
from pynenc.application.source_files import python_files
from pynenc.cli.discovery import load_app
from pynenc.cli.main import cli
from pynenc.exceptions import ConfigError

APP = "from pynenc import Pynenc\napp = Pynenc({{'app_id': '{}'}})\n"


def write(folder: Path, *files: str, **texts: str) -> None:
    """Write files, empty ones or with the texts that are given by their names, with _ for / and ."""
    for each in files:
        path, _, text = each.partition("=")
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text.replace("APP", APP.format(Path(path).stem)), "utf-8")


def call(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


@pytest.mark.parametrize(
    "name",
    ["src/fpkg/queue.py", "./src/fpkg/queue.py", "src/fpkg/queue.py:app", "fpkg", "fpkg.queue",
     "fpkg.queue:app", "fpkg.queue.app", "src/fpkg", None],
)  # fmt: skip
def test_a_module_of_a_package_in_src_is_one_of_its_package(folder: Path, name: str | None) -> None:
    write(folder, "src/fpkg/__init__.py", "src/fpkg/queue.py=APP", "src/fpkg/jobs.py", "tests/test_x.py=APP")
    app = load_app(name)
    assert (app.app_id, app.info.module) == ("queue", "fpkg.queue")
    assert str(folder / "src" / "fpkg") not in sys.path
    assert "queue" not in sys.modules or not str(sys.modules["queue"].__file__).startswith(str(folder))


@pytest.mark.parametrize("name", ["fflat/core.py", "fflat", "fflat.core", None])
def test_a_flat_package(folder: Path, name: str | None) -> None:
    write(folder, "fflat/__init__.py", "fflat/sub/__init__.py", "fflat/core.py=APP", "fflat/sub/jobs.py")
    assert load_app(name).info.module == "fflat.core"


def test_the_project_names_its_app(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder, "src/fnamed/__init__.py", "src/fnamed/one.py=APP", "src/fnamed/two.py=APP", "deep/er/x.txt")
    write(folder, "pyproject.toml=[tool.pynenc]\napp = 'fnamed.two:app'\nmax_pending_seconds = 7\n")
    monkeypatch.chdir(folder / "deep" / "er")
    app = load_app(None)
    assert (app.app_id, app.conf.max_pending_seconds) == ("two", 7)
    assert load_app("fnamed.one").app_id == "one"


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("[tool]\npynenc = 5\n", "is not a table"),
        ("[tool.pynenc]\napp = 5\n", "'app' in .* is not a string"),
        ("[tool.pynenc]\napp = 'gone.app'\n", "cannot import module 'gone'"),
        ("[tool.pynenc]\nap = 'gone.app'\n[tool.pynenc.app]\nx = 1\n", "'app' in .* is not a string"),
    ],
)
def test_a_wrong_table_of_the_project_is_told(folder: Path, table: str, told: str) -> None:
    write(folder, f"pyproject.toml={table}")
    with pytest.raises(ConfigError, match=told):
        load_app(None)


def test_a_file_with_the_name_of_a_standard_module_is_told(folder: Path) -> None:
    write(folder, "queue.py=APP")
    with pytest.raises(ConfigError, match="'queue' of the standard library.*rename it"):
        load_app("queue.py")
    with pytest.raises(ConfigError, match="rename it"):
        load_app(None)


def test_a_file_that_another_one_hides_is_told(folder: Path) -> None:
    write(folder, "yaml.py=APP")
    with pytest.raises(ConfigError, match="module 'yaml' is imported from .* and not from"):
        load_app("yaml.py")


def test_several_files_are_listed_with_both_ways_out(folder: Path) -> None:
    write(folder, "src/ftwo/__init__.py", "src/ftwo/a.py=APP", "src/ftwo/b.py=APP")
    for name in (None, "ftwo", "src/ftwo"):
        with pytest.raises(ConfigError, match=r"ftwo\.a, ftwo\.b; name one with --app.*tool\.pynenc"):
            load_app(name)


def test_environments_and_hidden_folders_are_not_searched(folder: Path) -> None:
    write(folder, "fenv/pyvenv.cfg", "fenv/lib/x.py=APP", ".hidden/x.py=APP", "node_modules/x.py=APP")
    with pytest.raises(ConfigError, match="no Python file in"):
        load_app(None)


@pytest.mark.parametrize("name", ["fname/queue.py", "fname", "fname.queue", "fname.queue:app", None])
def test_a_package_without_init_is_one_all_the_same(folder: Path, name: str | None) -> None:
    write(
        folder,
        "fname/queue.py=APP",
        "fname/sub/tasks.py=from fname.queue import app\n@app.task\ndef f(): ...\n",
    )
    app = load_app(name)
    assert app.info.module == "fname.queue"
    assert app.modules_left_out() == ["fname.sub.tasks"]
    app.conf.task_modules = ("fname.**",)
    app.import_task_modules()
    assert app.modules_left_out() == []


def test_a_folder_without_init_in_a_package_is_imported_by_patterns(folder: Path) -> None:
    write(folder, "fhalf/__init__.py", "fhalf/core.py=APP", f"fhalf/sub/tasks.py={JOBS.format('fhalf.core')}")
    app = load_app("fhalf")
    assert app.modules_left_out() == ["fhalf.sub.tasks"]
    app.conf.task_modules = ("fhalf.*.tasks",)
    app.import_task_modules()
    assert app.modules_left_out() == []


def test_what_only_reads_like_an_app_is_none(folder: Path) -> None:
    write(
        folder, "freal.py=APP", 'fdoc.py="""Example:\napp = Pynenc()\n"""\n',
        "finside.py=from pynenc import Pynenc\ndef make():\n    app = Pynenc()\n    return app\n",
    )  # fmt: skip
    (folder / "flink.py").symlink_to(folder / "freal.py")
    assert load_app(None).info.module == "freal"


@pytest.mark.parametrize(
    "text",
    [
        "import pynenc\napp: pynenc.Pynenc = pynenc.Pynenc({'app_id': 'fform'})\n",
        "from pynenc import Pynenc as P\napp = P({'app_id': 'fform'})\n",
        "from pynenc import PynencBuilder\napp = PynencBuilder().app_id('fform').memory().build()\n",
        "from pynenc import Pynenc\ntry:\n    app = Pynenc({'app_id': 'fform'})\nfinally:\n    pass\n",
    ],
)
def test_every_way_to_make_an_app_is_seen(folder: Path, text: str) -> None:
    write(folder, f"fform.py={text}", "fother.py=x = 1\n")
    assert load_app(None).app_id == "fform"


@pytest.mark.parametrize("name", [":app", "", ":", ".app", "a b:app"])
def test_a_name_that_names_nothing_is_told(folder: Path, name: str) -> None:
    with pytest.raises(ConfigError):
        load_app(name)


def test_a_broken_module_of_task_modules_is_told_with_the_setting(folder: Path) -> None:
    write(
        folder,
        "fbroke/__init__.py",
        "fbroke/core.py=APP",
        "fbroke/bad.py=def f(:\n",
        "fbroke/worse.py=1 / 0\n",
    )
    app = load_app("fbroke")
    for name, told in (("fbroke.bad", "SyntaxError"), ("fbroke.w*", "ZeroDivisionError")):
        app.conf.task_modules = (name,)
        with pytest.raises(ConfigError, match=f"'task_modules' names '.*cannot be imported: {told}"):
            app.import_task_modules()


# --- the option, wherever it is written ------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    ["--app fopt config show --json", "config show --json --app fopt", "config --app=fopt show --json",
     "-A fopt config show --json", "config show -A fopt --json"],
)  # fmt: skip
def test_the_app_may_be_named_before_and_behind_the_command(folder: Path, line: str) -> None:
    write(folder, "fopt.py=APP", "other.py=APP")
    done = call(*line.split())
    assert done.exit_code == 0, done.output
    assert '"fopt"' in done.output


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("-A shop worker", "no command 'worker'; what you want may be: pynenc --app shop runner start"),
        ("worker --loglevel info", "what you want may be: pynenc runner start"),
        ("beat", "what you want may be: pynenc runner start"),
        ("docter", "what you want may be: pynenc doctor"),
        ("nonsense", "No such command 'nonsense'"),
    ],
)
def test_commands_of_others_are_answered_with_ours(folder: Path, line: str, told: str) -> None:
    done = call(*line.split())
    assert done.exit_code == 2
    assert told in done.output


# --- tasks that nobody imports ---------------------------------------------------------------

JOBS = "from {} import app\n@app.task\ndef job() -> None: ...\n"


def left_out(folder: Path, *files: str) -> list[str]:
    write(folder, "fleft/__init__.py", "fleft/main.py=APP", *files)
    app = load_app("fleft.main")
    return app.modules_left_out()


@pytest.mark.parametrize(
    "text",
    [
        JOBS.format("fleft.main"),
        JOBS.format(".main"),
        "import fleft.main\n@fleft.main.app.task(max_retries=1)\ndef job(): ...\n",
        "import fleft.main as m\n@m.app.workflow\ndef job(): ...\n",
        "from fleft import main\n@main.app.direct_task()\ndef job(): ...\n",
        "from .main import app as queue\nclass X: ...\n@queue.task\nasync def job(): ...\n",
    ],
)
def test_a_module_with_tasks_that_is_not_imported_is_found(folder: Path, text: str) -> None:
    assert left_out(folder, f"fleft/jobs.py={text}", "fleft/other.py=import os\n") == ["fleft.jobs"]


@pytest.mark.parametrize(
    "text",
    [
        "from celery import app\n@app.task\ndef job(): ...\n",
        "app = object()\n@app.task\ndef job(): ...\n",
        "from .main import app\n@app.task\ndef broken(:\n",
        "from ....far import app\n@app.task\ndef job(): ...\n",
        "from .main import app\napp.task\n",
        "x = '''\n@app.task\n'''",
    ],
)
def test_what_only_looks_like_it_is_not(folder: Path, text: str) -> None:
    assert left_out(folder, f"fleft/jobs.py={text}") == []


def test_one_that_is_imported_is_not_left_out(folder: Path) -> None:
    write(folder, "fdone/__init__.py", f"fdone/jobs.py={JOBS.format('fdone.main')}")
    write(folder, "fdone/main.py=APPimport fdone.jobs\n")
    assert load_app("fdone.main").modules_left_out() == []


def test_the_modules_beside_a_single_file_are_looked_at(folder: Path) -> None:
    write(folder, "fsingle.py=APP", f"fbeside.py={JOBS.format('fsingle')}")
    assert load_app("fsingle").modules_left_out() == ["fbeside"]


@pytest.mark.parametrize(
    ("patterns", "imported"),
    [
        (["fpat.*.tasks"], ["fpat.mail.tasks", "fpat.shop.tasks"]),
        (["fpat.**"], ["fpat.mail.deep.tasks", "fpat.mail.tasks", "fpat.shop.tasks"]),
        (["fpat.**.tasks"], ["fpat.mail.deep.tasks", "fpat.mail.tasks", "fpat.shop.tasks"]),
        (["fpat.s*.tasks"], ["fpat.shop.tasks"]),
        (["fpat.mail.tasks"], ["fpat.mail.tasks"]),
        (["*.shop.tasks"], ["fpat.shop.tasks"]),
    ],
)
def test_patterns_of_task_modules(folder: Path, patterns: list[str], imported: list[str]) -> None:
    places = ("fpat/shop", "fpat/mail", "fpat/mail/deep", "fpat")
    write(folder, "fpat/main.py=APP", *(f"{place}/__init__.py" for place in places))
    write(folder, *(f"{place}/tasks.py={JOBS.format('fpat.main')}" for place in places[:3]))
    app = load_app("fpat.main")
    app.conf.task_modules = tuple(patterns)
    app.import_task_modules()
    assert (
        sorted(each for each in sys.modules if each.endswith(".tasks") and each.startswith("fpat"))
        == imported
    )
    assert {str(each) for each in app.tasks} == {f"{each}.job" for each in imported}


@pytest.mark.parametrize("setting", ["task_modules", "trigger_task_modules"])
@pytest.mark.parametrize(
    ("name", "told"),
    [("fnone.*", "'fnone.\\*', which fits no module"), ("fnone", "'fnone' cannot be imported")],
)
def test_a_name_that_fits_nothing_is_told(setting: str, name: str, told: str) -> None:
    app = Pynenc({"app_id": "fnone", setting: [name]})
    with pytest.raises(ConfigError, match=told):
        app.import_task_modules()


def test_doctor_and_the_runner_say_what_is_not_imported(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(folder, "fcron/__init__.py", "fcron/main.py=APP", f"fcron/jobs.py={JOBS.format('.main')}")
    done = call("--app", "fcron", "doctor")
    (line,) = [each for each in done.output.splitlines() if each.startswith("warning  modules")]
    assert "fcron.jobs" in line
    assert "task_modules" in line
    assert done.exit_code == 0


def test_two_apps_without_an_id_are_told(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    text = "from pynenc import Pynenc\napp = Pynenc()\n"
    write(folder, f"fone.py={text}", f"fother.py={text}")
    done = call("--app", "fone", "doctor")
    (line,) = [each for each in done.output.splitlines() if each.startswith("warning  app")]
    assert "fother" in line
    assert caplog.records == []
    assert load_app("fother") is load_app("fone")
    (told,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "'fone' and 'fother'" in told
    assert "'app_id'" in told


def test_folders_that_nobody_may_look_into_are_passed_over(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "shut").mkdir()
    (folder / "open").mkdir()
    (folder / "open" / "tasks.py").write_text("x = 1\n", encoding="utf-8")
    stat = os.stat

    def shut(path: object, *given: object, **named: object) -> object:
        if "shut" in str(path):
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, *given, **named)  # type: ignore[call-overload]

    monkeypatch.setattr(os, "stat", shut)
    assert [each.name for each in python_files(folder)] == ["tasks.py"]


def test_a_search_for_apps_ends_however_many_folders_there_are(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_files, "_MOST_FOLDERS", 3)
    for number in range(6):
        (folder / f"f{number}").mkdir()
        (folder / f"f{number}" / f"m{number}.py").write_text("x = 1\n", encoding="utf-8")
    assert len(list(python_files(folder))) == 4
