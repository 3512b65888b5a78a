"""The figures of a monitor process itself."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter

from pynenc.metrics import families
from pynenc.metrics.exposition import family_lines, histogram_lines, sample_line
from pynenc.recording.counts import BOUNDS, Histogram


class Figures:
    """Counts the answers of a process."""

    def __init__(self) -> None:
        self._answers: Counter[int] = Counter()
        self._times = Histogram()
        self._lock = threading.Lock()

    def note(self, code: int, seconds: float) -> None:
        """Count an answer: its code, and after how many seconds it began."""
        with self._lock:
            self._answers[code] += 1
            self._times.buckets[bisect_left(BOUNDS, seconds)] += 1
            self._times.total += seconds

    def text(self, streams: int, waiting: int) -> str:
        """Return the figures in the text format of Prometheus.

        Args:
            streams: How many live pages are served.
            waiting: How many looks at the store are waited for.
        """
        with self._lock:
            answers = sorted(self._answers.items())
            times = list(histogram_lines(families.MONITOR_SECONDS, (), self._times))
        requests, live, looks = families.MONITOR_REQUESTS, families.MONITOR_STREAMS, families.MONITOR_LOOKS
        counted = [sample_line(requests.name, requests.labels, (str(code),), n) for code, n in answers]
        lines = [
            *family_lines(requests, counted),
            *family_lines(families.MONITOR_SECONDS, times),
            *family_lines(live, [sample_line(live.name, (), (), streams)]),
            *family_lines(looks, [sample_line(looks.name, (), (), waiting)]),
        ]
        return "\n".join(lines) + "\n"
