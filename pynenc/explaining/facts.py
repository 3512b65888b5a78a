"""The facts behind an explanation, read as they are needed; a part that cannot be read is a finding."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TypeVar

import msgspec

from pynenc.conf.config_task import ConfigTask
from pynenc.explaining.findings import Finding
from pynenc.identifiers.texts import error_text
from pynenc.invocation.data import InvocationData
from pynenc.invocation.state import HistoryEntry, InvocationState, outcome_id
from pynenc.invocation.status import InvocationStatus
from pynenc.lifecycle.components import Components
from pynenc.lifecycle.leadership import leader
from pynenc.lifecycle.submission import message_for
from pynenc.serializer.exception_data import ExceptionData
from pynenc.state_backend.base_state_backend import RunnerData
from pynenc.storage.group import Group
from pynenc.storage.operations import QueueDepth, QueuedItem

T = TypeVar("T")
_MOST_RUNNING = 200


class LiveRunner(msgspec.Struct, frozen=True):
    """A runner that has sent a heartbeat lately.

    Attributes:
        runner_id: Its id.
        data: Its identity, if that is stored.
    """

    runner_id: str
    data: RunnerData | None

    @property
    def queues(self) -> list[str] | None:
        """The queues that it consumes, none while it drains; None if that is not known."""
        if self.data is not None and self.data.is_draining:
            return []
        if self.data is None or not self.data.queues:
            return None
        try:
            return msgspec.json.decode(self.data.queues, type=list[str])
        except msgspec.MsgspecError:
            return None


class Facts:
    """The records of an invocation and of what surrounds it.

    Args:
        components: The components of its app.
        invocation_id: The invocation.
        options_of: Returns the settings of a task if it is known here; it imports nothing.
    """

    def __init__(
        self, components: Components, invocation_id: str, options_of: Callable[[str], ConfigTask | None]
    ) -> None:
        self.components = components
        self.invocation_id = invocation_id
        self.options_of = options_of
        self.away: list[Finding] = []
        self.now = self.look("the clock", components.now) or 0.0

    def look(self, what: str, read: Callable[[], T]) -> T | None:
        """Return what a read gives; None if it fails, which is noted as a finding."""
        try:
            return read()
        except Exception as error:  # noqa: BLE001 - what is away is part of the answer
            sentence = f"{what[:1].upper()}{what[1:]} could not be looked at: {error_text(error)[:300]}"
            self.away.append(Finding("part_away", "warning", sentence))
            return None

    @cached_property
    def record(self) -> tuple[InvocationState | None, InvocationData | None]:
        """The status record and the unchanging part."""

        def read() -> tuple[InvocationState | None, InvocationData | None]:
            group = Group()
            states = self.components.orchestrator.stage_read_states(group, [self.invocation_id])
            data = self.components.state_backend.stage_read_invocations(group, [self.invocation_id])
            group.send()
            return states.get()[0], data.get()[0]

        return self.look("the record of the invocation", read) or (None, None)

    @cached_property
    def history(self) -> list[HistoryEntry]:
        """All statuses that it had, oldest first."""
        read = self.components.orchestrator.history
        return self.look("its history", lambda: read(self.invocation_id)) or []

    def states_of(self, invocation_ids: Sequence[str]) -> dict[str, InvocationState]:
        """Return the status records of other invocations, by id."""
        read = self.components.orchestrator.read_states
        found = self.look("other invocations", lambda: read(list(invocation_ids))) or []
        return {state.invocation_id: state for state in found if state is not None}

    # --- queues and runners ------------------------------------------------------------

    def place(self, state: InvocationState) -> tuple[QueuedItem | None, bool]:
        """Return where the message of a record stands, and whether the broker can tell."""
        found = self.look("its queue", lambda: self.components.broker.look([message_for(state)]))
        return (found[0], True) if found else (None, False)

    def depth(self, queue: str) -> QueueDepth | None:
        """Return how full a queue is."""
        found = self.look("the depth of its queue", lambda: self.components.broker.depth([queue]))
        return found[queue] if found else None

    @cached_property
    def runners(self) -> list[LiveRunner] | None:
        """The runners that are alive; None if that cannot be told."""
        components = self.components

        def read() -> list[LiveRunner]:
            ids = components.orchestrator.live_runners(self.now - components.conf.dead_after_seconds)
            known = components.state_backend.read_runners(ids)
            return [LiveRunner(each, data) for each, data in zip(ids, known, strict=True)]

        return self.look("the runners", read)

    @property
    def top_runners(self) -> list[LiveRunner] | None:
        """The runners that are alive, without their worker processes."""
        if self.runners is None:
            return None
        return [each for each in self.runners if each.data is None or each.data.parent_id is None]

    def with_workers(self, runners: Sequence[LiveRunner]) -> set[str]:
        """Return the ids of runners and of their live worker processes."""
        ids = {each.runner_id for each in runners}
        workers = [
            each for each in self.runners or () if each.data is not None and each.data.parent_id in ids
        ]
        return ids | {each.runner_id for each in workers}

    def runner(self, runner_id: str) -> RunnerData | None:
        """Return the identity of a runner or client."""
        found = self.look(
            f"runner {runner_id}", lambda: self.components.state_backend.read_runners([runner_id])
        )
        return found[0] if found else None

    def silence_of(self, runner_id: str) -> float | None:
        """Return for how many seconds a runner has sent no heartbeat, None if there is none of it."""
        beats = self.look("the heartbeats", lambda: self.components.orchestrator.last_heartbeats([runner_id]))
        return None if not beats or beats[0] is None else self.now - beats[0]

    @cached_property
    def running(self) -> list[InvocationState]:
        """The invocations that run now, the longest first."""
        status = InvocationStatus.RUNNING
        find = self.components.orchestrator.find_states
        return self.look("what runs", lambda: find(status, limit=_MOST_RUNNING)) or []

    @cached_property
    def leader(self) -> str | None:
        """The runner that does the housekeeping, None if nobody does."""
        return self.look("the housekeeping", lambda: leader(self.components))

    # --- failures ----------------------------------------------------------------------

    @cached_property
    def failures(self) -> dict[int, ExceptionData]:
        """The failures of its attempts that are kept, by claim number; nothing is deserialized."""
        state, _ = self.record
        claims = {
            each.claim
            for each in self.history
            if each.status in (InvocationStatus.RETRY, InvocationStatus.FAILED)
        }
        ids = {claim: outcome_id(self.invocation_id, claim) for claim in sorted(claims)[-50:]}
        if state is not None and state.status == InvocationStatus.FAILED and state.outcome_id:
            ids[state.claim] = state.outcome_id

        def read() -> dict[int, ExceptionData]:
            found = self.components.state_backend.read_outcomes(list(ids.values()))
            pairs = zip(ids, found, strict=True)
            errors = {claim: each.payload for claim, each in pairs if each is not None and each.is_error}
            told = self.components.values.failures(list(errors.values()))
            return {claim: each for claim, each in zip(errors, told, strict=True) if each is not None}

        return (self.look("what its attempts raised", read) or {}) if ids else {}


def who(data: RunnerData | None, runner_id: str | None) -> str:
    """Return a runner or client in words."""
    if data is None:
        return f"runner {runner_id}" if runner_id else "somebody"
    name = "a program" if data.runner_cls == "ExternalRunner" else data.runner_cls
    return f"{name} in process {data.pid} on {data.hostname}"


def evidence_of(data: RunnerData | None, runner_id: str | None) -> Mapping[str, object]:
    """Return a runner or client as evidence."""
    if data is None:
        return {"runner_id": runner_id}
    return {
        "runner_id": runner_id,
        "runner_cls": data.runner_cls,
        "hostname": data.hostname,
        "pid": data.pid,
    }
