"""Histories of workflows, and whether changed code fits them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import rehearsed_workflows as bodies
import retried_workflows

from pynenc import Pynenc
from pynenc.client.histories import export_history, read_history
from pynenc.exceptions import InvocationNotFoundError
from pynenc.testing import assert_replays, rehearsing


@pytest.fixture
def app() -> Pynenc:
    app = Pynenc({"app_id": "histories", "logging_level": "critical"})
    for body in (bodies.pay, bodies.refund, retried_workflows.charge, retried_workflows.refund):
        app.task(body)
    bodies.EFFECTS.clear()
    retried_workflows.BROKEN.clear()
    return app


def history_of(
    app: Pynenc, body: Callable[..., Any], *args: Any, events: Any = (), finish: bool = True, **options: Any
) -> str:
    """The history of a workflow that has run; what it did to the world is forgotten."""
    with rehearsing(app) as rehearsal:
        call = app.workflow(**options)(body)(*args)
        rehearsal.run()
        for code, payload in events:
            app.send_event(call.invocation_id, code, payload)
            rehearsal.run()
        if finish:
            with contextlib.suppress(ConnectionError):
                rehearsal.finish(call)
        text = export_history(app.components, call.invocation_id)
    bodies.EFFECTS.clear()
    retried_workflows.DONE.clear()
    return text


WORKFLOWS: dict[str, tuple[Callable[..., Any], tuple[Any, ...], Any]] = {
    "sleeps": (bodies.reminds, ("o1",), ()),
    "coroutine": (bodies.reminds_in_a_coroutine, ("o1",), ()),
    "event": (bodies.approved, ("o1",), [("approve", {"by": "Ada"})]),
    "values": (bodies.random_result, (), ()),
    "children and data": (retried_workflows.order, ("o1",), ()),
    "saga": (retried_workflows.saga, ("o1",), ()),
    "continues as new": (retried_workflows.counts, (3,), ()),
}


@pytest.mark.parametrize("name", WORKFLOWS)
@pytest.mark.parametrize("finish", [True, False])
def test_the_same_code_fits(app: Pynenc, name: str, finish: bool) -> None:
    body, args, events = WORKFLOWS[name]
    text = history_of(app, body, *args, events=events if finish else (), finish=finish)
    assert_replays(text, app.workflow(body))
    assert not bodies.EFFECTS
    assert not retried_workflows.DONE


def test_a_failed_one_and_its_attempts_fit(app: Pynenc) -> None:
    retried_workflows.BROKEN.add("step")
    text = history_of(app, retried_workflows.order, "o1", max_retries=2, retry_for=(ConnectionError,))
    assert read_history(text).attempt == 2
    assert read_history(text).status == "failed"
    assert_replays(text, app.workflow(retried_workflows.order))
    assert not retried_workflows.DONE


def test_one_that_has_compensated_fits(app: Pynenc) -> None:
    retried_workflows.BROKEN.add("saga")
    text = history_of(app, retried_workflows.saga, "o1")
    assert_replays(text, app.workflow(retried_workflows.saga))


def test_other_code_does_not_fit(app: Pynenc) -> None:
    text = history_of(app, bodies.approved, "o1", events=[("approve", {"by": "Ada"})])
    with pytest.raises(AssertionError, match="operation 0 was step 'pay', and it now does task"):
        assert_replays(text, app.workflow(bodies.reminds))
    with pytest.raises(AssertionError, match="operation 0 was step 'pay', and the body ended"):
        assert_replays(text, app.workflow(bodies.pay))


def test_code_that_does_more_does_not_fit_what_has_ended(app: Pynenc) -> None:
    text = history_of(app, bodies.reminds, "o1")
    with pytest.raises(AssertionError, match="had ended as success, and the code does more.*step refund"):
        assert_replays(text, app.workflow(bodies.reminds_and_more))
    open_text = history_of(app, bodies.reminds, "o1", finish=False)
    assert_replays(open_text, app.workflow(bodies.reminds_and_more))
    assert not bodies.EFFECTS


def test_patched_code_fits(app: Pynenc) -> None:
    text = history_of(app, bodies.reminds, "o1")
    assert_replays(text, app.workflow(bodies.reminds_patched))


def test_a_file_is_read(app: Pynenc, tmp_path: Path) -> None:
    path = tmp_path / "history.json"
    path.write_text(history_of(app, bodies.reminds, "o1"))
    assert_replays(path, app.workflow(bodies.reminds))
    assert_replays(str(path), app.workflow(bodies.reminds))


def test_large_values_are_written_out(app: Pynenc) -> None:
    app.client_data_store.conf.min_size_to_cache = 100
    text = history_of(app, bodies.reminds, "o" * 500)
    assert "@ref" not in text
    app.purge()
    app.client_data_store.forget()
    assert_replays(text, app.workflow(bodies.reminds))


@pytest.mark.parametrize("text", ["{", "{}", '{"format": 1}', "[]", "\x00{"])
def test_what_is_not_a_history(app: Pynenc, text: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="not the history of a workflow"):
        assert_replays(path, app.workflow(bodies.reminds))


def test_a_later_format_is_refused(app: Pynenc) -> None:
    later = {**json.loads(history_of(app, bodies.reminds, "o1")), "format": 2}
    with pytest.raises(ValueError, match="reads up to 1; update it"):
        assert_replays(json.dumps(later), app.workflow(bodies.reminds))


def test_one_that_is_not_stored(app: Pynenc) -> None:
    with pytest.raises(InvocationNotFoundError):
        export_history(app.components, "nothing")
