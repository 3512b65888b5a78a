"""Counts: how often what happened, and how long it took."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0)
"""The upper bounds of the buckets of every histogram, in seconds; one more holds what is longer."""

_SIGN = "\x1f"


class Histogram(msgspec.Struct, array_like=True):
    """Durations by size.

    Attributes:
        buckets: The number in each bucket, not cumulated.
        total: The sum of all, in seconds.
    """

    buckets: list[int] = msgspec.field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    total: float = 0.0

    @property
    def count(self) -> int:
        """The number of durations."""
        return sum(self.buckets)

    def add(self, other: Histogram) -> None:
        """Add other durations to these."""
        self.buckets = [one + two for one, two in zip(self.buckets, other.buckets, strict=True)]
        self.total += other.total


class Counts(msgspec.Struct, array_like=True):
    """Numbers by name and labels, which are joined by a unit separator.

    Attributes:
        counters: How often something happened.
        histograms: How long something took.
    """

    counters: dict[str, int] = msgspec.field(default_factory=dict)
    histograms: dict[str, Histogram] = msgspec.field(default_factory=dict)

    def add(self, other: Counts) -> None:
        """Add other counts to these."""
        for key, number in other.counters.items():
            self.counters[key] = self.counters.get(key, 0) + number
        for key, theirs in other.histograms.items():
            self.histograms.setdefault(key, Histogram()).add(theirs)

    def without(self, earlier: Counts) -> Counts:
        """Return what has been counted since earlier counts of the same things."""
        counters = {
            key: number - earlier.counters.get(key, 0)
            for key, number in self.counters.items()
            if number != earlier.counters.get(key, 0)
        }
        histograms: dict[str, Histogram] = {}
        for key, later in self.histograms.items():
            before = earlier.histograms.get(key, Histogram())
            pairs = zip(later.buckets, before.buckets, strict=True)
            since = Histogram([one - two for one, two in pairs], later.total - before.total)
            if since.count:
                histograms[key] = since
        return Counts(counters, histograms)

    def numbers_by(self, name: str, label: int) -> dict[str, int]:
        """Return the sums of the counters of a name by one of their labels, which is given by its place."""
        found: dict[str, int] = {}
        for key, number in self.counters.items():
            kind, labels = parts_of(key)
            if kind == name and len(labels) > label:
                found[labels[label]] = found.get(labels[label], 0) + number
        return found

    def times(self, name: str, first: str | None = None) -> Histogram:
        """Return the sum of the histograms of a name; only those with this first label, if one is given."""
        found = Histogram()
        for key, histogram in self.histograms.items():
            kind, labels = parts_of(key)
            if kind == name and (first is None or labels[:1] == [first]):
                found.add(histogram)
        return found

    def by_first_label(self) -> dict[str, Counts]:
        """Return the counts of each first label, which is the task where there is one."""
        found: dict[str, Counts] = {}
        for key, number in self.counters.items():
            for label in parts_of(key)[1][:1]:
                found.setdefault(label, Counts()).counters[key] = number
        for key, histogram in self.histograms.items():
            for label in parts_of(key)[1][:1]:
                found.setdefault(label, Counts()).histograms[key] = histogram
        return found

    def copy(self) -> Counts:
        """Return counts that do not change with these."""
        return decoded(self.encoded())

    def encoded(self) -> bytes:
        """Return them as bytes that are stored."""
        return msgspec.msgpack.encode(self)


def decoded(stored: bytes) -> Counts:
    """Return stored counts; none if they are damaged."""
    try:
        counts = msgspec.msgpack.decode(stored, type=Counts)
    except (msgspec.MsgspecError, TypeError, ValueError):
        return Counts()
    size = len(BOUNDS) + 1
    good = {key: each for key, each in counts.histograms.items() if len(each.buckets) == size}
    return Counts(counts.counters, good)


def key_of(name: str, labels: Iterable[str]) -> str:
    """Return the key of a name with the values of its labels."""
    return _SIGN.join((name, *(each.replace(_SIGN, "?") for each in labels)))


def parts_of(key: str) -> tuple[str, list[str]]:
    """Return the name of a key, and the values of its labels."""
    name, *labels = key.split(_SIGN)
    return name, labels
