"""What a single run proves, in figures and in one sentence that claims no more than they do."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from stockstream.errors import StockstreamError, counted
from stockstream.research.overfitting import (
    Deflated,
    SharpeSample,
    deflated_sharpe,
    minimum_track_record,
    probabilistic_sharpe,
    sharpe_sample,
)
from stockstream.research.question import hurdle_of
from stockstream.research.resampling import FEWEST_TRADES, TradeOrders, trade_orders
from stockstream.research.trials import Trials, ledger_path
from stockstream.research.verdict import LIKELY, against_luck

if TYPE_CHECKING:
    from stockstream.backtesting.result import Result
    from stockstream.research.trials import Tried

#: Orders of the trades, and numbers that are drawn for all of them at most.
ORDERS: Final = 1_000
DRAWN: Final = 2_000_000

#: Share of the orders with a deeper drawdown than is named.
DEEP: Final = 0.05


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Evidence:
    """What one run proves.

    Attributes
    ----------
    sample
        Its Sharpe ratio of one period, how many returns, their skewness and kurtosis.
    probabilistic
        Probability that the true ratio is above 0, were this the only thing that was ever tried.
    track_record
        Years until that is 95 %; infinite where the ratio is not above 0.
    years
        Length of the run.
    tried
        Sweeps that the ledger counts on overlapping listings and dates.
    deflated
        The Sharpe ratio against the best of all of them; None where fewer than two were counted.
    orders
        Drawdowns of the same trades in other orders; None where `no_orders` says why.
    """

    sample: SharpeSample
    probabilistic: float
    track_record: float
    years: float
    tried: Tried
    deflated: Deflated | None
    orders: TradeOrders | None
    no_orders: str = ""

    @property
    def sentence(self) -> str:
        """One sentence for people."""
        if self.sample.sharpe <= 0.0:
            return "The run did not earn more than cash: there is nothing to prove."
        if self.deflated is not None:
            return against_luck(self.deflated.probability, self.tried.trials)
        if self.probabilistic >= LIKELY:
            return (
                f"Taken alone, the Sharpe ratio is above 0 with a probability of {self.probabilistic:.1%}; that holds "
                "only if nothing else was tried, and says nothing about the future."
            )
        return f"Not proven: even taken alone, a probability of {self.probabilistic:.1%} to be above 0 is not enough."

    def lines(self) -> list[tuple[str, str]]:
        """Return (what, figure) for tables."""
        year = math.sqrt(self.sample.observations / self.years)
        record = "no length" if math.isinf(self.track_record) else f"{self.track_record:,.1f} years"
        shape = f"skewness {self.sample.skewness:.2f}, kurtosis {self.sample.kurtosis:.1f} (3 is normal)"
        sweeps = "sweep" if self.tried.sweeps == 1 else "sweeps"
        counted = f"{self.tried.trials:,.0f} in {self.tried.sweeps:,} {sweeps}" if self.tried.sweeps else "none"
        said = [
            ("Sharpe ratio", f"{self.sample.sharpe * year:.2f} a year, over {self.years:.1f} years"),
            ("Shape of its returns", shape),
            ("Probability that it is above 0, taken alone", f"{self.probabilistic:.1%}"),
            ("Record needed for 95 %, taken alone", record),
            ("Trials counted on these listings and dates", counted),
        ]
        if self.deflated is not None:
            said += [
                ("Ratio that luck reaches in all of them", f"{self.deflated.threshold * year:.2f} a year"),
                ("Deflated Sharpe ratio", f"{self.deflated.probability:.1%}"),
            ]
        return [*said, *self.order_lines()]

    def order_lines(self) -> list[tuple[str, str]]:
        """Return those of the orders of its trades."""
        what = "Drawdown of the same trades in other orders"
        if self.orders is None:
            return [(what, f"not measured: {self.no_orders}")]
        deep = self.orders.deeper(DEEP)
        return [
            (f"Drawdown at the ends of {counted(self.orders.trades, 'trade')}", f"{self.orders.observed:.1%}"),
            (what, f"deeper in {self.orders.worse:.0%} of them; deeper than {deep:.1%} in one of twenty"),
        ]

    def __repr__(self) -> str:
        width = max(len(what) for what, _ in self.lines())
        return "\n".join([*(f"{what:<{width}}  {figure}" for what, figure in self.lines()), "", self.sentence])

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><th>{html.escape(a)}</th><td>{html.escape(b)}</td></tr>" for a, b in self.lines())
        return f"<p><strong>{html.escape(self.sentence)}</strong></p><table>{rows}</table>"


def evidence_of(result: Result, *, seed: int = 0) -> Evidence:
    """Say what one run proves; its time does not grow with the number of symbols.

    Parameters
    ----------
    result
        A finished run.
    seed
        Of the orders of its trades.

    Raises
    ------
    DataError
        Too few sessions, or an account that never changed.
    """
    settings = result.settings
    sample = sharpe_sample(result.equity["return"].to_numpy() - hurdle_of(settings))
    first, last = (str(day) for day in result.bars.dates[[0, -1]])
    tried = Trials(ledger_path(result.bars)).tried(result.bars.symbols, first, last)
    counted = tried.trials > 1 and math.isfinite(tried.variance)
    orders, missing = _orders(result, seed)
    return Evidence(
        sample=sample,
        probabilistic=probabilistic_sharpe(sample),
        track_record=minimum_track_record(sample) / settings.periods_per_year,
        years=sample.observations / settings.periods_per_year,
        tried=tried,
        deflated=deflated_sharpe(sample, tried.trials, tried.variance) if counted else None,
        orders=orders,
        no_orders=missing,
    )


def _orders(result: Result, seed: int) -> tuple[TradeOrders | None, str]:
    repetitions = max(min(ORDERS, DRAWN // max(len(result.ledgers["trades"]), FEWEST_TRADES)), 100)
    try:
        return trade_orders(result, repetitions=repetitions, seed=seed), ""
    except StockstreamError as error:
        return None, str(error)
