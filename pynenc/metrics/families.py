"""The metrics: their names, kinds and meanings."""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["counter", "gauge", "histogram"]


class Family(NamedTuple):
    """A metric.

    Attributes:
        name: Its name.
        kind: Its kind.
        labels: The names of its labels.
        help: Its meaning.
    """

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str


COUNTERS = {
    "started": Family(
        "pynenc_invocations_started_total", "counter", ("task", "queue"), "Runs of bodies that have begun."
    ),
    "ended": Family(
        "pynenc_invocations_ended_total",
        "counter",
        ("task", "queue", "status"),
        "Invocations that have ended.",
    ),
    "retried": Family(
        "pynenc_invocations_retried_total", "counter", ("task",), "Failed runs after which another follows."
    ),
    "parked": Family(
        "pynenc_invocations_parked_total", "counter", ("task",), "Runs that ended because their body waits."
    ),
    "recovered": Family(
        "pynenc_invocations_recovered_total", "counter", ("task",), "Invocations taken from lost runners."
    ),
    "lost": Family(
        "pynenc_invocations_lost_total",
        "counter",
        (),
        "Ends that did not count, because the runner had lost it.",
    ),
    "paused": Family(
        "pynenc_invocations_paused_total", "counter", ("task",), "Waits of running bodies for others."
    ),
    "rerouted": Family(
        "pynenc_invocations_rerouted_total", "counter", (), "Running invocations that a runner gave back."
    ),
    "submitted": Family(
        "pynenc_invocations_submitted_total", "counter", ("task",), "Invocations that were submitted."
    ),
    "step": Family(
        "pynenc_workflow_steps_total", "counter", ("kind",), "Steps of workflows that were recorded."
    ),
    "fired": Family("pynenc_trigger_runs_total", "counter", ("state",), "Triggers that were met."),
    "hook_failed": Family("pynenc_hook_failures_total", "counter", ("plugin",), "Hooks that have raised."),
    "dropped": Family(
        "pynenc_recorder_dropped_total",
        "counter",
        (),
        "Occasions on which something was counted as 'other', or not.",
    ),
}
"""The counters, by what the recorder calls them."""

HISTOGRAMS = {
    "wait": Family(
        "pynenc_invocation_wait_seconds",
        "histogram",
        ("task", "queue"),
        "Time from when an invocation was due to the begin of its body.",
    ),
    "run": Family("pynenc_invocation_run_seconds", "histogram", ("task", "status"), "Time that a run took."),
    "request": Family(
        "pynenc_storage_request_seconds", "histogram", ("kind",), "Time that a request to the store took."
    ),
    "lag": Family(
        "pynenc_schedule_lag_seconds", "histogram", (), "Time from when a schedule ticked to its start."
    ),
}
"""The histograms, likewise."""

INFO = Family("pynenc_info", "gauge", ("app_id", "version"), "The app; always 1.")
INVOCATIONS = Family(
    "pynenc_invocations", "gauge", ("status",), "Invocations in a status, counted up to 100,000."
)
CAPPED = Family(
    "pynenc_invocations_capped", "gauge", ("status",), "Whether there are more than were counted."
)
READY = Family("pynenc_queue_ready", "gauge", ("queue",), "Messages that can be taken now.")
HELD = Family("pynenc_queue_held", "gauge", ("queue",), "Messages that wait for their time, or are taken.")
CONSUMERS = Family("pynenc_queue_consumers", "gauge", ("queue",), "Live runners that consume a queue.")
RUNNERS = Family("pynenc_runners_alive", "gauge", (), "Live runners, without their worker processes.")
WORKERS = Family("pynenc_workers_alive", "gauge", (), "Live worker processes.")
LEADER = Family("pynenc_leader_present", "gauge", (), "Whether a live runner does the housekeeping.")
AGE = Family(
    "pynenc_queue_oldest_age_seconds", "gauge", ("queue",), "For how long what is due longest has waited."
)
SLOTS = Family("pynenc_slots", "gauge", (), "Bodies that live runners and workers can run at a time.")
BUSY = Family("pynenc_slots_busy", "gauge", (), "Bodies that run, as of the last signs of life.")
ROLLED_UP = Family("pynenc_rollup_age_seconds", "gauge", (), "Time since the counts were rolled up.")
CLOCK = Family(
    "pynenc_clock_difference_seconds",
    "gauge",
    (),
    "The largest difference of a machine from the shared clock.",
)
MEMORY = Family(
    "pynenc_worker_resident_memory_bytes", "gauge", ("runner",), "Resident memory of a runner's process."
)
CPU = Family("pynenc_worker_cpu_ratio", "gauge", ("runner",), "Share of a core that a runner's process uses.")
GAUGES = (
    INFO,
    INVOCATIONS,
    CAPPED,
    READY,
    HELD,
    CONSUMERS,
    AGE,
    RUNNERS,
    WORKERS,
    SLOTS,
    BUSY,
    LEADER,
    ROLLED_UP,
    CLOCK,
    MEMORY,
    CPU,
)

MONITOR_REQUESTS = Family(
    "pynenc_monitor_requests_total", "counter", ("code",), "Answers of this monitor process."
)
MONITOR_SECONDS = Family(
    "pynenc_monitor_request_seconds", "histogram", (), "Time until an answer of this monitor process begins."
)
MONITOR_STREAMS = Family("pynenc_monitor_streams", "gauge", (), "Live pages of this monitor process.")
MONITOR_LOOKS = Family(
    "pynenc_monitor_looks_waiting", "gauge", (), "Looks at the store that this monitor process waits for."
)
OF_MONITOR = (MONITOR_REQUESTS, MONITOR_SECONDS, MONITOR_STREAMS, MONITOR_LOOKS)
"""The metrics of a monitor process itself, which only its own `/metrics` tells."""
