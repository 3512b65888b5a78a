"""Streams of candidates: records in the order of one index, read a page at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

import msgspec

from pynenc.invocation.data import InvocationData
from pynenc.invocation.state import InvocationState
from pynenc.lifecycle.components import Components
from pynenc.orchestrator.base_orchestrator import StateLookup
from pynenc.storage.operations import Cursor
from pynenc.storage.record_store import Lookup

Order: TypeAlias = Literal["created", "changed"]


class Candidate(msgspec.Struct, frozen=True):
    """An invocation that an index names.

    Attributes:
        place: Where it stands in its stream.
        state: Its status record, if the stream reads that.
        data: Its unchanging part, if the stream reads that.
    """

    place: Cursor
    state: InvocationState | None = None
    data: InvocationData | None = None

    @property
    def invocation_id(self) -> str:
        """The id of the invocation."""
        if self.state is not None:
            return self.state.invocation_id
        return self.data.invocation_id if self.data is not None else self.place.key


class Stream(msgspec.Struct, frozen=True):
    """A stream of candidates, newest first.

    Attributes:
        read: Returns the next so many, behind a place.
        is_later: Whether its candidates come after all others, soonest first: they wait for their time.
    """

    read: Callable[[int, Cursor | None], Sequence[Candidate]]
    is_later: bool = False


class Driver(msgspec.Struct, frozen=True):
    """A way to find all candidates of a filter.

    Attributes:
        plan: The way, in words.
        order: By which time its candidates are ordered.
        streams: The streams that it merges.
        count: Returns how many candidates there are, at most a limit.
    """

    plan: str
    order: Order
    streams: Sequence[Stream]
    count: Callable[[int], int]


class Span(msgspec.Struct, frozen=True):
    """A span of time: from `low` on, and before `high`; seconds since the epoch."""

    low: float | None = None
    high: float | None = None


def of_data(components: Components, plan: str, equals: Sequence[dict[str, str]], span: Span) -> Driver:
    """Return the driver that reads the unchanging parts with one of several values in an index."""
    store = components.state_backend
    lookups = [Lookup(InvocationData, dict(each), span.low, span.high, newest_first=True) for each in equals]

    def stream(lookup: Lookup) -> Stream:
        def read(limit: int, after: Cursor | None) -> Sequence[Candidate]:
            found = store.find(InvocationData, lookup, limit, after)
            return [Candidate(Cursor(each.created_at, each.invocation_id), None, each) for each in found]

        return Stream(read)

    return Driver(
        plan,
        "created",
        [stream(each) for each in lookups],
        lambda limit: sum(store.count_many(lookups, limit)),
    )


def of_states(
    components: Components,
    plan: str,
    field: Literal["status", "failed_task", "error_type", "workflow_status"],
    values: Sequence[str],
    span: Span,
    now: float,
) -> Driver:
    """Return the driver that reads the status records with one of several values in an index.

    Those whose status counts from a later time than `now` wait for that; they come last.
    """
    orchestrator = components.orchestrator

    def stream(lookup: StateLookup, is_later: bool) -> Stream:
        def read(limit: int, after: Cursor | None) -> Sequence[Candidate]:
            found = orchestrator.look_up(lookup, limit, after)
            return [Candidate(Cursor(each.since, each.invocation_id), each) for each in found]

        return Stream(read, is_later)

    lookups = [StateLookup(field, value, span.low) for value in values]
    past = [msgspec.structs.replace(each, high=now) for each in lookups]
    later = [
        msgspec.structs.replace(each, low=max(now, span.low or now), newest_first=False) for each in lookups
    ]
    streams = [stream(each, False) for each in past] + [stream(each, True) for each in later]
    return Driver(plan, "changed", streams, lambda limit: sum(orchestrator.count_many_states(lookups, limit)))


def of_tag(components: Components, tag: str, span: Span) -> Driver:
    """Return the driver that reads what has a tag."""
    store = components.state_backend

    def read(limit: int, after: Cursor | None) -> Sequence[Candidate]:
        found = store.find_tagged(tag, span.low, span.high, limit, after)
        known = store.read_invocations([each.invocation_id for each in found])
        return [
            Candidate(Cursor(each.at, each.tag_id), None, data)
            if data is not None
            else Candidate(Cursor(each.at, each.tag_id))
            for each, data in zip(found, known, strict=True)
        ]

    def count(limit: int) -> int:
        return len(store.find_tagged(tag, span.low, span.high, limit))

    return Driver(f"by the tag {tag}", "created", [Stream(read)], count)


def of_trigger(components: Components, trigger_id: str) -> Driver:
    """Return the driver that reads what a trigger has started."""
    trigger, store = components.trigger, components.state_backend

    def read(limit: int, after: Cursor | None) -> Sequence[Candidate]:
        runs = trigger.find_runs(trigger_id, limit=limit, after=after)
        known = store.read_invocations([each.invocation_id or "" for each in runs])
        return [
            Candidate(Cursor(run.at, run.run_id), None, data) for run, data in zip(runs, known, strict=True)
        ]

    return Driver(f"by the runs of trigger {trigger_id}", "created", [Stream(read)], lambda limit: 0)


def of_ids(components: Components, ids: Sequence[str]) -> Driver:
    """Return the driver that reads invocations by their ids."""
    store = components.state_backend

    def read(limit: int, after: Cursor | None) -> Sequence[Candidate]:
        start = 0 if after is None else int(after.order) + 1
        some = ids[start : start + limit]
        return [
            Candidate(Cursor(float(start + at), each), None, data)
            for at, (each, data) in enumerate(zip(some, store.read_invocations(some), strict=True))
        ]

    return Driver("by id", "created", [Stream(read)], lambda limit: 0)
