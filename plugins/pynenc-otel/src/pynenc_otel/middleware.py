"""The middleware: spans around submissions, runs and steps, and what is counted beside them."""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Literal

from opentelemetry import context, metrics, propagate, trace
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import Getter
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Status, StatusCode

from pynenc.plugins.hookspecs import hookimpl
from pynenc.plugins.middleware import Execution, StatusChange, StepRun, Submission
from pynenc_otel import names

_SCOPE = "pynenc_otel"
_MOST_BYTES, _MOST_HEADERS = 4096, 32
_RANKS = {"traceparent": 0, "tracestate": 1, "baggage": 3}
"""What goes first where there is not room for all; what is not named comes before the last."""

_MOST_KNOWN = 1000
_UNUSED = frozenset(("ProxyTracerProvider", "NoOpTracerProvider", "_ProxyMeterProvider", "NoOpMeterProvider"))
"""The classes of the providers while no SDK is set up; not all of them are public."""


class OpenTelemetry:
    """Makes the calls of an app parts of traces, and counts them; `app.use` takes it.

    A call and its first run are one trace. What belongs to a call that was submitted together with others, a
    later attempt, and a run after parking begin a trace of their own with links, because a trace of days
    helps nobody. Arguments and results are in no span.

    Args:
        parent: `child` to have first runs of single calls in the trace of the caller, `link` to have every
            run begin a trace.
        tracer_provider: The provider of tracers; the global one by default.
        meter_provider: The provider of meters, likewise.
    """

    def __init__(
        self,
        parent: Literal["child", "link"] = "child",
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
    ) -> None:
        if parent not in ("child", "link"):
            raise ValueError(f"parent is 'child' or 'link', not {parent!r}")
        self._links_only = parent == "link"
        self._providers = tracer_provider, meter_provider
        self._tracer = trace.get_tracer(_SCOPE, tracer_provider=tracer_provider)
        meter = metrics.get_meter(_SCOPE, meter_provider=meter_provider)
        self._sent = meter.create_counter(names.SENT, "{message}", "Calls that were submitted.")
        self._consumed = meter.create_counter(names.CONSUMED, "{message}", "Runs of bodies that have begun.")
        self._duration = meter.create_histogram(names.DURATION, "s", "Time that a run of a body took.")
        self._changes = meter.create_counter(
            names.CHANGES, "{change}", "Changes of statuses by this process."
        )
        self._is_used = False
        self._runs: OrderedDict[str, SpanContext] = OrderedDict()

    def _sees_nothing(self) -> bool:
        """Return whether no SDK is there yet that would keep spans or numbers."""
        if not self._is_used:
            tracers, meters = self._providers
            tracers = tracers or trace.get_tracer_provider()
            meters = meters or metrics.get_meter_provider()
            self._is_used = not {type(tracers).__name__, type(meters).__name__} <= _UNUSED
        return not self._is_used

    @hookimpl
    def pynenc_submitting(
        self, app_id: str, submissions: Sequence[Submission]
    ) -> AbstractContextManager[None] | None:
        """Make one span around the storing of calls, and put its context into their headers."""
        return None if self._sees_nothing() else self._submitting(app_id, submissions)

    @hookimpl
    def pynenc_executing(self, app_id: str, execution: Execution) -> AbstractContextManager[None] | None:
        """Make a span around a run of a body."""
        return None if self._sees_nothing() else self._executing(app_id, execution)

    @contextmanager
    def _submitting(self, app_id: str, submissions: Sequence[Submission]) -> Iterator[None]:
        tasks = sorted({each.task_id for each in submissions})
        queues = sorted({each.queue for each in submissions})
        attributes: dict[str, Any] = {
            names.SYSTEM: names.PYNENC,
            names.APP: app_id,
            names.OPERATION_NAME: "submit",
            names.OPERATION_TYPE: names.SEND,
        }
        if len(tasks) == 1:
            attributes[names.TASK] = tasks[0]
        if len(queues) == 1:
            attributes[names.DESTINATION] = queues[0]
        if len(submissions) == 1:
            attributes[names.MESSAGE_ID] = submissions[0].invocation_id
            attributes[names.CONVERSATION_ID] = submissions[0].workflow_id
        else:
            attributes[names.BATCH_COUNT] = len(submissions)
        title = f"submit {tasks[0]}" if len(tasks) == 1 else "submit"
        with self._tracer.start_as_current_span(title, kind=SpanKind.PRODUCER, attributes=attributes):
            carried: dict[str, str] = {}
            propagate.inject(carried)
            for each in submissions:
                _put(each.headers, carried, is_member=len(submissions) > 1)
            yield
        for (task, queue), number in Counter((each.task_id, each.queue) for each in submissions).items():
            self._sent.add(number, _of(task, queue))

    @contextmanager
    def _executing(self, app_id: str, execution: Execution) -> Iterator[None]:
        caller = propagate.extract(execution.headers, context=Context(), getter=_Headers())
        origin = trace.get_current_span(caller).get_span_context()
        before = self._runs.get(execution.invocation_id)
        is_child = execution.claim <= 1 and not self._links_only and names.MEMBER not in execution.headers
        links = [Link(each) for each in (origin, before) if each is not None and each.is_valid]
        span = self._tracer.start_span(
            f"run {execution.task_id}",
            context=caller if is_child else trace.set_span_in_context(trace.INVALID_SPAN, caller),
            kind=SpanKind.CONSUMER,
            links=[] if is_child else links,
            attributes={
                names.SYSTEM: names.PYNENC,
                names.APP: app_id,
                names.OPERATION_NAME: "run",
                names.OPERATION_TYPE: names.PROCESS,
                names.TASK: execution.task_id,
                names.DESTINATION: execution.queue,
                names.MESSAGE_ID: execution.invocation_id,
                names.CONVERSATION_ID: execution.workflow_id,
                names.ATTEMPT: execution.attempt,
                names.RUNNER_ID: execution.runner_id,
            },
        )
        self._consumed.add(1, _of(execution.task_id, execution.queue))
        self._remember(execution.invocation_id, span.get_span_context())
        token, began = context.attach(trace.set_span_in_context(span, caller)), time.monotonic()
        try:
            yield
        finally:
            context.detach(token)
            self._end(span, execution, time.monotonic() - began)

    def _end(self, span: Span, execution: Execution, seconds: float) -> None:
        attributes = _of(execution.task_id, execution.queue)
        if execution.end is not None:
            span.set_attribute(names.END, execution.end)
        if execution.end == "raised" and execution.error is not None:
            attributes[names.ERROR_TYPE] = _note_error(span, execution.error)
        span.end()
        self._duration.record(seconds, attributes)
        if execution.end in ("returned", "cancelled"):
            self._runs.pop(execution.invocation_id, None)

    def _remember(self, invocation_id: str, span_context: SpanContext) -> None:
        """Note the last run of an invocation in this process, for the link of the next; so many at most."""
        if span_context.is_valid:
            self._runs[invocation_id] = span_context
            self._runs.move_to_end(invocation_id)
            while len(self._runs) > _MOST_KNOWN:
                self._runs.popitem(last=False)

    @hookimpl
    @contextmanager
    def pynenc_step(self, execution: Execution, step: StepRun) -> Iterator[None]:
        """Make a span around a step that really runs."""
        attributes = {names.TASK: execution.task_id, names.MESSAGE_ID: execution.invocation_id}
        with self._tracer.start_as_current_span(
            step.name, attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield
            except BaseException as error:
                _note_error(span, error)
                raise

    @hookimpl
    def pynenc_statuses_changed(self, app_id: str, changes: Sequence[StatusChange]) -> None:
        """Count changes of statuses."""
        numbers = Counter((each.task_id, each.after.value) for each in changes)
        for (task, status), number in numbers.items():
            self._changes.add(number, {names.APP: app_id, names.TASK: task, names.STATUS: status})

    @hookimpl
    def pynenc_process_stopped(self) -> None:
        """Have the providers export what they hold: a worker process ends without further ado."""
        given_tracers, given_meters = self._providers
        for provider in (
            given_tracers or trace.get_tracer_provider(),
            given_meters or metrics.get_meter_provider(),
        ):
            flush = getattr(provider, "force_flush", None)
            if flush is not None:
                flush()


def _note_error(span: Span, error: BaseException) -> str:
    """Note an exception in a span; return its type."""
    cls = type(error)
    name = cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
    span.set_attribute(names.ERROR_TYPE, name)
    try:
        span.record_exception(error)
        text = str(error)
    except Exception:  # noqa: BLE001 - an exception of the user's that cannot be shown
        text = ""
    span.set_status(Status(StatusCode.ERROR, f"{name}: {text}" if text else name))
    return name


class _Headers(Getter[Mapping[str, str]]):
    """Finds headers, whose names are in lower case here, by the names that propagators give them."""

    def get(self, carrier: Mapping[str, str], key: str) -> list[str] | None:
        found = carrier.get(key.lower())
        return None if found is None else [found]

    def keys(self, carrier: Mapping[str, str]) -> list[str]:
        return list(carrier)


def _put(headers: MutableMapping[str, str], carried: Mapping[str, str], is_member: bool) -> None:
    """Put the context of a span into headers, in place of that of an earlier one, as far as there is room."""
    for name in (*propagate.get_global_textmap().fields, names.MEMBER):
        headers.pop(name.lower(), None)
    if is_member:
        headers[names.MEMBER] = "1"
    size = sum(len(name) + len(value.encode()) for name, value in headers.items())
    for name, value in sorted(carried.items(), key=lambda pair: _RANKS.get(pair[0], 2)):
        larger = size + len(name) + len(value.encode())
        if larger <= _MOST_BYTES and len(headers) < _MOST_HEADERS and value.isprintable():
            headers[name.lower()] = value
            size = larger


def _of(task: str, queue: str) -> dict[str, str]:
    return {names.SYSTEM: names.PYNENC, names.TASK: task, names.DESTINATION: queue}
