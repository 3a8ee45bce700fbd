"""Real prices with one known fault each: what share of faults the checks of the lake find.

Slices of real US prices (which anyone can install), each under a name of its own, each spoiled in one way at a random
place. The control is the same slices without a fault. All of it goes through the checks in one run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import polars as pl

from stockstream.lake import sample_rows
from stockstream.lake.quality.judge import judge_rows
from stockstream.sessions import sessions

if TYPE_CHECKING:
    from collections.abc import Callable

PRICES = ["open", "high", "low", "close"]
SEED = 20_240_131
TRIALS = 40
LENGTH = 260
FIRST_FETCH, SECOND_FETCH, THIRD_FETCH = (f"2020-0{month}-01T00:00:00.000000Z" for month in (1, 2, 3))


@dataclass
class Slice:
    """Bars of one symbol, what was spoiled where, and events."""

    frame: pl.DataFrame
    random: np.random.Generator
    at: int = 0
    dividends: list[tuple[date, float]] = field(default_factory=list)
    splits: list[tuple[date, float]] = field(default_factory=list)

    def scale(
        self, first: int, last: int, factor: float, columns: tuple[str, ...] = (*PRICES, "adjusted_close")
    ) -> None:
        """Multiply the prices of the rows from `first` up to `last`."""
        inside = pl.int_range(pl.len()).is_between(first, last, closed="left")
        self.frame = self.frame.with_columns(
            pl.when(inside).then(pl.col(name) * factor).otherwise(pl.col(name)).alias(name) for name in columns
        )

    def put(self, place: int, **values: Any) -> None:
        """Set values of one row."""
        here = pl.int_range(pl.len()) == place
        self.frame = self.frame.with_columns(
            pl.when(here).then(pl.lit(value)).otherwise(pl.col(name)).alias(name) for name, value in values.items()
        )

    def day(self, place: int) -> date:
        """Return the date of a row."""
        return self.frame["date"][place]


@dataclass(frozen=True)
class Fault:
    """A way to spoil prices, and the reason codes of which one must be found."""

    name: str
    spoil: Callable[[Slice], None]
    reasons: tuple[str, ...]


def unit(case: Slice) -> None:
    """Write one to five days in cents, or in hundreds of dollars."""
    case.scale(case.at, case.at + int(case.random.integers(1, 6)), float(case.random.choice([100.0, 0.01])))


def one_close(case: Slice) -> None:
    """Write one close of a tenth or ten times."""
    case.scale(case.at, case.at + 1, float(case.random.choice([10.0, 0.1])), ("close", "adjusted_close"))


def split_not_applied(case: Slice) -> None:
    """Record a split and leave the days before it as they were."""
    ratio = float(case.random.choice([2.0, 3.0, 5.0, 10.0, 0.1]))
    case.scale(0, case.at, ratio)
    case.splits.append((case.day(case.at), ratio))


def split_misapplied(case: Slice) -> None:
    """Apply a recorded split to one more day."""
    ratio = float(case.random.choice([2.0, 3.0, 5.0, 10.0, 0.1]))
    case.splits.append((case.day(case.at), ratio))
    place = case.at + int(case.random.integers(1, 30))
    case.scale(place, place + 1, 1 / ratio)


def split_not_recorded(case: Slice) -> None:
    """Split without saying so."""
    case.scale(0, case.at, float(case.random.choice([3.0, 5.0, 10.0, 0.1, 0.02])))


def split_twice(case: Slice) -> None:
    """Record a split that the prices contain, and the same again a week later."""
    case.splits += [(case.day(case.at), 2.0), (case.day(case.at + 5), 2.0)]


def dividend_not_adjusted(case: Slice) -> None:
    """Record a dividend of 1 to 4 % that the adjusted close does not know."""
    share = float(case.random.uniform(0.01, 0.04))
    case.dividends.append((case.day(case.at), case.frame["close"][case.at - 1] * share))


def dividend_in_cents(case: Slice) -> None:
    """Record a dividend of 2 % in cents."""
    case.dividends.append((case.day(case.at), case.frame["close"][case.at - 1] * 2.0))


def stale(case: Slice) -> None:
    """Repeat a bar on the three days after it."""
    row = case.frame.row(case.at, named=True)
    for place in range(case.at + 1, case.at + 4):
        case.put(place, **{name: row[name] for name in (*PRICES, "volume")})


def high_below_low(case: Slice) -> None:
    """Exchange high and low."""
    row = case.frame.row(case.at, named=True)
    case.put(case.at, high=row["low"] - 0.01, low=row["high"])


def zero(case: Slice) -> None:
    """Write 0 for a low."""
    case.put(case.at, low=0.0)


def missing(case: Slice) -> None:
    """Leave a close out."""
    case.put(case.at, close=None)


def twice(case: Slice) -> None:
    """Answer one day twice."""
    row = case.frame.slice(case.at, 1).with_columns(pl.col("close") * 1.01)
    case.frame = pl.concat([case.frame, row])


def lost_days(case: Slice) -> None:
    """Lose one to three sessions."""
    last = case.at + int(case.random.integers(1, 4))
    case.frame = case.frame.filter(~pl.int_range(pl.len()).is_between(case.at, last, closed="left"))


def saturday(case: Slice) -> None:
    """Carry a Friday's price to Saturday."""
    friday = next(place for place in range(case.at, len(case.frame)) if case.day(place).weekday() == 4)
    row = case.frame.slice(friday, 1).with_columns(pl.col("date") + timedelta(days=1), volume=pl.lit(0, pl.Int64))
    case.frame = pl.concat([case.frame, row])


def shifted(case: Slice) -> None:
    """Date three months a day early."""
    inside = pl.int_range(pl.len()).is_between(case.at, case.at + 63, closed="left")
    early = pl.col("date") - timedelta(days=1)
    case.frame = case.frame.with_columns(pl.when(inside).then(early).otherwise(pl.col("date")).alias("date"))


def elsewhere(case: Slice) -> None:
    """Date all bars by the sessions of another exchange."""
    days = sessions(case.day(0), date(2020, 1, 1), "XLON")[: len(case.frame)]
    case.frame = case.frame.with_columns(date=pl.Series(days))


def rescaled(case: Slice) -> None:
    """Answer the whole history again on another scale."""
    again = case.frame.with_columns(pl.col(*PRICES) * 0.1, fetch_timestamp=pl.lit(SECOND_FETCH))
    case.frame = pl.concat([case.frame, again])


def flipped(case: Slice) -> None:
    """Answer the history on another scale, and then on the first again."""
    first = case.frame
    rescaled(case)
    case.frame = pl.concat([case.frame, first.with_columns(fetch_timestamp=pl.lit(THIRD_FETCH))])


def other_series(case: Slice) -> None:
    """Answer the history again with another company's prices."""
    walk = np.exp(np.cumsum(case.random.normal(0, 0.02, len(case.frame))))
    again = case.frame.with_columns(pl.col(*PRICES) * pl.Series(0.5 * walk), fetch_timestamp=pl.lit(SECOND_FETCH))
    case.frame = pl.concat([case.frame, again])


def repaired(case: Slice) -> None:
    """Answer two days in cents, and all days right a month later."""
    right = case.frame.with_columns(fetch_timestamp=pl.lit(SECOND_FETCH))
    case.scale(case.at, case.at + 2, 100.0)
    case.frame = pl.concat([case.frame, right])


FAULTS = (
    Fault("1 to 5 days in another unit (100 times)", unit, ("unit_error",)),
    Fault("one close of ten times or a tenth", one_close, ("unit_error",)),
    Fault("two days in another unit, repaired later", repaired, ("unit_error_repaired",)),
    Fault("a split recorded and not applied", split_not_applied, ("split_not_applied",)),
    Fault("a split applied to one day too many", split_misapplied, ("split_misapplied", "unit_error")),
    Fault("a split not recorded", split_not_recorded, ("split_not_recorded",)),
    Fault("the same split twice", split_twice, ("split_twice",)),
    Fault("a dividend that the adjusted close does not contain", dividend_not_adjusted, ("dividend_not_adjusted",)),
    Fault("a dividend in cents", dividend_in_cents, ("dividend_not_below_price",)),
    Fault("one bar repeated for three days", stale, ("stale",)),
    Fault("high below low", high_below_low, ("high_below_low",)),
    Fault("a price of 0", zero, ("price_not_positive",)),
    Fault("a price missing", missing, ("missing_price",)),
    Fault("two rows for one day", twice, ("duplicate_row",)),
    Fault("one to three sessions lost", lost_days, ("missing_session",)),
    Fault("a bar on a Saturday", saturday, ("not_a_session",)),
    Fault("three months dated a day early", shifted, ("day_shift",)),
    Fault("the sessions of another exchange", elsewhere, ("other_listing",)),
    Fault("the whole history on another scale", rescaled, ("rescaled",)),
    Fault("another scale and back", flipped, ("flipped",)),
    Fault("another series under the symbol", other_series, ("two_series",)),
)


@dataclass(frozen=True)
class Recall:
    """How many of the faults of one kind were found, as an error or a warning with one of the expected reasons."""

    fault: str
    reasons: tuple[str, ...]
    found: int
    trials: int


def measure(trials: int = TRIALS, seed: int = SEED) -> tuple[list[Recall], tuple[int, int, list[str]]]:
    """Spoil, judge and count.

    Returns
    -------
    list of Recall
        One per kind of fault.
    tuple
        Of the slices without a fault: those with an error or a warning, all, and the reasons named.
    """
    cases = {fault.name: _cases(fault, trials, seed + place) for place, fault in enumerate(FAULTS)}
    cases["none"] = _cases(None, trials * 5, seed - 1)
    connection = duckdb.connect()
    together = [case for group in cases.values() for case in group.values()]
    connection.register("given_rows", pl.concat([case.frame for case in together]))
    connection.execute("CREATE TABLE rows AS SELECT * FROM given_rows")
    for kind in ("dividend", "split"):
        named_cases = [pair for group in cases.values() for pair in group.items()]
        lines = [(name, *event) for name, case in named_cases for event in getattr(case, f"{kind}s")]
        schema = {"symbol": pl.String, "ex_date": pl.Date, kind: pl.Float64}
        connection.register("given_events", pl.DataFrame(lines, schema=schema, orient="row"))
        connection.execute(f"CREATE TABLE {kind}s AS SELECT * FROM given_events")
    judged = judge_rows(connection, dividends="dividends", splits="splits", exchange="XNYS")
    named: dict[str, set[str]] = {}
    for found in judged.findings:
        if found.severity != "info":
            named.setdefault(found.symbol, set()).add(found.reason)
    recalls = []
    for fault in FAULTS:
        reasons = [named.get(name, set()) for name in cases[fault.name]]
        hits = sum(bool(set(fault.reasons) & found) for found in reasons)
        recalls.append(Recall(fault.name, fault.reasons, hits, len(reasons)))
    clean = [named.get(name, set()) for name in cases["none"]]
    return recalls, (sum(map(bool, clean)), len(clean), sorted(set().union(*clean)))


def _cases(fault: Fault | None, trials: int, seed: int) -> dict[str, Slice]:
    random = np.random.default_rng(seed)
    sample = pl.DataFrame(sample_rows()).filter(pl.col("date") >= date(2003, 3, 1))
    history = {symbol: own.sort("date") for (symbol,), own in sample.group_by("symbol") if len(own) > 2 * LENGTH}
    cases = {}
    for trial in range(trials):
        symbol = sorted(history)[trial % len(history)]
        first = int(random.integers(0, len(history[symbol]) - LENGTH))
        # No slice holds AAPL's real split of 2005-02-28 as traded, which is a fault of its own.
        own = history[symbol].slice(first, LENGTH)
        if symbol == "AAPL" and own["date"][0] <= date(2005, 2, 28) <= own["date"][-1]:
            own = history[symbol].tail(LENGTH + trial).head(LENGTH)
        name = f"{symbol}-{fault.name if fault else 'clean'}-{trial}"
        frame = own.with_columns(symbol=pl.lit(name), fetch_timestamp=pl.lit(FIRST_FETCH))
        case = Slice(frame, random, at=int(random.integers(40, LENGTH - 80)))
        if fault is not None:
            fault.spoil(case)
        cases[name] = case
    return cases
