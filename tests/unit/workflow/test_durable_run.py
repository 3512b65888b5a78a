"""One run of a body, replayed from a journal."""

from __future__ import annotations

import pytest

from pynenc.exceptions import InvocationCancelledError, NonDeterminismError, WorkflowUsageError
from pynenc.interruption import Interruption
from pynenc.lifecycle.parking import Parking
from pynenc.workflow.journal import TransientJournal
from pynenc.workflow.run import DurableRun, Parked


def run_on(journal: TransientJournal, cancelled: bool = False, workflow: bool = True) -> DurableRun:
    return DurableRun(journal, Interruption(), workflow, cancelled, 0)


def interrupt(run: DurableRun) -> None:
    """What a wait does when the body is asked to end."""
    run.interruption.request(InvocationCancelledError("cancelled"))
    run.interruption.check()


def test_a_replay_gives_what_was_recorded() -> None:
    journal = TransientJournal({})
    first, second = run_on(journal), run_on(journal)
    assert [first.perform("step", "a", lambda _: 1), first.perform("step", "b", lambda _: 2)] == [1, 2]
    assert [second.perform("step", "a", lambda _: 8), second.perform("step", "b", lambda _: 9)] == [1, 2]
    assert second.perform("step", "c", lambda _: 3) == 3


def test_another_operation_is_refused_and_performed_by_nobody() -> None:
    journal = TransientJournal({})
    run_on(journal).perform("step", "a", lambda _: 1)
    with pytest.raises(NonDeterminismError, match="operation 0 was step 'a', and it now does step 'b'"):
        run_on(journal).perform("step", "b", lambda _: pytest.fail("performed"))


def test_an_interrupted_wait_is_interrupted_in_a_replay_too() -> None:
    journal = TransientJournal({})
    first = run_on(journal)
    first.perform("task", "t", lambda _: "c")
    with pytest.raises(InvocationCancelledError), first.waiting_for(["c"]):
        interrupt(first)
    assert first.perform("task", "undo", lambda _: "u") == "u"
    # The child has ended meanwhile, so the wait itself would not be interrupted any more.
    second = run_on(journal, cancelled=True)
    second.perform("task", "t", lambda _: "x")
    with second.waiting_for(["other"]):
        pass
    with pytest.raises(InvocationCancelledError), second.waiting_for(["c"]):
        pytest.fail("the body went on")
    assert second.perform("task", "undo", lambda _: "x") == "u"


def test_a_body_is_told_once_and_may_go_on() -> None:
    run = run_on(TransientJournal({}), cancelled=True)
    with pytest.raises(InvocationCancelledError):
        run.perform("step", "a", lambda _: 1)
    assert run.perform("step", "b", lambda _: 2) == 2
    with run.waiting_for(["c"]):
        run.interruption.check()


def test_a_plain_task_is_told_at_every_operation() -> None:
    run = run_on(TransientJournal({}), workflow=False)
    run.interruption.request(InvocationCancelledError("cancelled"))
    for _ in range(2):
        with pytest.raises(InvocationCancelledError):
            run.perform("step", "a", lambda _: 1)


def test_a_parked_body_does_nothing_more() -> None:
    run = run_on(TransientJournal({}))
    with pytest.raises(Parked):
        raise run.park(Parking(1.0, "until later"))
    with pytest.raises(Parked):
        run.perform("step", "a", lambda _: 1)


def test_a_retry_forgets_the_failed_operation_and_those_behind_it() -> None:
    journal = TransientJournal({})
    first = run_on(journal)
    first.perform("step", "a", lambda _: 1)
    with pytest.raises(ZeroDivisionError) as caught:
        first.perform("step", "b", lambda _: 1 // 0, keep_errors=True)
    first.perform("step", "clear up", lambda _: 2)
    first.forget_failure(caught.value)
    second = run_on(journal)
    assert second.perform("step", "a", lambda _: 9) == 1
    assert second.perform("step", "b", lambda _: 3) == 3
    assert second.perform("step", "c", lambda _: 4) == 4


def test_patched_is_false_where_an_invocation_had_gone_past() -> None:
    journal = TransientJournal({})
    run_on(journal).perform("step", "a", lambda _: 1)
    old = run_on(journal)
    assert old.patched("change") is False
    assert old.perform("step", "a", lambda _: 9) == 1
    assert old.patched("change") is False
    assert old.patched("later change") is True
    new = run_on(TransientJournal({}))
    assert new.patched("change") is True


@pytest.mark.parametrize("name", ["caf\udce9", 7, None, b"a"], ids=ascii)
def test_a_name_that_cannot_be_recorded_is_refused_before_anything_is_done(name: object) -> None:
    run = run_on(TransientJournal({}))
    with pytest.raises(WorkflowUsageError, match=r"a recorded operation \(step\)"):
        run.perform("step", name, lambda _: pytest.fail("performed"))  # type: ignore[arg-type]


def test_any_other_text_is_a_name() -> None:
    run = run_on(TransientJournal({}))
    assert [run.perform("step", name, lambda _: 1) for name in ("", "a\x00b", "\U0001f600")] == [1, 1, 1]
