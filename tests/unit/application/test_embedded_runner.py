"""The runner inside a process whose components are in memory, and what waiting without one says."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import plain_tasks
import pytest

from pynenc import Pynenc
from pynenc.client import waiting
from pynenc.testing.app_fixtures import running


@pytest.fixture(autouse=True)
def default_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYNENC__EMBEDDED_RUNNER")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "REMIND_AFTER_S", 0.05)


def embedded_threads() -> int:
    return sum(thread.name == "pynenc-embedded" for thread in threading.enumerate())


@pytest.fixture
def app() -> Iterator[Pynenc]:
    app = Pynenc({"app_id": "embedded"})
    yield app
    Pynenc.discard(app.app_id)
    assert embedded_threads() == 0


def test_the_first_wait_starts_a_runner_and_it_is_told_at_debug(
    app: Pynenc, caplog: pytest.LogCaptureFixture
) -> None:
    add = app.task(plain_tasks.add)
    app.logger.setLevel("DEBUG")
    with caplog.at_level(logging.DEBUG, logger=app.logger.name):
        call = add(1, 2)
        assert embedded_threads() == 0
        assert call.wait(60) == 3
        assert add.parallelize([(1, 1), (2, 2)]).wait(60) == [2, 4]
    assert embedded_threads() == 1
    told = [record for record in caplog.records if "embedded_runner" in record.getMessage()]
    assert [record.levelname for record in told] == ["DEBUG"]
    assert not [record for record in caplog.records if record.levelno > logging.DEBUG]


def test_it_consumes_whatever_queue_a_call_is_in(app: Pynenc) -> None:
    assert app.task(plain_tasks.add, queue="mail")(1, 2).wait(60) == 3
    assert app.task(plain_tasks.echo).options(queue="later")(5).wait(60) == 5


def test_a_coroutine_that_waits_starts_it_as_well(app: Pynenc) -> None:
    add = app.task(plain_tasks.add)

    async def total() -> Any:
        return await asyncio.wait_for(add(1, 2).async_result(), 60)

    assert asyncio.run(total()) == 3


def test_many_threads_that_wait_start_one(app: Pynenc) -> None:
    add, found = app.task(plain_tasks.add), []
    threads = [threading.Thread(target=lambda n=n: found.append(add(n, 1).wait(60))) for n in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(found) == list(range(1, 9))
    assert embedded_threads() == 1


def test_bodies_that_wait_for_others_end_even_if_there_are_many(app: Pynenc) -> None:
    app.task(plain_tasks.add)
    nested = app.task(plain_tasks.wait_for_add)
    count = 3 * (os.cpu_count() or 1)
    assert len(nested.parallelize([(each,) for each in range(count)]).wait(60)) == count


def test_where_a_runner_is_alive_no_other_starts() -> None:
    app = Pynenc({"app_id": "embedded", "runner_cls": "ThreadRunner", "logging_level": "critical"})
    add = app.task(plain_tasks.add)
    with running(app):
        assert add(1, 2).wait(60) == 3
        assert embedded_threads() == 0
    assert add(1, 3).wait(60) == 4  # that one has ended
    assert embedded_threads() == 1


def test_it_stops_with_the_app_and_starts_again(app: Pynenc) -> None:
    add = app.task(plain_tasks.add)
    assert add(1, 2).wait(60) == 3
    app.close()
    assert embedded_threads() == 0
    assert add(1, 3).wait(60) == 4


def test_it_can_be_switched_off_and_the_warning_says_so(
    impatient: None, caplog: pytest.LogCaptureFixture
) -> None:
    app = Pynenc({"app_id": "embedded", "embedded_runner": False})
    call = app.task(plain_tasks.add)(1, 2)
    with caplog.at_level(logging.WARNING, logger=app.logger.name), pytest.raises(TimeoutError):
        call.wait(0.3)
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 1
    assert "memory of this process" in told[0]
    assert "runner start" not in told[0]


@pytest.mark.parametrize("is_async", [False, True])
def test_waiting_in_vain_names_the_file_the_machine_and_the_real_command(
    is_async: bool, impatient: None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app = Pynenc({"app_id": "embedded", "backend": "sqlite", "sqlite_db_path": str(tmp_path / "own.db")})
    call = app.task(plain_tasks.add)(1, 2)
    wait = (lambda: asyncio.run(call.async_result(0.3))) if is_async else (lambda: call.wait(0.3))
    with caplog.at_level(logging.WARNING, logger=app.logger.name), pytest.raises(TimeoutError):
        wait()
    (told,) = [record.getMessage() for record in caplog.records]
    assert str(tmp_path / "own.db") in told
    assert os.uname().nodename in told
    assert f"pynenc --app {__name__}." in told


def test_sqlite_has_one_if_that_is_wanted(tmp_path: Path) -> None:
    settings = {"backend": "sqlite", "sqlite_db_path": str(tmp_path / "own.db"), "embedded_runner": True}
    app = Pynenc({"app_id": "embedded", **settings})
    assert app.task(plain_tasks.add)(1, 2).wait(60) == 3


def test_a_script_ends_though_something_runs_for_ever(tmp_path: Path) -> None:
    script = """
        import time
        from pynenc import Pynenc
        app = Pynenc()
        @app.task
        def for_ever() -> None:
            time.sleep(3600)
        @app.task
        def quick(x: int) -> int:
            return x + 1
        left = for_ever()
        print("result", quick(1).result)
    """
    done = run_script(script, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "result 2\n", "")


def test_a_fork_has_a_runner_of_its_own(tmp_path: Path) -> None:
    script = """
        import os
        from pynenc import Pynenc
        app = Pynenc()
        @app.task
        def double(x: int) -> int:
            return 2 * x
        print(double(1).result, flush=True)
        pid = os.fork()
        os.write(1, f"{double(2).wait(60)}\\n".encode())  # in one piece: both processes write
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
    """
    done = run_script(script, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "2\n4\n4\n", "")


def run_script(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "script.py").write_text("\n".join(line[8:] for line in text.splitlines()), "utf-8")
    return subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "script.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_queue_that_is_new_after_the_start_costs_no_time(app: Pynenc) -> None:
    waiting_s = waiting.REMIND_AFTER_S - 1
    add = app.task(plain_tasks.add)
    assert add(1, 2).wait(60) == 3
    assert add.options(queue="mail")(1, 2).wait(waiting_s) == 3
    assert app.task(plain_tasks.echo, queue="late")(5).wait(waiting_s) == 5
    assert len(add.options(queue="third").parallelize([(n,) for n in range(50)]).wait(waiting_s)) == 50


def test_a_body_that_waits_for_a_task_of_another_app_starts_its_runner(app: Pynenc) -> None:
    other = Pynenc({"app_id": "embedded-other"})
    inner = app.task(plain_tasks.add)
    outer = other.task(plain_tasks.call_other)
    plain_tasks.other_task = inner
    try:
        assert outer(1, 2).wait(waiting.REMIND_AFTER_S - 1) == 3
    finally:
        plain_tasks.other_task = None
        Pynenc.discard("embedded-other")
