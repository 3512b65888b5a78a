"""Calls from coroutines: the event loop goes on while the storage takes its time."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import plain_tasks
import pytest

from pynenc import Pynenc
from pynenc.calls.interfaces import InvocationGroup
from pynenc.exceptions import CallConflictError, StorageUnavailableError, accepted_ids
from pynenc.invocation.status import InvocationStatus
from pynenc.storage import beside_loop
from pynenc.testing.app_fixtures import running


@pytest.fixture
def app() -> Pynenc:
    return Pynenc({"app_id": "coroutines", "runner_cls": "ThreadRunner", "logging_level": "critical"})


class Held:
    """A storage that holds up what is written until it is let go."""

    def __init__(self, app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached, self.go = threading.Event(), threading.Event()
        self.error: Exception | None = None
        storage: Any = app.orchestrator
        execute = storage.storage.execute

        def held(operations: Any) -> Any:
            self.reached.set()
            assert self.go.wait(60), "the event loop did not go on while the storage was held"
            if self.error is not None:
                raise self.error
            return execute(operations)

        monkeypatch.setattr(storage.storage, "execute", held)

    async def let_go_after_ticks(self) -> None:
        while not self.reached.is_set():
            await asyncio.sleep(0)
        for _ in range(50):
            await asyncio.sleep(0)
        self.go.set()


CALLS: dict[str, Callable[[Any, Pynenc, Any], Any]] = {
    "acall": lambda add, app, call: add.acall(1, 2),
    "options": lambda add, app, call: add.options(priority=3).acall(1, 2),
    "aparallelize": lambda add, app, call: add.aparallelize([(1, 2), (3, 4)]),
    "aemit_event": lambda add, app, call: app.trigger.aemit_event("paid", {"order": 1}),
    "asend_event": lambda add, app, call: app.asend_event(call.invocation_id, "paid"),
    "acancel": lambda add, app, call: call.acancel(),
    "group.acancel": lambda add, app, call: InvocationGroup(add, [call]).acancel(),
}


@pytest.mark.parametrize("name", CALLS)
def test_the_loop_goes_on_while_the_storage_is_held(
    name: str, app: Pynenc, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = app.task(plain_tasks.add)
    call = add(0, 0)

    async def main() -> Any:
        held = Held(app, monkeypatch)
        ticking = asyncio.create_task(held.let_go_after_ticks())
        made = await CALLS[name](add, app, call)
        await ticking
        return made

    made = asyncio.run(main())
    is_cancelled = call.status == InvocationStatus.CANCELLED
    assert is_cancelled if name.endswith("acancel") else made


def test_waiting_does_not_block_the_loop(app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> None:
    add = app.task(plain_tasks.add)
    with running(app):
        call, group = add(1, 2), add.parallelize([(1, 1), (2, 2)])
        call.wait(60)

        async def main() -> list[Any]:
            held = Held(app, monkeypatch)
            ticking = asyncio.create_task(held.let_go_after_ticks())
            found = [await call.async_result(60), *await group.async_result(60)]
            await ticking
            return found

        call = app.get_invocation(call.invocation_id)
        assert asyncio.run(main()) == [3, 2, 4]


async def some(items: list[Any]) -> AsyncIterator[Any]:
    for item in items:
        await asyncio.sleep(0)
        yield item


def counted(items: list[Any], threads: list[str]) -> Iterator[Any]:
    for item in items:
        threads.append(threading.current_thread().name)
        yield item


def test_all_kinds_of_items(app: Pynenc) -> None:
    add, threads = app.task(plain_tasks.add), []

    async def main() -> list[list[int]]:
        groups = [
            await add.aparallelize([(1,), {"x": 2}]),
            await add.aparallelize(counted([(1,), (2,)], threads)),
            await add.aparallelize(some([(1,), (2,)])),
            await add.aparallelize(param_iter=some([(1,), (2,)]), common_args={"y": 5}),
            await add.options(queue="default").aparallelize([]),
        ]
        return [await group.async_result(60) for group in groups]

    with running(app):
        assert asyncio.run(main()) == [[11, 12], [11, 12], [11, 12], [6, 7], []]
    assert threading.main_thread().name not in threads


def test_mistakes_are_those_of_a_plain_call(app: Pynenc) -> None:
    add = app.task(plain_tasks.add)

    async def main() -> None:
        with pytest.raises(TypeError, match="add"):
            await add.acall()  # type: ignore[call-arg]
        with pytest.raises(TypeError, match="parallelize takes"):
            await add.aparallelize([5])  # type: ignore[list-item]
        await add.options(idempotency_key="k").acall(1)
        with pytest.raises(CallConflictError):
            await add.options(idempotency_key="k").acall(2)

    asyncio.run(main())
    assert len(app.find_invocations(add)) == 1


def test_inline(app: Pynenc) -> None:
    app.conf.dev_mode_force_sync_tasks = True
    add, add_async = app.task(plain_tasks.add), app.task(plain_tasks.add_async)

    async def main() -> list[int]:
        made = [await add.acall(1), await add_async.acall(1, 2)]
        return [await each.async_result() for each in made]

    assert asyncio.run(main()) == [11, 3]


# --- cancelled awaits ------------------------------------------------------------------


def cancelled_while_held(app: Pynenc, held: Held, start: Callable[[], Any]) -> asyncio.CancelledError:
    async def main() -> asyncio.CancelledError:
        submitting = asyncio.create_task(start())
        await asyncio.to_thread(held.reached.wait, 60)
        submitting.cancel()
        await asyncio.sleep(0)
        assert not submitting.done()
        submitting.cancel()
        await asyncio.sleep(0)
        held.go.set()
        try:
            await submitting
        except asyncio.CancelledError as error:
            return error
        raise AssertionError("the call was not cancelled")

    return asyncio.run(main())


def test_a_cancelled_call_says_that_it_was_accepted(app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> None:
    add = app.task(plain_tasks.add)
    held = Held(app, monkeypatch)
    error = cancelled_while_held(app, held, lambda: add.aparallelize([(1,), (2,)]))
    assert len(accepted_ids(error) or ()) == 2
    assert [each.invocation_id for each in app.find_invocations(add)] == sorted(
        accepted_ids(error) or (), reverse=True
    )
    assert (accepted_ids(error) or ("",))[0] in str(error)


def test_a_timeout_of_asyncio_is_one(app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> None:
    add = app.task(plain_tasks.add)
    held = Held(app, monkeypatch)

    async def main() -> TimeoutError:
        asyncio.get_running_loop().call_later(0.05, held.go.set)
        try:
            async with asyncio.timeout(0.01):
                await add.acall(1)
        except TimeoutError as error:
            return error
        raise AssertionError("there was no timeout")

    accepted = accepted_ids(asyncio.run(main()))
    assert accepted == tuple(each.invocation_id for each in app.find_invocations(add))
    assert len(accepted) == 1


def test_another_error_says_nothing_of_a_call() -> None:
    assert accepted_ids(asyncio.CancelledError()) is None
    assert accepted_ids(ValueError("no")) is None


def test_a_cancelled_call_says_that_nothing_was_stored(app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> None:
    add = app.task(plain_tasks.add)
    held = Held(app, monkeypatch)
    held.error = StorageUnavailableError("away")
    error = cancelled_while_held(app, held, lambda: add.acall(1))
    assert accepted_ids(error) == ()
    assert isinstance(error.__cause__, StorageUnavailableError)
    held.error = None
    assert app.find_invocations(add) == []


def test_a_call_that_has_not_begun_is_not_made(app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> None:
    add, go = app.task(plain_tasks.add), threading.Event()
    narrow = ThreadPoolExecutor(1)
    monkeypatch.setattr(beside_loop, "_executor", narrow)
    narrow.submit(go.wait, 60)

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(add.acall(1), 0.01)
        submitting = asyncio.create_task(add.acall(1))
        await asyncio.sleep(0)
        submitting.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await submitting
        assert accepted_ids(caught.value) == ()
        assert "nothing was submitted" in str(caught.value)

    asyncio.run(main())
    go.set()
    narrow.shutdown()
    assert app.find_invocations(add) == []


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_has_threads_of_its_own(app: Pynenc) -> None:
    add = app.task(plain_tasks.add)
    asyncio.run(add.acall(1))
    child = os.fork()
    if child == 0:
        code = 1
        try:
            asyncio.run(add.acall(2))
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
