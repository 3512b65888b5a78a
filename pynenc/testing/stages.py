"""The stages of the kit, in the order in which an author works."""

from __future__ import annotations

STAGES = (
    "basics",
    "records",
    "queues",
    "signals",
    "blobs",
    "connections",
    "values",
    "messages",
    "running",
    "components",
    "crashes",
    "outages",
    "figures",
)
"""The names of the stages."""

_OF_SUITES = {
    "BasicsSuite": "basics",
    "RecordSuite": "records",
    "SchemaSuite": "records",
    "ConnectionSuite": "connections",
    "QueueSuite": "queues",
    "SignalSuite": "signals",
    "SerializerSuite": "values",
    "PlainBrokerSuite": "messages",
    "BrokerSuite": "messages",
    "RunnerSuite": "running",
    "CrashSuite": "crashes",
    "TriggerCrashSuite": "crashes",
    "WorkflowCrashSuite": "crashes",
    "InterleavingSuite": "crashes",
    "OutageSuite": "outages",
    "BrokerOutageSuite": "outages",
    "MeasureSuite": "figures",
}
_BLOBS_IN = "RecordSuite"


def stage_of(suite: str, test: str) -> str:
    """Return the stage of a test.

    Args:
        suite: The name of its suite.
        test: The name of the test.
    """
    if suite == _BLOBS_IN and "blob" in test:
        return "blobs"
    return _OF_SUITES.get(suite, "components")


def promise_of(test: str) -> str:
    """Return the promise that a test holds a component to, as its name says it."""
    return test.partition("[")[0].removeprefix("test_").replace("_", " ")
