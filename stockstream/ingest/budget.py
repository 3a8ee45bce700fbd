"""How often a source may be asked: one budget for all batches that run at once.

Each batch waits between its own symbols; all of them together stay under one rate (a token bucket); a refusal by any
of them adds to everybody's waits, and answers take that away again.
"""

from __future__ import annotations

import threading
import time
from random import Random
from typing import TYPE_CHECKING, Final

from stockstream.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Callable

#: Seconds that the first refusal adds to every wait; each further one doubles them, up to the most.
FIRST_EXTRA: Final = 1.0
MOST_EXTRA: Final = 60.0

#: What an answer leaves of the extra seconds, and how little is nothing.
RECOVERY: Final = 0.9
NOTHING: Final = 0.05

#: One burst of refusals meets many batches at once and counts once: no doubling within this time of the last.
ONE_BURST: Final = 1.0


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
    >>> pace = budget.pace()
    >>> [(pace.wait(), now[0])[1] for _ in range(3)]
    [0.0, 2.0, 4.0]
    >>> pace.wait(deadline=5.0)  # the turn would come at 6
    False
    """

    def __init__(
        self,
        *,
        delay: float = 2.0,
        per_second: float = 5.0,
        burst: int = 10,
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
        self._lock = threading.Lock()
        self._earliest = clock() - (burst - 1) * self._interval
        self._extra = 0.0
        self._last_refusal = float("-inf")

    @property
    def extra(self) -> float:
        """Seconds that refusals have added to the delay, and answers not yet taken away."""
        return self._extra

    def pace(self) -> BatchPace:
        """Return the pace of one more batch."""
        return BatchPace(self)

    def turn(self, previous: float, deadline: float | None) -> float | None:
        """Take the next turn of a batch whose previous one was at `previous`; None when it is after the deadline."""
        with self._lock:
            now = self._clock()
            extra = self._extra * self._random.uniform(0.75, 1.25)
            bucket = max(self._earliest, now - (self._burst - 1) * self._interval)
            turn = max(now, bucket, previous + self.delay + extra)
            if deadline is not None and turn > deadline:
                return None
            self._earliest = bucket + self._interval
            return turn

    def wait_until(self, turn: float) -> None:
        """Sleep until a turn comes."""
        left = turn - self._clock()
        if left > 0:
            self._sleep(left)

    def served(self) -> None:
        """Take some of the extra seconds away."""
        with self._lock:
            self._extra = self._extra * RECOVERY if self._extra > NOTHING else 0.0

    def refused(self) -> None:
        """Add to everybody's waits."""
        with self._lock:
            now = self._clock()
            if now - self._last_refusal >= ONE_BURST:
                self._extra = min(max(FIRST_EXTRA, 2 * self._extra), MOST_EXTRA)
                self._last_refusal = now


class BatchPace:
    """The pace of one batch within a shared budget; see `stockstream.ingest.sources.Pace`."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._previous = float("-inf")

    def wait(self, deadline: float | None = None) -> bool:
        """Wait for the next turn; False, at once, when it would come after the deadline."""
        turn = self._budget.turn(self._previous, deadline)
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
