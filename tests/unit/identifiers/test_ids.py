"""Ids: ordered by time, or derived from their cause."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pynenc.identifiers.ids import derived_id, new_id
from pynenc.identifiers.task_id import TaskId


def test_new_ids_rise_and_differ() -> None:
    ids = [new_id() for _ in range(1000)]
    assert ids == sorted(set(ids))
    assert {len(each) for each in ids} == {32}


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_derived_ids_are_equal_exactly_for_equal_causes(one: list[str], other: list[str]) -> None:
    assert (derived_id(*one) == derived_id(*other)) == (one == other)


def test_a_task_id_is_module_and_function() -> None:
    task_id = TaskId("package.module", "function")
    assert task_id.key == str(task_id) == "package.module.function"
    assert TaskId.from_key(task_id.key) == task_id


@pytest.mark.parametrize("key", ["", "function", ".function", "module."])
def test_a_key_without_module_or_name_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="must look like 'module.function'"):
        TaskId.from_key(key)
