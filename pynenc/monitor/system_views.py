"""The contents of the page of the installation, and of the text that people paste to have it read."""

from __future__ import annotations

import platform
import re
from collections.abc import Callable, Iterator
from typing import Any

from pynenc.conf.base_config import PynencConfig, is_secret
from pynenc.exceptions import StorageError
from pynenc.identifiers.texts import error_text, shortened, type_name
from pynenc.invocation.data import InvocationData
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle.components import Components
from pynenc.lifecycle.leadership import leader
from pynenc.metrics.readings import Readings
from pynenc.monitor.masking import MASK, Masking
from pynenc.monitor.shown import Context
from pynenc.orchestrator.base_orchestrator import StateLookup
from pynenc.plugins.component import Component
from pynenc.plugins.registry import CORE_DISTRIBUTION, plugin_registry, version_of
from pynenc.state_backend.count_records import MINUTE, Rollup
from pynenc.state_backend.failure_records import FailureSample
from pynenc.state_backend.log_records import LogLine
from pynenc.storage.record_store import Lookup

_MOST_COUNTED = 10_000
_LONGEST_VALUE = 200
_MOST_IDS = 500
_ID = re.compile(r"\b[0-9a-f]{32}\b")
_KINDS = ("orchestrator", "broker", "state_backend", "trigger")
_KEPT = (
    ("invocations", Lookup(InvocationData)),
    ("kept log lines", Lookup(LogLine)),
    ("samples of failures", Lookup(FailureSample)),
    ("minutes of history", Lookup(Rollup, {"span": MINUTE})),
)


def system(components: Components, masking: Masking) -> Context:
    """Return whether the installation is sound, part by part; one that does not answer leaves the others."""
    return {
        "now": components.now(),
        "versions": (("pynenc", version_of(CORE_DISTRIBUTION)), ("Python", platform.python_version())),
        "parts": list(_components(components, masking)),
        "plugins": [
            (each.distribution, each.version, masking.text(each.error or ""))
            for each in plugin_registry().plugins
        ],
        "sizes": _tried(lambda: _sizes(components), masking),
        "runners": _tried(lambda: _runners(components), masking),
        "settings": [
            (owner, name, value, origin) for owner, name, value, origin in _settings(components, masking)
        ],
        "most": _MOST_COUNTED,
    }


def _tried(act: Callable[[], Any], masking: Masking) -> Context:
    try:
        return {"found": act(), "problem": None}
    except StorageError as error:
        return {"found": None, "problem": masking.text(error_text(error))}


def _components(components: Components, masking: Masking) -> Iterator[Context]:
    for kind in _KINDS:
        component: Component = getattr(components, kind)
        looked = _tried(component.ping, masking)
        yield {
            "kind": kind.replace("_", " "),
            "name": type_name(type(component)).rpartition(".")[2],
            "engine": masking.text(looked["found"] or ""),
            "problem": looked["problem"],
            "hazards": [masking.text(each) for each in _told(component.hazards)],
            "cautions": [masking.text(each) for each in _told(component.cautions)],
        }


def _told(look: Callable[[], Any]) -> list[str]:
    try:
        return [str(each) for each in look()]
    except StorageError:
        return []


def _sizes(components: Components) -> list[tuple[str, int]]:
    counts = components.state_backend.count_many([lookup for _, lookup in _KEPT], _MOST_COUNTED)
    statuses = list(InvocationStatus)
    lookups = [StateLookup("status", each.value) for each in statuses]
    by_status = components.orchestrator.count_many_states(lookups, _MOST_COUNTED)
    rows = [(name, number) for (name, _), number in zip(_KEPT, counts, strict=True)]
    return rows + [
        (f"invocations with the status {status.value}", number)
        for status, number in zip(statuses, by_status, strict=True)
        if number
    ]


def _runners(components: Components) -> Context:
    look = Readings(components)
    versions = sorted({each.code_version for each in look.runners if each.code_version})
    return {
        "alive": len(look.alive) - len(look.workers),
        "leader": leader(components),
        "versions": versions,
        "clock_s": max((each.clock_s for each in look.loads), key=abs, default=0.0),
    }


def _settings(components: Components, masking: Masking) -> Iterator[tuple[str, str, str, str]]:
    seen = set[type]()
    for conf in (components.conf, *(getattr(components, kind).conf for kind in _KINDS)):
        if type(conf) in seen:
            continue
        seen.add(type(conf))
        yield from _of(conf, masking)


def _of(conf: PynencConfig, masking: Masking) -> Iterator[tuple[str, str, str, str]]:
    cls = type(conf)
    for name in cls.field_names():
        value = MASK if is_secret(cls, name) else masking.named(name, str(getattr(conf, name)))
        origin = masking.text(conf.origin(name))
        yield cls.__name__, name, shortened(value, _LONGEST_VALUE), origin


def read_text(components: Components, masking: Masking, text: str) -> Context:
    """Return a text in parts, those that are the id of an invocation with its status; at most 500 of them."""
    ids = list(dict.fromkeys(_ID.findall(text)))
    asked = ids[:_MOST_IDS]
    states = components.orchestrator.read_states(asked) if asked else []
    known = {each.invocation_id: each.status.value for each in states if each is not None}
    parts: list[tuple[str, str | None]] = []
    end = 0
    for found in _ID.finditer(text):
        status = known.get(found[0])
        if status is not None:
            parts += [(masking.text(text[end : found.start()]), None), (found[0], status)]
            end = found.end()
    parts.append((masking.text(text[end:]), None))
    return {
        "pasted": parts,
        "found": len(known),
        "unknown": len(asked) - len(known),
        "more": max(0, len(ids) - _MOST_IDS),
    }
