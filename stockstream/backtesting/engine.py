"""From a strategy and bars to a result: the border of the simulator.

Here options become the plain arrays and numbers of the kernels, decisions become panels, and what the kernels wrote
becomes a `Result`. Nothing here fills an order.
"""

from __future__ import annotations

import copy
import math
import warnings
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from stockstream_kernels import ledger, portfolio

from stockstream.backtesting.costs import Costs
from stockstream.backtesting.decisions import SIGNAL_LIFE, signal_panels, target_panel
from stockstream.backtesting.result import Result
from stockstream.backtesting.sizing import Sizing
from stockstream.backtesting.strategy import AnyStrategy, RuleStrategy, SignalStrategy, Strategy, TargetStrategy
from stockstream.bars import EXTRAS, Bars
from stockstream.errors import DataError, ParameterError
from stockstream.schema import OHLCV

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from stockstream.indicators.evaluate import Table

#: Symbols that a message names before it breaks off.
NAMED = 5

NONE = np.empty((0, 0))


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything about a run but its strategy and bars.

    Attributes
    ----------
    cash
        Initial cash, in the currency of the bars.
    costs, sizing
        See `Costs` and `Sizing`.
    fill
        ``"next_open"``: a decision is filled at the next open. ``"close"``: at the close it was made at; every report
        says so.
    leverage
        Largest gross exposure as a multiple of equity.
    maintenance
        Least equity as a fraction of gross exposure; below it everything is sold at the close.
    max_positions
        Most symbols held at once; None for no limit.
    intrabar
        When a stop and a target lie inside one bar: ``"pessimistic"`` takes the stop, ``"optimistic"`` the target;
        `backtest` also takes ``"both"``, which runs both and gives the interval of every metric.
    dividends
        On raw prices: ``"cash"`` credits them, ``"reinvest"`` buys shares without a fee.
    delist_loss
        Fraction of the last price that is lost when a held symbol is delisted.
    risk_free
        Annual rate behind Sharpe and Sortino.
    periods_per_year
        Bars a year behind annualised figures.
    """

    cash: float = 100_000.0
    costs: Costs = field(default_factory=Costs)
    sizing: Sizing = field(default_factory=Sizing)
    fill: Literal["next_open", "close"] = "next_open"
    leverage: float = 1.0
    maintenance: float = 0.25
    max_positions: int | None = None
    intrabar: Literal["pessimistic", "optimistic"] = "pessimistic"
    dividends: Literal["cash", "reinvest"] = "cash"
    delist_loss: float = 0.0
    risk_free: float = 0.0
    periods_per_year: float = 252.0

    def __post_init__(self) -> None:
        _within("cash", self.cash, 0.0, math.inf, "above 0, such as 100_000")
        _within("leverage", self.leverage, 0.999999, 100.0, "1 or more")
        _within("maintenance", self.maintenance, -1e-12, 1.0, "a fraction from 0 to below 1")
        _within("delist_loss", self.delist_loss, -1e-12, 1.000001, "a fraction from 0 to 1")
        _within("periods_per_year", self.periods_per_year, 0.0, math.inf, "above 0, 252 for daily bars")
        _one_of("fill", self.fill, ("next_open", "close"))
        _one_of("intrabar", self.intrabar, ("pessimistic", "optimistic"))
        _one_of("dividends", self.dividends, ("cash", "reinvest"))
        if not isinstance(self.costs, Costs) or not isinstance(self.sizing, Sizing):
            message = f"expected costs=ss.Costs(...) and sizing=ss.Sizing....; found {self.costs!r} and {self.sizing!r}"
            raise ParameterError(message)
        limit = self.max_positions
        if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 1):
            message = f"expected max_positions to be a whole number of at least 1, or None; found {limit!r}"
            raise ParameterError(message)


@dataclass(frozen=True, eq=False)
class Run:
    """One simulation: what it reads, what it changes, and how to go on when a ledger is full."""

    bars: Bars
    settings: Settings
    market: ledger.Market
    terms: ledger.Terms
    record: ledger.Record
    books: list[ledger.Book]

    @property
    def book(self) -> ledger.Book:
        """The book; it is replaced when a ledger grows."""
        return self.books[0]

    @classmethod
    def start(
        cls,
        bars: Bars,
        settings: Settings,
        *,
        keep_positions: bool = False,
        keep_levels: bool = False,
        quiet: bool = False,
    ) -> Run:
        """Return a fresh run; `quiet` leaves out the warning about bars without volume."""
        sessions, symbols = len(bars.dates), len(bars.symbols)
        positions = np.zeros((sessions, symbols)) if keep_positions else NONE
        equity, cash, longs, shorts = np.zeros((4, sessions))
        levels = np.full((2, symbols, sessions), np.nan) if keep_levels else np.empty((0, 0, 0))
        record = ledger.Record(equity, cash, longs, shorts, positions, levels)
        market, book = market_of(bars, quiet=quiet), _book(symbols, sessions, settings.cash)
        eventful = (
            bars.split is not None or bars.dividend is not None or bool((market.listing[ledger.DELISTED_ON] >= 0).any())
        )
        book.counts[ledger.EVENTFUL] = int(eventful)
        return cls(bars, settings, market, terms_of(bars, settings), record, [book])

    def through(self, advance: Callable[[Run, int], int], first: int = 0) -> None:
        """Advance to the end, growing the ledgers as often as they are full."""
        while first < len(self.bars.dates):
            first = advance(self, first)
            if first < len(self.bars.dates):
                self.grow()

    def grow(self) -> None:
        """Double the ledgers."""
        book = self.book
        grown = {name: _doubled(getattr(book, name)) for name in ("orders", "fills", "trades", "active")}
        self.books[0] = book._replace(**grown)


def backtest(
    strategy: AnyStrategy,
    bars: Bars,
    *,
    cash: float = 100_000.0,
    costs: Costs | None = None,
    sizing: Sizing | None = None,
    path: Literal["auto", "array", "event"] = "auto",
    benchmark: Any = None,
    keep_positions: bool = False,
    **settings: Any,
) -> Result:
    """Run a strategy over bars.

    Parameters
    ----------
    strategy
        A `RuleStrategy`, `Strategy`, `SignalStrategy` or `TargetStrategy`.
    bars
        Prices of the symbols it may trade; all symbols share one account.
    cash
        Initial cash, in the currency of the bars.
    costs, sizing
        Default: no costs, all cash.
    path
        ``"array"`` runs rules as arrays, ``"event"`` calls the strategy bar by bar; both give the same fills.
    benchmark
        A symbol of the bars, ``"universe"`` (buy and hold of all symbols in equal parts), a Polars frame with ``date``
        and ``close``, or an array (T,) of levels.
    keep_positions
        Keep the quantity held of every symbol on every session.
    **settings
        The other fields of `Settings`: fill, leverage, maintenance, max_positions, intrabar, dividends, delist_loss,
        risk_free, periods_per_year; and ``keep_levels=True``, which keeps the stops and targets of `Result.levels`.

    Returns
    -------
    Result
        Equity, trades, fills, orders with reasons, and metrics.

    Raises
    ------
    ParameterError, DataError
        Options or bars that make no sense, before anything runs.
    StrategyError
        The strategy raised; the error carries the ledger so far.

    Examples
    --------
    >>> import numpy as np, stockstream as ss
    >>> close = np.array([[10.0, 11.0, 12.0, 13.0]])
    >>> bars = ss.Bars.from_arrays(symbols=["X"], dates=np.arange("2024-01-01", "2024-01-05", dtype="datetime64[D]"),
    ...                            open=close, high=close, low=close, close=close, volume=close)
    >>> result = ss.backtest(ss.SignalStrategy(enter_long=[True, False, False, False]), bars, cash=1100.0)
    >>> result.equity["equity"].to_list()
    [1100.0, 1100.0, 1200.0, 1300.0]
    """
    _one_of("intrabar", settings.get("intrabar", "pessimistic"), ("pessimistic", "optimistic", "both"))
    if settings.get("intrabar") == "both":
        options = {**settings, "cash": cash, "costs": costs, "sizing": sizing, "keep_positions": keep_positions}
        return _interval(strategy, bars, path, benchmark, options)
    keep_levels = bool(settings.pop("keep_levels", False))
    chosen = settings_of(cash=cash, costs=costs, sizing=sizing, **settings)
    if not isinstance(bars, Bars):
        message = (
            f"expected Bars; found {type(bars).__name__}. Build them with lake.bars(...) or ss.Bars.from_polars(...)"
        )
        raise DataError(message)
    run = Run.start(bars, chosen, keep_positions=keep_positions, keep_levels=keep_levels)
    simulate(run, strategy, path)
    return Result.of(run, strategy, benchmark=benchmark)


def _interval(strategy: AnyStrategy, bars: Bars, path: Any, benchmark: Any, settings: dict[str, Any]) -> Result:
    """Run with the worse and the better assumption inside bars; the result is the worse one's, with the interval.

    Each run has a copy of the strategy: what a callback remembers of the one would be in the way of the other.
    """
    worse, better = (
        backtest(own, bars, path=path, benchmark=benchmark, **{**settings, "intrabar": assumption})
        for assumption, own in (("pessimistic", strategy), ("optimistic", copy.deepcopy(strategy)))
    )
    low, high = worse.metrics.to_dict(), better.metrics.to_dict()
    return replace(worse, interval={name: (low[name], high[name]) for name in low})


def simulate(run: Run, strategy: AnyStrategy, path: str, table: Table | None = None) -> None:
    """Carry a fresh run through to its end; a table of its bars may hold series of its rules already."""
    _one_of("path", path, ("auto", "array", "event"))
    if isinstance(strategy, TargetStrategy):
        targets = portfolio.Targets(
            target_panel(strategy, run.bars, run.settings.leverage), strategy.threshold, SIGNAL_LIFE
        )
        run.through(lambda r, t: int(portfolio.run_targets(r.book, r.market, r.terms, r.record, targets, t)))
    elif isinstance(strategy, SignalStrategy) or (isinstance(strategy, RuleStrategy) and path != "event"):
        signals = signal_panels(strategy, run.bars, run.settings.sizing, table)
        run.through(lambda r, t: int(portfolio.run_signals(r.book, r.market, r.terms, r.record, signals, t)))
    elif isinstance(strategy, Strategy):
        from stockstream.backtesting.events import run_events

        run_events(run, strategy)
    else:
        message = (
            f"expected a RuleStrategy, Strategy, SignalStrategy or TargetStrategy; found {strategy!r}. "
            "A class must be instantiated: MyStrategy(), not MyStrategy."
        )
        raise ParameterError(message)


def settings_of(**given: Any) -> Settings:
    """Return settings from options by name; costs and sizing may be None."""
    unknown = sorted(set(given) - set(Settings.__dataclass_fields__))
    if unknown:
        from stockstream.errors import did_you_mean

        known = Settings.__dataclass_fields__
        message = (
            f"backtest has no option {unknown[0]!r}; expected {', '.join(known)}.{did_you_mean(unknown[0], known)}"
        )
        raise ParameterError(message)
    return Settings(**{name: value for name, value in given.items() if value is not None})


def _within(name: str, value: Any, low: float, high: float, wording: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low < value < high:
        message = f"expected {name} to be {wording}; found {value!r}"
        raise ParameterError(message)


def _one_of(name: str, value: Any, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        message = f"expected {name} to be one of {', '.join(map(repr, allowed))}; found {value!r}"
        raise ParameterError(message)


def _doubled(values: NDArray[Any]) -> NDArray[Any]:
    grown = np.zeros(2 * len(values), dtype=values.dtype)
    grown[: len(values)] = values
    return grown


def _book(symbols: int, sessions: int, cash: float) -> ledger.Book:
    size = 12 * symbols + 256 + symbols * sessions // 64
    positions = np.zeros(symbols, dtype=ledger.POSITION)
    for name in ("stop", "target", "trail", "mark"):
        positions[name] = np.nan
    for name in ("pending", "stopped_on", "traded_on", "tested_on"):
        positions[name] = ledger.NEVER
    account = np.zeros(ledger.ACCOUNT_SIZE)
    account[ledger.CASH] = account[ledger.OVERNIGHT_CASH] = cash
    return ledger.Book(
        account,
        np.zeros(ledger.COUNTS_SIZE, dtype=np.int64),
        positions,
        np.zeros(size, dtype=ledger.ORDER),
        np.zeros(8 * symbols + 256, dtype=np.int64),
        np.zeros(symbols, dtype=np.int64),
        np.zeros(size, dtype=ledger.FILL),
        np.zeros(size, dtype=ledger.TRADE),
    )


def market_of(bars: Bars, *, quiet: bool) -> ledger.Market:
    """Return bars as kernels read them; `quiet` leaves out the warning about bars without volume."""
    with np.errstate(invalid="ignore"):
        has_volume = np.nansum(bars.volume, axis=1) > 0.0
    if not has_volume.all() and not quiet:
        silent = [s for s, known in zip(bars.symbols, has_volume, strict=True) if not known]
        warnings.warn(
            f"no volume for {', '.join(silent[:NAMED])}{' …' if len(silent) > NAMED else ''}: "
            "every bar counts as traded, because days without trade cannot be told",
            stacklevel=5,
        )
    delisted = np.full(len(bars.symbols), ledger.NEVER)
    for row, symbol in enumerate(bars.symbols):
        day = bars.delisted.get(symbol)
        if day is not None:
            after = int(np.searchsorted(bars.dates, np.datetime64(day, "D"), side="right"))
            delisted[row] = after if after < len(bars.dates) else ledger.NEVER
    given = [getattr(bars, name) for name in EXTRAS]
    extras = np.empty((0, 0, 0))
    if any(values is not None for values in given):
        extras = np.stack([np.full(bars.shape, np.nan) if values is None else values for values in given])
    listing = np.stack([has_volume.astype(np.int64), delisted])
    return ledger.Market(
        np.stack([getattr(bars, name) for name in OHLCV]), extras, bars.dates.astype(np.int64), listing
    )


def terms_of(bars: Bars, settings: Settings) -> ledger.Terms:
    """Return settings as kernels read them."""
    costs, venue = settings.costs, settings.costs.venue
    if venue.strict and bars.price_factor is None:
        message = (
            "price steps, lots and parcels of this venue are judged on as-traded prices, and these bars do not carry "
            "the factors to them: read them with lake.bars(...), or pass price_factor (1 everywhere for raw prices)"
        )
        raise DataError(message)
    if settings.sizing.kind == "volatility" and settings.sizing.at == "decision":
        message = "volatility sizing is a weight that is resolved at the fill; at='decision' does not apply"
        raise ParameterError(message)
    values: dict[str, float] = {
        "per_share": costs.commission.per_share,
        "minimum_fee": costs.commission.minimum,
        "slippage": costs.slippage.rate,
        "slippage_ticks": costs.slippage.ticks,
        "lot": venue.lot,
        "parcel": venue.parcel,
        "participation": costs.participation,
        "borrow_rate": costs.borrow_rate,
        "cash_rate": costs.cash_rate,
        "leverage": settings.leverage,
        "maintenance": settings.maintenance,
        "delist_loss": settings.delist_loss,
        "optimistic": settings.intrabar == "optimistic",
        "settle": venue.settlement > 0,
        "reinvest": settings.dividends == "reinvest",
        "close_fills": settings.fill == "close",
        "at_decision": settings.sizing.at == "decision",
        "max_positions": settings.max_positions or len(bars.symbols),
    }
    fees = costs.commission
    tiers = [(t.up_to, t.fixed, t.rate) for t in fees.tiers] or [(math.inf, 0.0, fees.rate)]
    record = np.zeros(1, dtype=ledger.TERMS).view(np.recarray)[0]
    for name, value in values.items():
        record[name] = value
    record["tiers"][: len(tiers)], record["tier_count"] = tiers, len(tiers)
    if venue.ticks:
        record["ticks"][: len(venue.ticks)], record["tick_count"] = venue.ticks, len(venue.ticks)
    return record
