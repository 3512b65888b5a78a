"""The fixtures for tests of users' own, in projects of users' own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SHOP = """
import time
from datetime import timedelta
from pynenc import Pynenc, RetryError, check_interruption
from pynenc.trigger import on_cron, on_event

app = Pynenc({"app_id": "their_shop", "backend": "redis", "redis_url": "redis://127.0.0.1:1/0"})
DONE = []

class Plain:
    pass

@app.task
def double(x: int) -> int:
    DONE.append(("double", x))
    return 2 * x

@app.task(queue="mail", retry_for=(ValueError,), max_retries=2, retry_delay=3600)
def flaky(x: int) -> int:
    DONE.append(("flaky", x))
    if flaky.invocation.num_retries < 2:
        raise ValueError("not yet")
    return x

@app.task
def keys(value: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    return value

@app.task(timeout=0.05)
def slow() -> None:
    for _ in range(2000):
        time.sleep(0.005)
        check_interruption()

@app.task(triggers=on_event("paid").with_args_from_event(lambda ctx: {"x": ctx.payload["x"]}))
def on_paid(x: int) -> int:
    DONE.append(("paid", x))
    return x

@app.task(triggers=on_cron("0 5 * * *"))
def nightly() -> None:
    DONE.append(("nightly",))

@app.workflow
def order(x: int) -> int:
    made = order.wf.execute_task(double, x).result
    order.wf.sleep(timedelta(days=30))
    return made + 1

@app.task
def late(seconds: float) -> None:
    DONE.append("late begins")
    time.sleep(seconds)
    DONE.append("late ends")

@app.workflow
def shipping() -> str:
    by = shipping.wf.wait_event("ok", timeout=timedelta(days=2))["by"]
    shipping.wf.sleep(timedelta(days=30))
    return str(by)

@app.workflow
def approval() -> str:
    return str(approval.wf.wait_event("ok")["by"])

@app.task
async def add(x: int, y: int) -> int:
    return x + y

@app.direct_task
def direct(x: int) -> int:
    return x + 1
"""

TESTS = {
    "memory": """
from shop import DONE, app, direct, double

def test_nothing_runs(pynenc_memory, pynenc_submitted):
    DONE.clear()
    call = double.options(delay=60, queue="other")(4)
    assert pynenc_memory is app
    assert pynenc_submitted.assert_submitted(double, 4) == call
    assert pynenc_submitted.assert_submitted(double, x=4) == call
    assert DONE == []

def test_the_next_test_finds_nothing_of_it(pynenc_submitted):
    pynenc_submitted.assert_not_submitted(double)
    double.parallelize([(1,), (1,), (2,)])
    assert len(pynenc_submitted.assert_submitted_times(2, double, 1)) == 2
    assert [each.arguments["x"] for each in pynenc_submitted.of(double)] == [1, 1, 2]
    for wrong in (lambda: pynenc_submitted.assert_submitted(double, 1),
                  lambda: pynenc_submitted.assert_submitted(double, 9),
                  lambda: pynenc_submitted.assert_not_submitted(double),
                  lambda: pynenc_submitted.assert_submitted(direct, 1)):
        try:
            wrong()
        except AssertionError as error:
            assert "double" in str(error) or "direct" in str(error)
        else:
            raise SystemError("no error")
""",
    "worker": """
import pathlib
from shop import DONE, add, app, direct, double, flaky, late, order

def test_it_runs(pynenc_worker):
    assert double(4).wait(60) == 8
    assert add(1, 2).wait(60) == 3
    assert double.parallelize([(1,), (2,)]).wait(60) == [2, 4]
    assert direct(1) == 2
    assert flaky.options(queue="anything")(0).status.value == "registered"
    assert double.options(queue="anything")(3).wait(60) == 6

def test_what_runs_may_finish(pynenc_worker):
    DONE.clear()
    late(0.5)
    while "late begins" not in DONE:
        pass

def test_it_has_finished():
    assert DONE == ["late begins", "late ends"]
    assert not pathlib.Path("real.db").exists()
""",
    "sync": """
import pytest
from pynenc.exceptions import InvocationTimeoutError, SerializationError
from shop import DONE, Plain, add, approval, app, shipping, direct, double, flaky, keys, order, slow

def test_it_has_run_when_the_call_returns(pynenc_sync):
    DONE.clear()
    call = double(4)
    assert DONE == [("double", 4)]
    assert (call.result, call.status.final, call.error) == (8, True, None)
    assert (call.waits_for, call.parent) == (None, None)
    assert [entry.status.value for entry in call.history] == ["registered", "pending", "running", "success"]
    assert app.get_invocation(call.invocation_id).result == 8
    assert [each.result for each in app.find_invocations(double)] == [8]

def test_delays_retries_sleeps_and_queues(pynenc_sync):
    DONE.clear()
    assert double.options(delay=86400)(1).result == 2
    assert flaky(5).result == 5
    assert DONE.count(("flaky", 5)) == 3
    started = pynenc_sync.now
    assert order(3).result == 7
    assert (pynenc_sync.now - started).days == 30

def test_values_go_through_the_serializer(pynenc_sync):
    given = {"a": (1, 2)}
    result = keys(given).result
    assert result == given and result is not given
    with pytest.raises(SerializationError):
        keys({"a": Plain()})

def test_the_timeout_is_in_force(pynenc_sync):
    with pytest.raises(InvocationTimeoutError):
        slow().result

def test_events_triggers_and_updates(pynenc_sync):
    DONE.clear()
    app.trigger.emit_event("paid", {"x": 3})
    pynenc_sync.run()
    assert ("paid", 3) in DONE
    call = approval()
    assert not call.status.final
    app.send_event(call.invocation_id, "ok", {"by": "Ada"})
    pynenc_sync.run()
    assert call.wait(0) == "Ada"
    call = shipping()
    assert not call.status.final
    with pytest.raises(AssertionError, match="waits for event 'ok'"):
        call.result
    app.send_event(call.invocation_id, "ok", {"by": "Bob"})
    pynenc_sync.run()
    assert call.wait(0) == "Bob"

def test_the_rest_of_the_surface(pynenc_sync):
    group = double.parallelize([(1,), (2,)])
    assert group.result == [2, 4]
    assert [each.result for each in group.as_completed()] == [2, 4]
    assert add(1, 2).result == 3
    assert direct(1) == 2
    assert double.options(idempotency_key="k")(1) == double.options(idempotency_key="k")(1)
""",
    "clock": """
from datetime import timedelta
from shop import DONE, nightly, order

def test_a_month_passes(pynenc_clock):
    DONE.clear()
    call = order(3)
    assert pynenc_clock.run() > 0
    pynenc_clock.advance(timedelta(days=29))
    assert not call.status.final
    assert 28 <= DONE.count(("nightly",)) <= 30
    pynenc_clock.advance(timedelta(days=2))
    assert call.wait(0) == 7
""",
    "asyncio": """
import asyncio
import pytest
from shop import add, double

@pytest.mark.asyncio
async def test_with_a_worker(pynenc_worker):
    assert await asyncio.wait_for(add(1, 2).async_result(), 60) == 3
    call = await double.acall(4)
    assert await asyncio.wait_for(call.async_result(), 60) == 8

@pytest.mark.asyncio
async def test_synchronous(pynenc_sync):
    assert await add(1, 2).async_result() == 3
    assert await (await add.acall(3, 4)).async_result() == 7
""",
    "freezegun": """
from datetime import datetime, UTC
from freezegun import freeze_time
from shop import app, double, order

@freeze_time("2020-02-29")
def test_synchronous(pynenc_sync):
    assert order(3).result == 7

@freeze_time("2020-02-29")
def test_with_a_worker(pynenc_worker):
    assert double(4).wait(60) == 8

def test_frozen_inside(pynenc_worker):
    with freeze_time("2020-02-29"):
        call = double(4)
        assert call.wait(60) == 8

def test_frozen_sync_inside(pynenc_sync):
    with freeze_time("2020-02-29") as frozen:
        assert double(4).result == 8
        frozen.tick(3600)
        assert double.options(delay=60)(5).result == 10
""",
}


def run(folder: Path, *options: str, **files: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a project of these files."""
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text, "utf-8")
    (folder / "pytest.ini").write_text("[pytest]\npynenc_app = shop:app\n", "utf-8")
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYNENC", "PYTEST"))
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.parametrize("kind", list(TESTS))
def test_a_project_is_tested(kind: str, tmp_path: Path) -> None:
    done = run(tmp_path, shop=SHOP, test_it=TESTS[kind])
    assert done.returncode == 0, done.stdout + done.stderr


def test_with_xdist_no_test_sees_another(tmp_path: Path) -> None:
    files = {f"test_{kind}": text for kind, text in TESTS.items() if kind in ("memory", "sync", "clock")}
    done = run(tmp_path, "-n", "2", shop=SHOP, **files)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_name_of_ours_collides_and_fixtures_are_listed(tmp_path: Path) -> None:
    conftest = """
import pytest
def pytest_addoption(parser):
    parser.addoption("--backend")
    parser.addini("app", "theirs")
@pytest.fixture
def app(): return 1
@pytest.fixture
def worker(): return 2
@pytest.fixture
def memory(): return 3
"""
    test = "def test_it(app, worker, memory):\n    assert (app, worker, memory) == (1, 2, 3)\n"
    done = run(tmp_path, conftest=conftest, test_it=test)
    assert done.returncode == 0, done.stdout + done.stderr
    listed = run(tmp_path, "--fixtures").stdout
    ours = [line.split()[0] for line in listed.splitlines() if "pynenc" in line.split(" ")[0]]
    assert {"pynenc_memory", "pynenc_sync", "pynenc_worker", "pynenc_clock", "pynenc_submitted"} <= set(ours)


def test_an_app_that_is_not_there_is_told(tmp_path: Path) -> None:
    done = run(tmp_path, test_it="def test_it(pynenc_memory): ...\n")
    assert done.returncode == 1
    assert "module 'shop'" in done.stdout


DJANGO = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
import django
django.setup()
from django.core.management import call_command
call_command("migrate", run_syncdb=True, verbosity=0)
"""
SETTINGS = """
INSTALLED_APPS = ["orders"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
SECRET_KEY = "x"
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
"""
DJANGO_TEST = """
import pytest
from django.test import TestCase
from orders.models import Order
from orders.tasks import place

@pytest.mark.usefixtures("pynenc_sync")
class TestOrders(TestCase):
    def test_a_task_sees_what_the_test_has_not_committed(self):
        order = Order.objects.create(name="tea")
        assert place(order.pk).result == "TEA"
        order.refresh_from_db()
        assert order.name == "TEA"

    def test_it_was_rolled_back(self):
        assert Order.objects.count() == 0
"""


def test_with_test_cases_of_django(tmp_path: Path) -> None:
    (tmp_path / "orders").mkdir()
    (tmp_path / "orders" / "__init__.py").touch()
    (tmp_path / "orders" / "models.py").write_text(
        "from django.db import models\nclass Order(models.Model):\n"
        "    name = models.CharField(max_length=9)\n"
    )
    (tmp_path / "orders" / "tasks.py").write_text(
        "from shop import app\nfrom orders.models import Order\n@app.task\ndef place(pk: int) -> str:\n"
        "    order = Order.objects.get(pk=pk)\n    order.name = order.name.upper()\n    order.save()\n"
        "    return order.name\n"
    )
    shop = "from pynenc import Pynenc\napp = Pynenc({'app_id': 'dj', 'backend': 'sqlite'})\n"
    done = run(tmp_path, shop=shop, conftest=DJANGO, settings=SETTINGS, test_it=DJANGO_TEST)
    assert done.returncode == 0, done.stdout + done.stderr
