"""Parallel calls of iterators: submitted while they are read, not kept, and told when they fail."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import plain_tasks
import pytest

from pynenc import Pynenc
from pynenc.exceptions import (
    PartlySubmittedError,
    SerializationError,
    StorageUnavailableError,
    accepted_ids,
)
from pynenc.testing.app_fixtures import running


@pytest.fixture
def app() -> Pynenc:
    return Pynenc({"app_id": "streams", "runner_cls": "ThreadRunner", "logging_level": "critical"})


@dataclass
class Row:
    """A value that is seen when it goes."""

    number: int


def test_it_is_submitted_while_it_is_read(app: Pynenc) -> None:
    echo = app.task(plain_tasks.echo, parallel_batch_size=10)
    seen: list[int] = []

    def items() -> Iterator[tuple[int]]:
        for number in range(95):
            seen.append(app.count(echo))
            yield (number,)

    with running(app):
        group = echo.parallelize(items())
        assert group.wait(60) == list(range(95))
    assert seen == [number // 10 * 10 for number in range(95)]
    assert [each.kwargs["value"] for each in group] == list(range(95))


def test_what_was_read_is_not_kept(app: Pynenc) -> None:
    echo = app.task(plain_tasks.echo, parallel_batch_size=10)
    alive: list[weakref.ref[Any]] = []
    most = 0

    def items() -> Iterator[dict[str, Any]]:
        nonlocal most
        for number in range(200):
            if number % 10 == 0:
                gc.collect()
            most = max(most, sum(each() is not None for each in alive))
            value = Row(number)
            alive.append(weakref.ref(value))
            yield {"value": value}
            del value

    group = echo.parallelize(items())
    assert len(group) == 200
    assert most <= 25
    assert group[7].kwargs == {"value": Row(7)}


@pytest.mark.parametrize("is_async", [False, True])
def test_a_generator_that_fails_tells_what_was_submitted(app: Pynenc, is_async: bool) -> None:
    echo = app.task(plain_tasks.echo, parallel_batch_size=10)

    def items() -> Iterator[tuple[int]]:
        yield from ((number,) for number in range(1025))
        raise KeyError("row 1025")

    async def items_async() -> AsyncIterator[tuple[int]]:
        for item in items():
            yield item

    def submit() -> object:
        return asyncio.run(echo.aparallelize(items_async())) if is_async else echo.parallelize(items())

    with pytest.raises(
        PartlySubmittedError, match=r"10\d0 call\(s\) were accepted .*KeyError: 'row 1025'"
    ) as caught:
        submit()
    error = caught.value
    assert isinstance(error.__cause__, KeyError)
    assert len(error.invocations) == app.count(echo) == (1000 if is_async else 1020)
    assert error.invocations[999].kwargs == {"value": 999}


def test_one_that_fails_before_anything_was_submitted_raises_its_own_error(app: Pynenc) -> None:
    echo = app.task(plain_tasks.echo, parallel_batch_size=10)
    with pytest.raises(ZeroDivisionError):
        echo.parallelize((1 // number,) for number in (1, 2, 0))
    with pytest.raises(TypeError, match="parallelize takes"):
        echo.parallelize(iter([(1,), 5]))  # type: ignore[list-item]
    assert app.count() == 0


def test_an_item_that_does_not_fit_or_cannot_be_carried(app: Pynenc) -> None:
    echo = app.task(plain_tasks.echo, parallel_batch_size=2)
    for bad, kind in (((1, 2, 3), TypeError), ((object(),), SerializationError)):
        with pytest.raises(PartlySubmittedError) as caught:
            echo.parallelize(iter([(1,), (2,), bad]))
        assert isinstance(caught.value.__cause__, kind)
        assert len(caught.value.invocations) == 2
        with pytest.raises(kind):  # of a list nothing is submitted
            echo.parallelize([(1,), (2,), bad])
    assert app.count() == 4


def test_a_storage_that_fails_on_the_way(app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> None:
    echo, storage = app.task(plain_tasks.echo, parallel_batch_size=2), app.orchestrator
    whole: Any = storage
    execute, left = whole.storage.execute, [3]

    def failing(operations: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise StorageUnavailableError("away")
        return execute(operations)

    echo(0)
    monkeypatch.setattr(whole.storage, "execute", failing)
    with pytest.raises(PartlySubmittedError, match="6 of 10 call.*StorageUnavailableError: away") as caught:
        echo.parallelize([(number,) for number in range(10)])
    assert [each.kwargs["value"] for each in caught.value.invocations] == list(range(6))


def test_a_cancelled_stream_says_what_was_accepted(app: Pynenc) -> None:
    echo = app.task(plain_tasks.echo)

    async def main() -> asyncio.CancelledError:
        reached = asyncio.Event()

        async def items() -> AsyncIterator[tuple[int]]:
            for number in range(500):
                yield (number,)
            reached.set()
            await asyncio.Event().wait()

        submitting = asyncio.create_task(echo.aparallelize(items()))
        await reached.wait()
        submitting.cancel()
        try:
            await submitting
        except asyncio.CancelledError as error:
            return error
        raise AssertionError("it was not cancelled")

    assert len(accepted_ids(asyncio.run(main())) or ()) == app.count(echo) == 500


def test_inline(app: Pynenc) -> None:
    app.conf.dev_mode_force_sync_tasks = True
    add = app.task(plain_tasks.add)
    assert add.parallelize((number, 1) for number in range(3)).result == [1, 2, 3]
