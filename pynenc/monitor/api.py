"""The JSON interface: what the pages show, for programs.

Each endpoint is described where it is defined, and `/api/v1/openapi.json` is made of these descriptions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, NamedTuple, TypeAlias

import msgspec

from pynenc.actions.jobs import preview
from pynenc.exceptions import SearchError
from pynenc.lifecycle.components import Components
from pynenc.monitor.acting import check_line, job_kind
from pynenc.monitor.masking import Masking
from pynenc.monitor.places import number_of
from pynenc.monitor.shown import Context
from pynenc.monitor.views import Views

_MOST_STEPS = 1000
_SHOWN_APART = frozenset(("arguments", "headers", "tags", "queues", "tasks"))

Given: TypeAlias = Mapping[str, str]


class Asked(NamedTuple):
    """A request to the interface.

    Attributes:
        components: The components of the app.
        masking: Shows stored texts.
        given: The parameters.
        target: The id in the path; empty if there is none.
    """

    components: Components
    masking: Masking
    given: Given
    target: str

    @property
    def views(self) -> Views:
        """The contents of the pages."""
        return Views(self.components, self.masking)

    def hours(self, default: float, most: float) -> float:
        """Return the parameter `hours` within its bounds."""
        return number_of(self.given.get("hours", ""), default, most)


class Endpoint(NamedTuple):
    """Something that can be read.

    Attributes:
        path: Its path; `{id}` is of what.
        summary: What it returns, for people.
        parameters: Its parameters, each with what it means.
        members: The members of the object that it returns.
        look: Returns that object; None if nothing is stored under the id.
    """

    path: str
    summary: str
    parameters: Mapping[str, str]
    members: tuple[str, ...]
    look: Callable[[Asked], Context | None]


def _picked(found: Context | None, members: tuple[str, ...]) -> Context | None:
    return None if found is None else {name: found[name] for name in members}


def read(endpoint: Endpoint, asked: Asked) -> Context | None:
    """Return what an endpoint tells, None if nothing is stored under the id.

    Raises:
        SearchError: The line of a search cannot be understood.
    """
    found = _picked(endpoint.look(asked), endpoint.members)
    plain: Context | None = None if found is None else _plain(found, asked.masking)
    return plain


def dry_run(components: Components, fields: Mapping[str, str]) -> Context:
    """Return what a job would act on.

    Raises:
        SearchError: The line cannot be understood, or is empty.
    """
    line = fields.get("q", "")
    if not line.strip():
        raise SearchError("'q' is missing: the line of a search")
    job_kind(fields)
    check_line(components, line)
    found = preview(components, line)
    ids = [each.data.invocation_id for each in found.first]
    return {
        "at": found.at,
        "count": found.count,
        "is_capped": found.is_capped,
        "first": ids,
        "statuses": found.statuses,
    }


def _plain(value: Any, masking: Masking) -> Any:
    """Return a value in the types that JSON has; of records without what is shown apart, and masked."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, msgspec.Struct):
        names = [each for each in value.__struct_fields__ if each not in _SHOWN_APART]
        return {name: _masked(getattr(value, name), masking) for name in names}
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: _plain(getattr(value, each.name), masking) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): _plain(each, masking) for name, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(each, masking) for each in value]
    return value if isinstance(value, (str, int, float, bool)) or value is None else str(value)


def _masked(value: Any, masking: Masking) -> Any:
    return masking.text(value) if type(value) is str else _plain(value, masking)
