"""The conformance kit, which proves a storage driver or a component, and tools for users' own tests.

Subclass a suite in a test file, say in a fixture how to make what is to be proved, and pytest
does the rest. It needs the extra `pynenc[test]`.
"""

from pynenc.testing.basics_suite import BasicsSuite
from pynenc.testing.broker_outage_suite import BrokerEngine, BrokerOutageSuite
from pynenc.testing.broker_suite import BrokerSuite
from pynenc.testing.cancel_children_suite import CancelChildrenSuite
from pynenc.testing.cancel_suite import CancelSuite
from pynenc.testing.client_data_store_suite import ClientDataStoreSuite
from pynenc.testing.concurrency_suite import ConcurrencySuite
from pynenc.testing.connection_suite import ConnectionSuite
from pynenc.testing.crash_exploration import CrashReport, explore_crashes
from pynenc.testing.crash_suite import CrashSuite
from pynenc.testing.in_memory import in_memory, working
from pynenc.testing.interleaving_suite import InterleavingSuite
from pynenc.testing.life_suite import LifeSuite
from pynenc.testing.measure_suite import MeasureSuite
from pynenc.testing.orchestrator_suite import OrchestratorSuite
from pynenc.testing.outage_suite import Engine, OutageSuite
from pynenc.testing.plain_broker_suite import PlainBrokerSuite
from pynenc.testing.queue_suite import QueueSuite
from pynenc.testing.record_suite import RecordSuite
from pynenc.testing.rehearsal import Rehearsal, rehearsing
from pynenc.testing.replaying import assert_replays
from pynenc.testing.retention_suite import RetentionSuite
from pynenc.testing.runner_suite import RunnerSuite
from pynenc.testing.schema_suite import SchemaSuite
from pynenc.testing.search_suite import SearchSuite
from pynenc.testing.serializer_suite import SerializerSuite
from pynenc.testing.signal_suite import SignalSuite
from pynenc.testing.state_backend_suite import StateBackendSuite
from pynenc.testing.submissions import Submissions
from pynenc.testing.synchronous import synchronous
from pynenc.testing.trigger_crash_suite import TriggerCrashSuite
from pynenc.testing.trigger_store_suite import TriggerStoreSuite
from pynenc.testing.trigger_suite import TriggerSuite
from pynenc.testing.workflow_crash_suite import WorkflowCrashSuite
from pynenc.testing.workflow_suite import WorkflowSuite


class StorageSuite(RecordSuite, SchemaSuite, QueueSuite, SignalSuite, ConnectionSuite):
    """Everything that a storage driver promises."""


class EverydaySuite(
    BrokerSuite,
    OrchestratorSuite,
    StateBackendSuite,
    ClientDataStoreSuite,
    TriggerStoreSuite,
    TriggerSuite,
    LifeSuite,
    ConcurrencySuite,
    CancelSuite,
    CancelChildrenSuite,
    WorkflowSuite,
    RetentionSuite,
    SearchSuite,
):
    """The promises of the components of one backend while no process dies."""


class CrashesSuite(CrashSuite, TriggerCrashSuite, WorkflowCrashSuite, InterleavingSuite):
    """The promises of the components of one backend when a process dies, at every point where it may."""


class ComponentSuite(EverydaySuite, CrashesSuite):
    """Everything that the components of one backend promise."""


__all__ = [
    "BasicsSuite",
    "BrokerEngine",
    "BrokerOutageSuite",
    "BrokerSuite",
    "CancelChildrenSuite",
    "CancelSuite",
    "ClientDataStoreSuite",
    "ComponentSuite",
    "ConcurrencySuite",
    "ConnectionSuite",
    "CrashReport",
    "CrashSuite",
    "CrashesSuite",
    "EverydaySuite",
    "InterleavingSuite",
    "LifeSuite",
    "Engine",
    "MeasureSuite",
    "OrchestratorSuite",
    "OutageSuite",
    "PlainBrokerSuite",
    "QueueSuite",
    "RecordSuite",
    "Rehearsal",
    "RetentionSuite",
    "RunnerSuite",
    "SchemaSuite",
    "SearchSuite",
    "SerializerSuite",
    "SignalSuite",
    "StateBackendSuite",
    "StorageSuite",
    "Submissions",
    "TriggerCrashSuite",
    "TriggerStoreSuite",
    "TriggerSuite",
    "WorkflowCrashSuite",
    "WorkflowSuite",
    "assert_replays",
    "explore_crashes",
    "in_memory",
    "rehearsing",
    "synchronous",
    "working",
]
