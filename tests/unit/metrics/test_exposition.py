"""The figures of an app as text: read by the parser of the Prometheus client, and equal to the histories."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families

from pynenc import Pynenc
from pynenc.cli.main import cli
from pynenc.exceptions import StorageUnavailableError
from pynenc.lifecycle import slots
from pynenc.lifecycle.components import Components
from pynenc.lifecycle.count_keeping import flush_counts
from pynenc.metrics import families
from pynenc.metrics.exposition import metrics_text
from pynenc.recording.recorder import ENDED, STARTED
from pynenc.testing import in_memory, working

app = Pynenc({"app_id": "measured"})
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@app.task
def good() -> int:
    return 1


@app.task(max_retries=2, retry_for=(KeyError,))
def bad() -> None:
    raise KeyError


@app.task(running_concurrency="task")
def alone() -> None:
    raise ValueError("alone")


@app.workflow
def waits() -> None:
    waits.wf.wait_event("go", timeout=3600)


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    with in_memory(app):
        yield


def _samples(components: Components) -> Samples:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(metrics_text(components, "1.2"))
        for sample in family.samples
    }


def test_what_runs_is_counted() -> None:
    with working(app):
        calls = [good() for _ in range(5)]
        failing = [bad() for _ in range(2)]
        assert [call.result for call in calls] == [1] * 5
        for call in failing:
            with pytest.raises(KeyError):
                _ = call.result
    samples = _samples(app.components)

    def value(name: str, **labels: str) -> float:
        return samples[name, tuple(sorted(labels.items()))]

    task, queue = good.task_id.key, "default"
    assert value("pynenc_invocations_started_total", task=task, queue=queue) == 5
    assert value("pynenc_invocations_ended_total", task=task, queue=queue, status="success") == 5
    other = bad.task_id.key
    assert value("pynenc_invocations_started_total", task=other, queue=queue) == 6
    assert value("pynenc_invocations_retried_total", task=other) == 4
    assert value("pynenc_invocations_ended_total", task=other, queue=queue, status="failed") == 2
    assert value("pynenc_invocation_run_seconds_count", task=task, status="success") == 5
    assert value("pynenc_invocation_run_seconds_bucket", task=task, status="success", le="+Inf") == 5
    assert value("pynenc_invocation_wait_seconds_count", task=task, queue=queue) == 5
    assert value("pynenc_invocations", status="success") == 5
    assert value("pynenc_invocations", status="failed") == 2
    assert value("pynenc_info", app_id="measured", version="1.2") == 1


def test_runners_queues_and_the_leader_are_told() -> None:
    for _ in range(3):
        good()
    good.options(queue="mail")()
    good.options(delay=3600)()
    samples = _samples(app.components)
    assert samples["pynenc_queue_ready", (("queue", "default"),)] == 3
    assert samples["pynenc_queue_held", (("queue", "default"),)] == 1
    assert samples["pynenc_queue_consumers", (("queue", "mail"),)] == 0
    assert samples["pynenc_runners_alive", ()] == 0
    assert samples["pynenc_leader_present", ()] == 0
    with working(app):
        good().wait()
        samples = _samples(app.components)
        assert samples["pynenc_runners_alive", ()] == 1
        assert samples["pynenc_workers_alive", ()] == 0


def test_hostile_names_and_many_tasks_stay_readable() -> None:
    names = ['a"b', "a\\b", "a\nb", "é\u202e", "", *(f"t{number}" for number in range(150))]
    events = app.components.recorder.events
    for name in names:
        events.append((STARTED, name, 'q"', "", 0.1))
        events.append((ENDED, name, 'q"', "success", 0.1))
    for _ in range(3):
        events.append((STARTED, "t149", 'q"', "", 0.1))
    flush_counts(app.components)
    samples = _samples(app.components)
    started = {
        dict(labels)["task"]: value
        for (name, labels), value in samples.items()
        if name.endswith("started_total")
    }
    assert set(started) == set(names)
    assert started["t149"] == 4
    runs = {
        dict(labels)["task"]: value
        for (name, labels), value in samples.items()
        if name == "pynenc_invocation_run_seconds_count"
    }
    assert len(runs) == 101
    assert runs["t149"] == 1
    assert runs["other"] == 55
    assert sum(runs.values()) == len(names)


def test_every_metric_has_its_kind_and_stands_in_the_manual() -> None:
    page = (Path(__file__).parents[3] / "docs/guide/metrics.md").read_text(encoding="utf-8")
    known = [*families.COUNTERS.values(), *families.HISTOGRAMS.values(), *families.GAUGES]
    for family in known:
        labels = ", ".join(f"`{label}`" for label in family.labels) or "none"
        assert f"| `{family.name}` | {family.kind} | {labels} |" in page
    text = metrics_text(app.components, "1")
    assert [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")] == [
        each.name for each in (*families.GAUGES, *families.COUNTERS.values(), *families.HISTOGRAMS.values())
    ]


def test_a_scrape_costs_few_round_trips() -> None:
    with working(app):
        good().wait()
    counted: list[str] = []
    storage = app.orchestrator.storage  # type: ignore[attr-defined]
    for name in ("execute", "find", "queue_depth", "count_many", "queue_names"):
        original = getattr(storage, name)
        setattr(
            storage, name, lambda *given, _do=original, _name=name: (counted.append(_name), _do(*given))[1]
        )
    metrics_text(app.components, "1")
    assert len(counted) <= 13, counted


def test_an_end_that_has_to_be_written_again_is_counted_and_logged_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    original, failed = slots.release, []

    def release(*given: Any) -> None:
        if not failed:
            failed.append(given)
            raise StorageUnavailableError("away")
        original(*given)

    monkeypatch.setattr(slots, "release", release)
    with working(app), pytest.raises(ValueError, match="alone"):
        _ = alone().result
    assert failed
    samples = _samples(app.components)
    labels = (("queue", "default"), ("status", "failed"), ("task", alone.task_id.key))
    assert samples["pynenc_invocations_ended_total", labels] == 1
    assert ("pynenc_invocations_lost_total", ()) not in samples
    assert len([record for record in caplog.records if "failed (attempt 1" in record.message]) == 1


def _expressions() -> list[str]:
    """Return the expressions of the dashboard and of the alert rules in the manual."""
    guide = Path(__file__).parents[3] / "docs/guide"
    board = json.loads((guide / "grafana.json").read_text(encoding="utf-8"))
    found = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    page = (guide / "metrics.md").read_text(encoding="utf-8")
    rules = yaml.safe_load(page.split('```yaml title="alerts.yml"')[1].split("```")[0])
    return found + [rule["expr"] for group in rules["groups"] for rule in group["rules"]]


def test_the_dashboard_and_the_rules_ask_for_metrics_that_there_are() -> None:
    suffixes = {"counter": ("",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
    families_ = [*families.COUNTERS.values(), *families.HISTOGRAMS.values(), *families.GAUGES]
    known = {family.name + suffix for family in families_ for suffix in suffixes[family.kind]}
    labels = {label for family in families_ for label in family.labels} | {"le"}
    expressions = _expressions()
    assert len(expressions) > 15
    for expression in expressions:
        asked = set(re.findall(r"pynenc_\w+", expression))
        assert asked
        assert asked <= known
        for given in re.findall(r"by \(([^)]*)\)", expression):
            assert {each.strip() for each in given.split(",")} <= labels


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_accepts_the_figures_and_the_rules(tmp_path: Path) -> None:
    with working(app):
        assert good().result == 1
    text = metrics_text(app.components, "1")
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
    page = (Path(__file__).parents[3] / "docs/guide/metrics.md").read_text(encoding="utf-8")
    rules = tmp_path / "rules.yml"
    rules.write_text(page.split('```yaml title="alerts.yml"\n')[1].split("```")[0], encoding="utf-8")
    checked = subprocess.run(
        ["promtool", "check", "rules", str(rules)], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    queries = [{"alert": f"E{at}", "expr": expression} for at, expression in enumerate(_expressions())]
    rules.write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": queries}]}), encoding="utf-8")
    checked = subprocess.run(
        ["promtool", "check", "rules", str(rules)], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_loads_and_ages_are_told() -> None:
    good.options(delay=-0.0)()
    app.conf.metrics_per_worker = True
    try:
        with working(app):
            good().wait()
            samples = _samples(app.components)
    finally:
        app.conf.metrics_per_worker = False
    assert samples["pynenc_slots", ()] >= 1
    assert samples["pynenc_queue_oldest_age_seconds", (("queue", "default"),)] >= 0
    (memory_,) = [value for (name, _), value in samples.items() if name.endswith("resident_memory_bytes")]
    assert memory_ > 1_000_000


def test_the_command_prints_figures_and_history(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "measured_app", ModuleType("measured_app"))
    monkeypatch.setattr(sys.modules["measured_app"], "app", app, raising=False)
    run = partial(CliRunner().invoke, cli)
    assert "pynenc_info{" in run(["--app", "measured_app.app", "metrics"]).stdout
    printed = run(["--app", "measured_app.app", "metrics", "--history", "--since", "3h", "--json"])
    points = json.loads(printed.stdout)
    assert len(points) == 30
    assert points[0]["failed"] == 0
    table = run(["--app", "measured_app.app", "metrics", "--history", "--step", "20m"]).stdout
    assert table.count(":") == 6
    for wrong in (
        ["--history", "--since", "soon"],
        ["--history", "--step", "1s", "--since", "9d"],
        ["--json"],
    ):
        result = run(["--app", "measured_app.app", "metrics", *wrong])
        assert result.exit_code == 2
        assert "Error" in result.output
