"""How often a source may be asked: one budget for all batches that run at once.

Each batch waits between its own symbols; all of them together stay under one rate (a token bucket); a refusal by any
of them adds to everybody's waits, and answers take that away again.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, Final

from stockstream.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Callable, MutableSequence
    from contextlib import AbstractContextManager
    from multiprocessing.context import BaseContext

#: Seconds that the first refusal adds to every wait; each further one doubles them, up to the most.
FIRST_EXTRA: Final = 1.0
MOST_EXTRA: Final = 60.0

#: What an answer leaves of the extra seconds, and how little is nothing.
RECOVERY: Final = 0.9
NOTHING: Final = 0.05

#: One burst of refusals meets many batches at once and counts once: no doubling within this time of the last.
ONE_BURST: Final = 1.0


#: Places of what the batches share: the bucket's earliest turn, the extra seconds, the time of the last refusal, then
#: the symbols asked for by each batch.
_EARLIEST, _EXTRA, _LAST_REFUSAL, _COUNTS = range(4)

#: More batches than that are paced, but not counted.
MOST_BATCHES: Final = 10_000


@dataclass(frozen=True, kw_only=True)
class Shared:
    """The memory that all batches of a run share, and what guards it."""

    values: MutableSequence[float] = field(default_factory=lambda: [0.0] * (_COUNTS + MOST_BATCHES + 1))
    lock: AbstractContextManager[Any] = field(default_factory=threading.Lock)

    @classmethod
    def between_processes(cls, context: BaseContext) -> Shared:
        """Return memory that child processes of a context can be handed when they start."""
        values = context.Array("d", _COUNTS + MOST_BATCHES + 1)
        return cls(values=values, lock=values.get_lock())  # type: ignore[arg-type]  # an array, which typeshed hides


class Budget:
    """The requests that all batches of a run may make together.

    Parameters
    ----------
    delay
        Seconds between two symbols of one batch.
    per_second
        Most symbols a second over all batches; a burst of `burst` may come at once.
    burst
        Size of the bucket.
    shared
        What batches in other processes share too; by default memory of this process.
    clock, sleep, random
        For tests: seconds that never go back, a wait, and the source of jitter.

    Raises
    ------
    ParameterError
        A value is negative, or no symbol may ever be asked for.

    Examples
    --------
    >>> now = [0.0]
    >>> budget = Budget(delay=2.0, clock=lambda: now[0], sleep=lambda seconds: now.__setitem__(0, now[0] + seconds))
    >>> pace = budget.pace(1)
    >>> [(pace.wait(), now[0])[1] for _ in range(3)]
    [0.0, 2.0, 4.0]
    >>> pace.wait(deadline=5.0)  # the turn would come at 6
    False
    >>> budget.asked(1)
    3
    """

    def __init__(
        self,
        *,
        delay: float = 2.0,
        per_second: float = 5.0,
        burst: int = 10,
        shared: Shared | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        random: Random | None = None,
    ) -> None:
        if not (delay >= 0 and per_second > 0 and burst >= 1):
            message = (
                "expected a delay of at least 0 seconds, and more than 0 symbols a second in bursts of at least 1; "
                f"found {delay:g}, {per_second:g} and {burst}"
            )
            raise ParameterError(message)
        self.delay, self._interval, self._burst = delay, 1 / per_second, burst
        self._clock, self._sleep = clock, sleep
        self._random = random or Random()
        self._shared = shared or Shared()

    @property
    def extra(self) -> float:
        """Seconds that refusals have added to the delay, and answers not yet taken away."""
        return self._shared.values[_EXTRA]

    def asked(self, batch: int) -> int:
        """Return how many symbols a batch has asked for."""
        return int(self._shared.values[_COUNTS + min(batch, MOST_BATCHES)])

    def pace(self, batch: int = MOST_BATCHES) -> BatchPace:
        """Return the pace of one more batch, by its number."""
        return BatchPace(self, min(batch, MOST_BATCHES))

    def turn(self, batch: int, previous: float, deadline: float | None) -> float | None:
        """Take the next turn of a batch whose previous one was at `previous`; None when it is after the deadline."""
        values = self._shared.values
        with self._shared.lock:
            now = self._clock()
            extra = values[_EXTRA] * self._random.uniform(0.75, 1.25)
            bucket = max(values[_EARLIEST], now - (self._burst - 1) * self._interval)
            turn = max(now, bucket, previous + self.delay + extra)
            if deadline is not None and turn > deadline:
                return None
            values[_EARLIEST] = bucket + self._interval
            values[_COUNTS + batch] += 1
            return turn

    def wait_until(self, turn: float) -> None:
        """Sleep until a turn comes."""
        left = turn - self._clock()
        if left > 0:
            self._sleep(left)

    def served(self) -> None:
        """Take some of the extra seconds away."""
        values = self._shared.values
        with self._shared.lock:
            values[_EXTRA] = values[_EXTRA] * RECOVERY if values[_EXTRA] > NOTHING else 0.0

    def refused(self) -> None:
        """Add to everybody's waits."""
        values = self._shared.values
        with self._shared.lock:
            now = self._clock()
            if not values[_LAST_REFUSAL] or now - values[_LAST_REFUSAL] >= ONE_BURST:
                values[_EXTRA] = min(max(FIRST_EXTRA, 2 * values[_EXTRA]), MOST_EXTRA)
                values[_LAST_REFUSAL] = now


class BatchPace:
    """The pace of one batch within a shared budget; see `stockstream.ingest.sources.Pace`."""

    def __init__(self, budget: Budget, batch: int) -> None:
        self._budget, self._batch = budget, batch
        self._previous = float("-inf")

    def wait(self, deadline: float | None = None) -> bool:
        """Wait for the next turn; False, at once, when it would come after the deadline."""
        turn = self._budget.turn(self._batch, self._previous, deadline)
        if turn is None:
            return False
        self._budget.wait_until(turn)
        self._previous = turn
        return True

    def served(self) -> None:
        """Report an answer."""
        self._budget.served()

    def refused(self) -> None:
        """Report a refusal for asking too often."""
        self._budget.refused()
