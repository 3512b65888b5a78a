"""What a monitor process tells of itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asgi_client import Client
from prometheus_client.parser import text_string_to_metric_families

from pynenc import Pynenc
from pynenc.conf.config_monitor import ConfigMonitor
from pynenc.exceptions import StorageUnavailableError
from pynenc.metrics.families import OF_MONITOR
from pynenc.monitor import application as serving
from pynenc.monitor.application import monitor_app
from pynenc.testing import in_memory

app = Pynenc({"app_id": "figured"})


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    with in_memory(app):
        yield


@pytest.fixture
def client() -> Client:
    return Client(monitor_app(app, ConfigMonitor(), auth="open"))


def _samples(text: str) -> dict[str, float]:
    return {
        f"{sample.name}{sorted(sample.labels.items()) or ''}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("pynenc_monitor")
    }


def test_answers_are_counted_by_their_codes(client: Client) -> None:
    for path in ("/", "/queues", "/invocations?q=status:x", "/no-such-page"):
        client.get(path)
    client.get("/", headers={"host": "evil.example"})
    found = _samples(client.get("/metrics").text)
    for code, number in (("200", 2), ("400", 1), ("404", 1), ("421", 1)):
        assert found[f"pynenc_monitor_requests_total[('code', '{code}')]"] == number
    assert found["pynenc_monitor_request_seconds_count"] == 5
    assert 0 < found["pynenc_monitor_request_seconds_sum"] < 60
    assert found["pynenc_monitor_request_seconds_bucket[('le', '+Inf')]"] == 5
    assert found["pynenc_monitor_streams"] == 0
    assert found["pynenc_monitor_looks_waiting"] == 0


def test_they_stand_in_the_manual(client: Client) -> None:
    manual = Path(__file__).parents[3].joinpath("docs/guide/metrics.md").read_text(encoding="utf-8")
    for family in OF_MONITOR:
        labels = ", ".join(f"`{each}`" for each in family.labels) or "none"
        assert f"| `{family.name}` | {family.kind} | {labels} |" in manual


def test_it_is_ready_while_the_store_answers(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    pings: list[int] = []
    ping = app.orchestrator.ping

    def counted() -> Any:
        pings.append(1)
        return ping()

    def away() -> Any:
        raise StorageUnavailableError("the store at redis://u:sesame@h is away")

    monkeypatch.setattr(app.orchestrator, "ping", counted)
    for _ in range(5):
        assert (client.get("/readyz").status_code, client.get("/readyz").text) == (200, "ok\n")
    assert len(pings) == 1
    monkeypatch.setattr(app.orchestrator, "ping", away)
    monkeypatch.setattr(serving, "_READY_S", 0.0)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.text) == (503, "the store does not answer\n")
    assert client.get("/healthz").status_code == 200
