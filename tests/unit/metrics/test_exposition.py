"""The figures of an app as text: read by the parser of the Prometheus client, and equal to the histories."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pynenc import Pynenc
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
    assert len(counted) <= 9, counted


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
