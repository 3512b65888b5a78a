"""The recorder: what it counts, in how many threads, and what it bounds."""

from __future__ import annotations

import threading

import pytest

from pynenc.recording import recorder as recording
from pynenc.recording.counts import BOUNDS, Counts, Histogram, decoded, key_of, parts_of
from pynenc.recording.recorder import ENDED, RETRIED, STARTED, Recorder


def test_events_are_added_up() -> None:
    recorder = Recorder()
    for wait in (0.001, 0.3, 99999.0, -1.0):
        recorder.events.append((STARTED, "t", "q", "", wait))
    recorder.events.append((ENDED, "t", "q", "success", 0.02))
    recorder.events.append((RETRIED, "t", "q", "", 0.0))
    counts = recorder.drain()
    assert counts.counters == {
        key_of(STARTED, ["t", "q"]): 4,
        key_of(ENDED, ["t", "q", "success"]): 1,
        key_of(RETRIED, ["t"]): 1,
    }
    waits = counts.histograms[key_of("wait", ["t", "q"])]
    assert (waits.count, waits.buckets[0], waits.buckets[6], waits.buckets[-1]) == (3, 1, 1, 1)
    assert waits.total == pytest.approx(99999.301)
    assert recorder.drain() == counts
    recorder.events.append((RETRIED, "t", "q", "", 0.0))
    assert recorder.drain().without(counts).counters == {key_of(RETRIED, ["t"]): 1}
    assert counts.counters[key_of(RETRIED, ["t"])] == 1, "what was given does not change"


def test_a_duration_on_a_bound_is_within_it() -> None:
    recorder = Recorder()
    for bound in BOUNDS:
        recorder.events.append((ENDED, "t", "q", "success", bound))
    (histogram,) = recorder.drain().histograms.values()
    assert histogram.buckets == [*[1] * len(BOUNDS), 0]


def test_nothing_is_lost_between_threads() -> None:
    recorder = Recorder()
    stop = threading.Event()

    def note() -> None:
        for _ in range(5000):
            recorder.events.append((RETRIED, "t", "q", "", 0.0))

    def drain() -> None:
        while not stop.is_set():
            recorder.drain()

    drainers = [threading.Thread(target=drain) for _ in range(2)]
    noters = [threading.Thread(target=note) for _ in range(8)]
    for thread in (*drainers, *noters):
        thread.start()
    for thread in noters:
        thread.join()
    stop.set()
    for thread in drainers:
        thread.join()
    assert recorder.drain().counters == {key_of(RETRIED, ["t"]): 40_000}


def test_labels_and_events_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "_MOST_TASKS", 3)
    recorder = Recorder()
    for number in range(5):
        recorder.events.append((RETRIED, f"t{number}", "q", "", 0.0))
    counters = recorder.drain().counters
    assert counters[key_of(RETRIED, ["other"])] == 2
    assert counters[key_of("dropped", [])] == 2
    recorder.events.extend([(RETRIED, "t0", "q", "", 0.0)] * 300_000)
    assert recorder.drain().without(Counts(counters)).counters == {
        key_of(RETRIED, ["t0"]): 200_000,
        key_of("dropped", []): 1,
    }


@pytest.mark.parametrize(
    "stored", [b"", b"\xff", b"\x92\x80", Counts({"a": 1}, {"h": Histogram([1], 2.0)}).encoded()]
)
def test_damaged_counts_count_for_nothing(stored: bytes) -> None:
    assert decoded(stored).histograms == {}


def test_names_of_tasks_may_be_odd() -> None:
    assert parts_of(key_of("ended", ["a\x1fb", "", "é"])) == ("ended", ["a?b", "", "é"])
