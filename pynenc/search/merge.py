"""Merging streams of candidates into one, and remembering how far each has come."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from pynenc.search.streams import Candidate, Stream
from pynenc.storage.operations import Cursor


class Merge:
    """The candidates of several streams in one order, from where an earlier page has left off.

    Args:
        streams: The streams.
        places: How far each has come.
    """

    def __init__(self, streams: Sequence[Stream], places: Sequence[Cursor | None]) -> None:
        self._heads = [_Head(stream, place) for stream, place in zip(streams, places, strict=True)]

    def next(self, limit: int) -> list[tuple[int, Candidate]]:
        """Return up to so many candidates, each with the number of its stream; none at the end.

        Of each stream as many are read at a time.
        """
        found: list[tuple[int, Candidate]] = []
        for later in (False, True):
            heads = [(at, head) for at, head in enumerate(self._heads) if head.stream.is_later == later]
            while len(found) < limit:
                ready = [(at, head) for at, head in heads if head.first(limit) is not None]
                if not ready:
                    break
                at, head = (min if later else max)(ready, key=lambda each: each[1].rank)
                if len(ready) == 1:
                    found += [(at, each) for each in head.take(limit - len(found))]
                else:
                    found += [(at, each) for each in head.take(1)]
        return found

    @property
    def is_over(self) -> bool:
        """True if it is known that nothing follows."""
        return all(head.is_over for head in self._heads)


class _Head:
    """The next candidates of one stream."""

    def __init__(self, stream: Stream, place: Cursor | None) -> None:
        self.stream = stream
        self._place = place
        self._buffer: deque[Candidate] = deque()
        self._is_read = False

    def first(self, page: int) -> Candidate | None:
        if not self._buffer and not self._is_read:
            found = self.stream.read(page, self._place)
            self._buffer.extend(found)
            self._is_read = len(found) < page
            if found:
                self._place = found[-1].place
        return self._buffer[0] if self._buffer else None

    @property
    def rank(self) -> tuple[float, str]:
        first = self._buffer[0]
        return first.place.order, first.invocation_id

    @property
    def is_over(self) -> bool:
        return self._is_read and not self._buffer

    def take(self, most: int) -> list[Candidate]:
        return [self._buffer.popleft() for _ in range(min(most, len(self._buffer)))]
