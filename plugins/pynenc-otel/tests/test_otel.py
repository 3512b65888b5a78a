"""Spans of calls, runs and steps, with the exporter in memory, on every runner; and through two processes."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.propagators.textmap import TextMapPropagator, default_getter, default_setter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from pynenc_otel import OpenTelemetry, names

from pynenc import Pynenc
from pynenc.testing.app_fixtures import running

HERE = Path(__file__).parent
TASKS: dict[str, Any] = {}
RUNS: list[str] = []
NUMBERS = count()


def child(x: int) -> int:
    return x + 1


def parent(x: int) -> int:
    return int(TASKS["child"](x).result) + 1


def fan_out() -> int:
    return sum(TASKS["child"].parallelize([(number,) for number in range(5)]).results)


async def awaits(x: int) -> tuple[str, int]:
    import asyncio

    before = trace.get_current_span().get_span_context().span_id
    await asyncio.sleep(0)
    assert trace.get_current_span().get_span_context().span_id == before
    return str(baggage.get_baggage("tenant")), await TASKS["child"](x).async_result()


def flaky() -> int:
    RUNS.append("flaky")
    if len(RUNS) < 3:
        raise ConnectionError("no route")
    return 7


class Unshown(Exception):
    def __str__(self) -> str:
        raise ValueError("of the user's")


def unshown() -> None:
    raise Unshown


def flow() -> int:
    workflow = TASKS["flow"].wf
    first = workflow.step("first", lambda: 1)
    workflow.sleep(1.5)
    return int(first + workflow.step("second", lambda: 2))


def logs() -> None:
    TASKS["app"].logger.warning("inside")


class Traced:
    """An app whose spans and metrics are kept in memory."""

    def __init__(self, runner: str, **options: Any) -> None:
        self.exporter, self.reader = InMemorySpanExporter(), InMemoryMetricReader()
        tracers, meters = TracerProvider(), MeterProvider([self.reader])
        tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = tracers.get_tracer("test")
        self.app = Pynenc(
            {
                "app_id": f"traced_{runner}_{next(NUMBERS)}",
                "runner_cls": runner,
                "logging_level": "critical",
                "workflow_park_after_seconds": 0.1,
            }
        )
        self.app.use(OpenTelemetry(tracer_provider=tracers, meter_provider=meters, **options))
        TASKS.clear()
        RUNS.clear()
        for function in (child, parent, fan_out, awaits, unshown, logs):
            TASKS[function.__name__] = self.app.task(function)
        TASKS["flaky"] = self.app.task(max_retries=3, retry_for=(ConnectionError,))(flaky)
        TASKS["flow"] = self.app.workflow(flow)
        TASKS["app"] = self.app

    def spans(self, beginning: str = "") -> list[ReadableSpan]:
        found = self.exporter.get_finished_spans()
        return sorted(
            (each for each in found if each.name.startswith(beginning)), key=lambda each: each.start_time or 0
        )

    def numbers(self, name: str) -> dict[tuple[str, ...], float]:
        data = self.reader.get_metrics_data()
        assert data is not None
        found = {}
        for metric in data.resource_metrics[0].scope_metrics[0].metrics:
            if metric.name == name:
                for point in metric.data.data_points:
                    key = tuple(str(value) for _, value in sorted(point.attributes.items()))
                    found[key] = getattr(point, "value", None) or getattr(point, "count", 0)
        return found


@pytest.fixture(params=["ThreadRunner", "AsyncRunner"])
def traced(request: pytest.FixtureRequest) -> Traced:
    return Traced(request.param)


def _ids(span: ReadableSpan) -> tuple[int, int]:
    found = span.get_span_context()
    assert found is not None
    return found.trace_id, found.span_id


def test_a_call_and_what_it_calls_are_one_trace(traced: Traced) -> None:
    with running(traced.app), traced.tracer.start_as_current_span("request") as request:
        assert TASKS["parent"](1).result == 3
    submit, run, inner_submit, inner_run = (
        *traced.spans("submit")[:1],
        *traced.spans("run")[:1],
        *traced.spans("submit")[1:],
        *traced.spans("run")[1:],
    )
    chain = [submit, run, inner_submit, inner_run]
    above = request.get_span_context()
    for span in chain:
        assert span.parent is not None
        assert (span.parent.trace_id, span.parent.span_id) == (above.trace_id, above.span_id)
        above = span.get_span_context()
    assert [each.kind for each in chain] == [SpanKind.PRODUCER, SpanKind.CONSUMER] * 2
    assert run.attributes is not None
    assert run.attributes[names.SYSTEM] == "pynenc"
    assert run.attributes[names.ATTEMPT] == 1
    assert run.attributes[names.END] == "returned"
    assert run.attributes[names.DESTINATION] == "default"
    assert not any(key == "x" or "arg" in key for each in chain for key in (each.attributes or {}))


def test_members_of_a_batch_are_linked(traced: Traced) -> None:
    with running(traced.app):
        assert TASKS["fan_out"]().result == 15
    (batch,) = [each for each in traced.spans("submit") if names.BATCH_COUNT in (each.attributes or {})]
    assert (batch.attributes or {})[names.BATCH_COUNT] == 5
    runs = [each for each in traced.spans("run") if each.name.endswith("child")]
    assert len(runs) == 5
    assert len({_ids(each)[0] for each in [batch, *runs]}) == 6
    for run in runs:
        assert run.parent is None
        assert [(each.context.trace_id, each.context.span_id) for each in run.links] == [_ids(batch)]


def test_a_thousand_calls_at_once_are_a_span_for_each_batch(traced: Traced) -> None:
    TASKS["child"].parallelize([(number,) for number in range(1000)])
    size = TASKS["child"].conf.parallel_batch_size
    assert [(each.attributes or {})[names.BATCH_COUNT] for each in traced.spans()] == [size] * (1000 // size)
    assert sum(traced.numbers(names.SENT).values()) == 1000


def test_later_attempts_are_linked(traced: Traced) -> None:
    with running(traced.app):
        assert TASKS["flaky"]().result == 7
    (submit,), runs = traced.spans("submit"), traced.spans("run")
    assert [(each.attributes or {})[names.ATTEMPT] for each in runs] == [1, 2, 3]
    assert _ids(runs[0])[0] == _ids(submit)[0]
    assert len({_ids(each)[0] for each in runs}) == 3
    for before, run in pairwise(runs):
        assert [(each.context.trace_id, each.context.span_id) for each in run.links] == [
            _ids(submit),
            _ids(before),
        ]
    assert [each.status.status_code for each in runs] == [
        StatusCode.ERROR,
        StatusCode.ERROR,
        StatusCode.UNSET,
    ]
    assert (runs[0].attributes or {})[names.ERROR_TYPE] == "ConnectionError"
    assert [each.name for each in runs[0].events] == ["exception"]


def test_parking_ends_its_span_and_replay_makes_none(traced: Traced) -> None:
    with running(traced.app):
        assert TASKS["flow"]().result == 3
    runs = traced.spans("run")
    assert [(each.attributes or {})[names.END] for each in runs] == ["parked", "returned"]
    assert runs[0].status.status_code == StatusCode.UNSET
    steps = [each for each in traced.spans() if each.kind == SpanKind.INTERNAL]
    assert [each.name for each in steps] == ["first", "second"]
    assert [each.parent and each.parent.span_id for each in steps] == [_ids(each)[1] for each in runs]


def test_the_context_is_that_of_the_body(traced: Traced) -> None:
    token = context.attach(baggage.set_baggage("tenant", "blue"))
    try:
        with running(traced.app):
            assert TASKS["awaits"](1).result == ("blue", 2)
    finally:
        context.detach(token)
    outer_submit, inner_submit = traced.spans("submit")
    (outer_run,) = [each for each in traced.spans("run") if each.name.endswith("awaits")]
    assert inner_submit.parent is not None
    assert inner_submit.parent.span_id == _ids(outer_run)[1]
    assert _ids(inner_submit)[0] == _ids(outer_submit)[0]


def test_every_run_begins_a_trace_where_that_is_asked_for() -> None:
    traced = Traced("ThreadRunner", parent="link")
    with running(traced.app):
        assert TASKS["child"](1).result == 2
    (submit,), (run,) = traced.spans("submit"), traced.spans("run")
    assert run.parent is None
    assert [(each.context.trace_id, each.context.span_id) for each in run.links] == [_ids(submit)]
    with pytest.raises(ValueError, match="'child' or 'link'"):
        OpenTelemetry(parent="other")  # type: ignore[arg-type]


def test_headers_of_strangers_and_odd_exceptions_are_no_obstacle(traced: Traced) -> None:
    with running(traced.app):
        call = TASKS["child"].options(headers={"traceparent": "nonsense", "baggage": "=;,"})(1)
        assert call.result == 2
        token = context.attach(baggage.set_baggage("long", "x" * 5000))
        try:
            long = TASKS["child"](2)
        finally:
            context.detach(token)
        assert long.result == 3
        assert "traceparent" in long.headers
        assert "baggage" not in long.headers
        with pytest.raises(Unshown):
            _ = TASKS["unshown"]().result
    (failed,) = [each for each in traced.spans("run") if each.status.status_code == StatusCode.ERROR]
    assert str((failed.attributes or {})[names.ERROR_TYPE]).endswith("Unshown")


def test_the_trace_has_room_before_baggage(traced: Traced) -> None:
    token = context.attach(baggage.set_baggage("a", "b"))
    try:
        full = {f"h{number}": "x" for number in range(31)}
        call = TASKS["child"].options(headers=full)(1)
        long = TASKS["child"].options(headers={"long": "x" * 4020})(1)
    finally:
        context.detach(token)
    for each in (call, long):
        assert "traceparent" in each.headers
        assert "baggage" not in each.headers


class Capitals(TextMapPropagator):
    """A propagator whose field has capitals, such as that of X-Ray."""

    fields = frozenset(("X-Trace",))  # type: ignore[assignment]

    def inject(self, carrier: Any, context: Any = None, setter: Any = default_setter) -> None:
        found = trace.get_current_span(context).get_span_context()
        setter.set(carrier, "X-Trace", f"{found.trace_id:032x}-{found.span_id:016x}")

    def extract(self, carrier: Any, context: Any = None, getter: Any = default_getter) -> Any:
        (text,) = getter.get(carrier, "X-Trace") or [None]
        if text is None:
            return context
        trace_id, span_id = (int(part, 16) for part in text.split("-"))
        flags = trace.TraceFlags(trace.TraceFlags.SAMPLED)
        span = trace.NonRecordingSpan(trace.SpanContext(trace_id, span_id, True, flags))
        return trace.set_span_in_context(span, context)


def test_propagators_with_capitals_work(traced: Traced, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opentelemetry.propagate.propagator", Capitals())
    monkeypatch.setattr("opentelemetry.propagate.get_global_textmap", Capitals)
    with running(traced.app):
        assert TASKS["parent"](1).result == 3
    assert len({_ids(each)[0] for each in traced.spans()}) == 1
    assert len(traced.spans()) == 4


def test_metrics(traced: Traced) -> None:
    with running(traced.app):
        assert [TASKS["child"](number).result for number in range(3)] == [1, 2, 3]
    task = TASKS["child"].task_id.key
    assert sum(traced.numbers(names.SENT).values()) == 3
    assert sum(traced.numbers(names.CONSUMED).values()) == 3
    assert sum(traced.numbers(names.DURATION).values()) == 3
    changes = {key[1]: number for key, number in traced.numbers(names.CHANGES).items() if key[2] == task}
    assert changes["success"] == 3


def test_log_records_name_the_trace(traced: Traced, caplog: pytest.LogCaptureFixture) -> None:
    traced.app.logger.setLevel(logging.WARNING)
    with running(traced.app):
        TASKS["logs"]().wait(30)
    (record,) = [each for each in caplog.records if each.getMessage() == "inside"]
    assert vars(record)["trace_id"] == f"{_ids(traced.spans('run')[0])[0]:032x}"


def test_without_an_sdk_nothing_is_carried_and_it_costs_little() -> None:
    app = Pynenc({"app_id": "untraced", "runner_cls": "ThreadRunner", "logging_level": "critical"})
    app.use(OpenTelemetry())
    task = app.task(child)
    with running(app):
        call = task(1)
        assert call.result == 2
    assert call.headers == {}


@pytest.mark.parametrize("runner", ["ThreadRunner", "PersistentProcessRunner"])
def test_one_trace_through_two_processes(runner: str, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "SPANS": str(tmp_path),
        "RUNNER": runner,
        "PYTHONPATH": f"{HERE}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
        "PYNENC__NUM_PROCESSES": "2",
    }
    command = [sys.executable, "-m", "pynenc", "--app", "traced_app.app", "runner", "start"]
    worker = subprocess.Popen(command, env=environment, cwd=tmp_path, stderr=subprocess.DEVNULL)
    try:
        code = (
            "import traced_app; assert traced_app.outer(1).wait(50) == 3; traced_app.provider.force_flush()"
        )
        subprocess.run([sys.executable, "-c", code], env=environment, cwd=tmp_path, check=True, timeout=60)
        worker.terminate()
        assert worker.wait(30) == 0
    finally:
        worker.kill()
        worker.wait()
    spans = [json.loads(line) for file in tmp_path.glob("*.jsonl") for line in file.read_text().splitlines()]
    assert sorted(each["name"].split()[0] for each in spans) == ["run", "run", "submit", "submit"]
    assert len({each["context"]["trace_id"] for each in spans}) == 1
    by_id = {each["context"]["span_id"]: each for each in spans}
    last = next(each for each in spans if each["name"] == "run traced_app.inner")
    way = []
    while last is not None:
        way.append(last["name"])
        last = by_id.get(last["parent_id"])
    assert way == [
        "run traced_app.inner",
        "submit traced_app.inner",
        "run traced_app.outer",
        "submit traced_app.outer",
    ]
