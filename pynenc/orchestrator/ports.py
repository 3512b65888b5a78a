"""What the rules of an invocation's life work with."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime

from pynenc.broker.base_broker import BaseBroker, Message
from pynenc.conf.config_pynenc import ConfigPynenc
from pynenc.invocation.status import InvocationStatus, change_status
from pynenc.orchestrator.base_orchestrator import BaseOrchestrator, Change, InvocationState
from pynenc.orchestrator.hooks import LifeCycleHooks
from pynenc.orchestrator.values import ValueCodec
from pynenc.state_backend.base_state_backend import BaseStateBackend


@dataclass(frozen=True, slots=True)
class Ports:
    """The components of one app, as the rules see them."""

    conf: ConfigPynenc
    orchestrator: BaseOrchestrator
    broker: BaseBroker
    state_backend: BaseStateBackend
    values: ValueCodec
    hooks: LifeCycleHooks
    logger: logging.Logger

    def moment(self) -> datetime:
        """The time by the clock that all runners share."""
        return datetime.fromtimestamp(self.orchestrator.now(), UTC)


def changed(
    state: InvocationState,
    wanted: InvocationStatus,
    runner_id: str | None,
    now: datetime,
    **fields: float | str | None,
) -> Change:
    """The change of a record that the state machine allows.

    Raises:
        InvocationStatusError: It does not.
    """
    record = change_status(state.record, wanted, runner_id, now)
    return Change(state, state.with_record(record, fields))


def message_for(state: InvocationState) -> Message:
    """The message that tells that this state can be run."""
    return Message(
        state.invocation_id,
        state.claim,
        state.status.value,
        state.queue,
        state.priority,
        state.not_before,
    )
