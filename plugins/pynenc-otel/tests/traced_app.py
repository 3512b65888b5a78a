"""An app whose processes write their spans into files."""

import os
from pathlib import Path

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter
from pynenc_otel import OpenTelemetry

from pynenc import Pynenc

provider = TracerProvider()
file = (Path(os.environ["SPANS"]) / f"{os.getpid()}.jsonl").open("a", encoding="utf-8")
provider.add_span_processor(
    BatchSpanProcessor(
        ConsoleSpanExporter(out=file, formatter=lambda span: span.to_json(indent=None) + "\n"),
        schedule_delay_millis=3_600_000,
    )
)
trace.set_tracer_provider(provider)

app = Pynenc(
    {"app_id": "traced", "backend": "sqlite", "runner_cls": os.environ.get("RUNNER", "ThreadRunner")}
)
app.use(OpenTelemetry())


@app.task
def inner(x: int) -> int:
    return x + 1


@app.task
def outer(x: int) -> int:
    return inner(x).result + 1
