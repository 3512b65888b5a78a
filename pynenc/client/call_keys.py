"""Keys under which calls count as the same, for concurrency control and the result cache."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from pynenc.calls.interfaces import BaseTask
from pynenc.conf.config_task import ConcurrencyControlType
from pynenc.identifiers.ids import derived_id
from pynenc.lifecycle.values import PackedArguments


class CallKeys(msgspec.Struct, frozen=True):
    """The keys of one call; None where nothing is controlled."""

    slot_key: str | None = None
    registration_key: str | None = None
    cache_key: str | None = None


NO_KEYS = CallKeys()


def keys_of(task: BaseTask[..., Any], packed: PackedArguments) -> CallKeys:
    """Return the keys of a call, from its packed arguments; defaults count as if they were given."""
    whole = task.app.components.values.same_contents({**_packed_defaults(task, packed), **packed})
    conf = task.conf
    registration = conf.registration_concurrency
    if conf.throttle or conf.debounce:
        registration = ConcurrencyControlType.KEYS if conf.key_arguments else ConcurrencyControlType.TASK
    return CallKeys(
        _key("slot", task, conf.running_concurrency, whole),
        _key("registration", task, registration, whole),
        _key("cache", task, ConcurrencyControlType.ARGUMENTS, whole) if conf.call_result_cache else None,
    )


def _packed_defaults(task: BaseTask[..., Any], packed: Mapping[str, str]) -> PackedArguments:
    parameters = task.binder.signature.parameters.values()
    missing = {
        each.name: each.default
        for each in parameters
        if each.default is not each.empty and each.name not in packed
    }
    if not missing:
        return {}
    return task.app.components.values.pack_arguments([missing], task.conf.disable_cache_args)[0]


def _key(
    purpose: str, task: BaseTask[..., Any], mode: ConcurrencyControlType, whole: Mapping[str, str]
) -> str | None:
    if mode == ConcurrencyControlType.DISABLED:
        return None
    names: tuple[str, ...] = ()
    if mode == ConcurrencyControlType.ARGUMENTS:
        names = tuple(sorted(whole))
    elif mode == ConcurrencyControlType.KEYS:
        names = tuple(sorted(task.conf.key_arguments))
    parts = [part for name in names for part in (name, whole.get(name, ""))]
    return f"{purpose}:{derived_id(task.task_id.key, mode, *parts)}"
