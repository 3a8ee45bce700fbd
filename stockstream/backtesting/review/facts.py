"""What the checks look at: a finished run, and what follows from it, worked out once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from stockstream_kernels import ledger

from stockstream.backtesting.benchmark import benchmark_levels
from stockstream.backtesting.periods import monthly_returns
from stockstream.backtesting.strategy import RuleStrategy, SignalStrategy, TargetStrategy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stockstream.backtesting.result import Result

type Series = NDArray[np.float64]

DAYS_A_YEAR: Final = 365.25


class Audited(Protocol):
    """The outcome of a look-ahead audit: ``"clean"``, ``"looked ahead"`` or ``"cannot tell"``."""

    @property
    def outcome(self) -> str:
        """What the audit found."""


@dataclass(frozen=True, eq=False)
class Facts:
    """A run as the checks see it; figures that cannot be had are None."""

    result: Result
    audit: Audited | None = None

    @property
    def trades(self) -> NDArray[Any]:
        """Records of the closed trades."""
        return self.result.ledgers["trades"]

    @property
    def still_open(self) -> NDArray[Any]:
        """Records of the open trades, valued at their marks."""
        return self.result.ledgers["open"]

    @cached_property
    def gains(self) -> Series:
        """Net gain of every trade, open ones last."""
        gains: Series = np.concatenate([self.trades["pnl"], self.still_open["pnl"]])
        return gains

    @property
    def profit(self) -> float:
        """What the run made, in money."""
        return float(self.result.account.equity[-1] - self.result.settings.cash)

    @property
    def costs(self) -> float:
        """Commission, slippage and borrow fees paid, in money."""
        totals = self.result.totals
        return totals.fees + totals.slippage + totals.borrow

    @cached_property
    def years(self) -> float:
        """Calendar years from the first to the last bar."""
        dates = self.result.bars.dates
        return float((dates[-1] - dates[0]).astype("timedelta64[D]").astype(np.int64)) / DAYS_A_YEAR

    @cached_property
    def ruined(self) -> int | None:
        """Session on which the equity was gone."""
        broke = np.flatnonzero(self.result.account.equity <= 0.0)
        return int(broke[0]) if len(broke) else None

    @cached_property
    def growth(self) -> Series | None:
        """Log return of every session, or None after ruin."""
        if self.ruined is not None:
            return None
        levels = np.concatenate([[self.result.settings.cash], self.result.account.equity])
        growth: Series = np.diff(np.log(levels))
        return growth

    @cached_property
    def yearly(self) -> tuple[list[int], Series]:
        """Calendar years and their returns."""
        years, _, returns = monthly_returns(self.result)
        return years, returns

    @cached_property
    def by_symbol(self) -> Series:
        """Net gain of each symbol (S,), open trades included."""
        rows = np.concatenate([self.trades["symbol"], self.still_open["symbol"]])
        sums: Series = np.bincount(rows, weights=self.gains, minlength=len(self.result.bars.symbols))
        return sums

    @cached_property
    def traded(self) -> NDArray[np.intp]:
        """Rows of the symbols that were traded."""
        return np.unique(self.result.ledgers["fills"]["symbol"])

    @cached_property
    def own_code(self) -> str:
        """What of the strategy is code of its own, which nothing proves causal; empty for rules."""
        source = self.result.source
        if isinstance(source, SignalStrategy | TargetStrategy):
            return "arrays"
        if not isinstance(source, RuleStrategy):
            return "a callback"
        parts = (node for part in source.rules().expressions.values() for node in part.walk())
        own = {type(node).__name__ for node in parts if not type(node).__module__.startswith("stockstream.")}
        return f"indicators of its own ({', '.join(sorted(own))})" if own else ""

    @cached_property
    def buy_and_hold(self) -> float | None:
        """Return of the benchmark, or of buying all symbols in equal parts on the first day and holding them."""
        result = self.result
        if result.benchmark is not None:
            return float(result.benchmark[-1] / result.benchmark[0] - 1.0)
        if not result.bars.present.any():
            return None
        levels = benchmark_levels("universe", result.bars)
        return None if levels is None else float(levels[-1] / levels[0] - 1.0)

    @cached_property
    def shares_of_volume(self) -> Series:
        """Part of the day's volume that each fill took, of those on days with a volume."""
        fills, bars = self.result.ledgers["fills"], self.result.bars
        volume = bars.volume[fills["symbol"], fills["session"]]
        known = volume > 0.0
        shares: Series = np.abs(fills["quantity"][known]) / volume[known]
        return shares

    @cached_property
    def asked_without_volume(self) -> int:
        """Orders whose next bar was one on which nothing traded, of symbols that do have a volume."""
        orders, bars = self.result.ledgers["orders"], self.result.bars
        market = orders[(orders["kind"] == ledger.MARKET) & (orders["created"] < len(bars) - 1)]
        asked = 0
        for row in np.unique(market["symbol"]):
            if not (bars.volume[row] > 0.0).any():
                continue
            own = np.flatnonzero(bars.present[row])
            after = np.searchsorted(own, market["created"][market["symbol"] == row], side="right")
            following = own[after[after < len(own)]]
            asked += int((~(bars.volume[row, following] > 0.0)).sum())
        return asked

    @cached_property
    def traded_prices(self) -> Series:
        """Price of each fill as it was traded on the day."""
        fills, bars = self.result.ledgers["fills"], self.result.bars
        prices: Series = fills["price"]
        if bars.price_factor is None:
            return prices
        as_traded: Series = prices / bars.price_factor[fills["symbol"], fills["session"]]
        return as_traded
