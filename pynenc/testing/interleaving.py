"""Two actors whose storage operations come in every order, for tests of what they do to each other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from pynenc.testing.faulty_storage import CrashPlan

T = TypeVar("T")


class Turns(CrashPlan):
    """Lets one actor at a time go on, up to its next operation, as a schedule says.

    Put it under the components with `put_faulty(app, turns)`. An actor takes part from its call of
    `begin`; what it does before goes on freely.

    Attributes:
        trace: Who took each turn.
        choices: For each turn, who could have taken it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._condition = threading.Condition()
        self._actors: dict[int, int] = {}
        self._alive: set[int] = set()
        self._waiting: set[int] = set()
        self._holder: int | None = None
        self._schedule: list[int] = []
        self.trace: list[int] = []
        self.choices: list[frozenset[int]] = []

    def run(self, actors: Sequence[Callable[[], object]], schedule: Sequence[int]) -> list[BaseException]:
        """Run actors side by side; after the schedule, the first that is alive goes on.

        Returns:
            What they have raised.
        """
        self._schedule, self.trace, self.choices = list(schedule), [], []
        self._actors, self._alive, self._waiting = {}, set(range(len(actors))), set()
        self._holder = None
        raised: list[BaseException] = []

        def act(number: int) -> None:
            try:
                actors[number]()
            except BaseException as error:  # noqa: BLE001 - the test looks at it
                raised.append(error)
            with self._condition:
                self._alive.discard(number)
                self._actors.pop(threading.get_ident(), None)
                if self._holder == number:
                    self._holder = None
                self._condition.notify_all()

        threads = [threading.Thread(target=act, args=(number,)) for number in range(len(actors))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return raised

    def begin(self, number: int) -> None:
        """Take part, as the actor with this number."""
        with self._condition:
            self._actors[threading.get_ident()] = number

    # --- what storages call --------------------------------------------------------------

    def check(self) -> None:
        self._take_turn()

    def step(self, act: Callable[[], T], what: str = "") -> T:
        self._take_turn()
        return act()

    def _take_turn(self) -> None:
        number = self._actors.get(threading.get_ident())
        if number is None:
            return
        with self._condition:
            if self._holder == number:
                self._holder = None
            self._waiting.add(number)
            self._condition.notify_all()
            self._condition.wait_for(lambda: self._holder_now() == number)

    def _holder_now(self) -> int | None:
        """Return whose turn it is; it is decided once all that are alive have come to an operation."""
        if self._holder is None and self._waiting == self._alive:
            at = len(self.trace)
            wanted = self._schedule[at] if at < len(self._schedule) else min(self._alive)
            self._holder = wanted if wanted in self._alive else min(self._alive)
            self._waiting.discard(self._holder)
            self.trace.append(self._holder)
            self.choices.append(frozenset(self._alive))
            self._condition.notify_all()
        return self._holder


def every_order(run: Callable[[Sequence[int]], Turns], switches: int | None = None) -> Iterator[list[int]]:
    """Run two actors once for each order of their operations.

    Args:
        run: Sets the scene, runs the actors by a schedule and checks what came of it.
        switches: How often at most one actor is held up while it could go on; None for any number.

    Yields:
        The orders, after each was run.
    """
    prefixes: list[list[int]] = [[]]
    while prefixes:
        prefix = prefixes.pop()
        turns = run(prefix)
        yield turns.trace
        for at in range(len(prefix), len(turns.trace)):
            for other in turns.choices[at] - {turns.trace[at]}:
                order = [*turns.trace[:at], other]
                if switches is None or _held_up(order, turns.choices) <= switches:
                    prefixes.append(order)


def _held_up(order: Sequence[int], choices: Sequence[frozenset[int]]) -> int:
    return sum(order[at] != order[at - 1] and order[at - 1] in choices[at] for at in range(1, len(order)))
