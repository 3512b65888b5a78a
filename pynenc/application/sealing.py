"""The seal of an app: the records that it protects, and the keys and codecs it uses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from pynenc.client_data_store.base_client_data_store import BaseClientDataStore
from pynenc.conf.config_client_data_store import ConfigClientDataStore
from pynenc.conf.config_sealing import ConfigSealing
from pynenc.conf.loader import SettingsLoader
from pynenc.invocation.data import LATER_FIELDS, InvocationData, OutcomeData
from pynenc.plugins.component import Component
from pynenc.plugins.registry import PluginRegistry, import_object
from pynenc.state_backend.action_records import AUDIT, JOB, AuditEntry, Job
from pynenc.state_backend.base_state_backend import INVOCATION, OUTCOME, BaseStateBackend
from pynenc.state_backend.failure_records import (
    FAILURE_GROUP,
    FAILURE_SAMPLE,
    FailureGroup,
    FailureSample,
)
from pynenc.state_backend.log_records import LogLine
from pynenc.state_backend.progress_records import PROGRESS, ProgressData
from pynenc.state_backend.workflow_records import (
    STEP,
    WORKFLOW_EVENT,
    WORKFLOW_VALUE,
    Step,
    WorkflowEvent,
    WorkflowValue,
)
from pynenc.storage.codecs import Codec, Codecs
from pynenc.storage.sealing import Seal, SealedFields, seal_records
from pynenc.trigger.base_trigger import BaseTrigger
from pynenc.trigger.records import EventWait, Occurrence, Part, TriggerProblem, TriggerRun
from pynenc.trigger.stored_records import StoredDefinition

SEALED: Mapping[type[msgspec.Struct], SealedFields] = {
    InvocationData: SealedFields(INVOCATION, ("arguments",), later=LATER_FIELDS),
    OutcomeData: SealedFields(OUTCOME, ("payload",)),
    Step: SealedFields(STEP, ("payload",)),
    WorkflowValue: SealedFields(WORKFLOW_VALUE, ("payload",)),
    WorkflowEvent: SealedFields(WORKFLOW_EVENT, ("payload",), ("is_used",)),
    StoredDefinition: SealedFields("trigger", ("arguments", "conditions")),
    Occurrence: SealedFields("occurrence", ("payload",), ("is_open",)),
    TriggerRun: SealedFields(
        "trigger_run",
        ("parts", "cause"),
        ("state", "invocation_id", "reason", "attempts", "retry_at"),
        ("reason",),
    ),
    TriggerProblem: SealedFields("trigger_problem", ("task_id",), ("error", "count", "at"), ("error",)),
    Part: SealedFields("trigger_part", ("occurrence",), ("run_id",)),
    AuditEntry: SealedFields(AUDIT, ("reason", "filter"), ("result", "is_error"), ("result",)),
    Job: SealedFields(
        JOB,
        ("filter", "line"),
        (
            "state",
            "version",
            "at",
            "cursor",
            "slice",
            "is_last",
            "done",
            "skipped",
            "failed",
            "errors",
        ),
        ("errors",),
    ),
    LogLine: SealedFields("log_line", ("text",)),
    ProgressData: SealedFields(PROGRESS, ("message",)),
    FailureGroup: SealedFields(
        FAILURE_GROUP, ("message", "trace"), ("last_at", "state", "state_at", "note"), ("note",)
    ),
    FailureSample: SealedFields(FAILURE_SAMPLE, ("message", "trace")),
    EventWait: SealedFields("trigger_wait", ("filter",), ("is_active", "buffered")),
}
"""The kinds of records that carry user data or start something."""


def make_seal(loader: SettingsLoader, app_id: str, registry: PluginRegistry) -> Seal:
    """Return the seal that the settings of an app ask for.

    Raises:
        ConfigError: A codec is not installed, or a key cannot be used.
    """
    conf = loader.load(ConfigSealing)
    most = loader.load(ConfigClientDataStore).max_value_bytes
    return Seal(
        app_id,
        [key.get_secret_value() for key in conf.signing_keys],
        Codecs(conf.codec, [key.get_secret_value() for key in conf.codec_keys], LazyCodecs(registry)),
        most,
    )


class LazyCodecs(Mapping[str, type[Codec]]):
    """The codecs of the core and of plugins by name; each is imported when it is asked for."""

    def __init__(self, registry: PluginRegistry) -> None:
        self._paths = {spec.name: spec.import_path for spec in registry.codecs()}

    def __getitem__(self, name: str) -> type[Codec]:
        cls = import_object(self._paths[name])
        if not (isinstance(cls, type) and issubclass(cls, Codec)):
            raise TypeError(f"{self._paths[name]} is not a codec")
        return cls

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


def seal_component(component: Component, seal: Seal) -> None:
    """Have a component seal what it stores, if it stores anything of the kind."""
    if isinstance(component, BaseClientDataStore):
        component.codecs = seal.codecs
    if seal.is_needed and isinstance(component, (BaseStateBackend, BaseTrigger)):
        seal_records(component, seal, SEALED)
