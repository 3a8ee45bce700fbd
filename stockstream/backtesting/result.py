"""What a backtest leaves behind: figures first, every fill explained on demand."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from stockstream_kernels import ledger

from stockstream.backtesting.benchmark import benchmark_levels
from stockstream.backtesting.explain import explain
from stockstream.backtesting.metrics import Metrics, Totals, metrics, rolling
from stockstream.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import plotly.graph_objects as go
    import polars as pl

    from stockstream.backtesting.engine import Run, Settings
    from stockstream.backtesting.review.check import Review
    from stockstream.backtesting.review.facts import Audited
    from stockstream.backtesting.strategy import AnyStrategy
    from stockstream.bars import Bars
    from stockstream.panels import Day
    from stockstream.research.evidence import Evidence
    from stockstream.research.stress import Stress

type Series = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class Result:
    """A finished backtest.

    Attributes
    ----------
    metrics
        Figures of the run; a frozen dataclass with ``to_dict()``.
    bars, settings
        What was run on, and how.
    strategy, parameters
        Name and parameters of the strategy.
    account
        Equity, cash and exposure per session as arrays, as the kernel wrote them.
    ledgers
        Records of orders, fills and trades as structured arrays; the frames below are views for people.
    ambiguous_bars
        Bars on which a stop and a target (or an entry and its stop) lay inside the range, so that the order of events
        had to be assumed.
    benchmark
        Levels of the benchmark (T,), or None.
    source
        The strategy object that ran.
    interval
        With ``intrabar="both"``: metric -> (pessimistic, optimistic); the rest of the result is the pessimistic run.
    """

    metrics: Metrics
    bars: Bars
    settings: Settings
    strategy: str
    parameters: Mapping[str, Any]
    account: ledger.Record
    ledgers: Mapping[str, NDArray[Any]]
    totals: Totals
    ambiguous_bars: int
    benchmark: Series | None = None
    source: Any = field(default=None)
    interval: Mapping[str, tuple[float, float]] | None = None

    @classmethod
    def of(cls, run: Run, strategy: AnyStrategy, *, benchmark: Any = None) -> Result:
        """Collect a finished run."""
        book = run.book
        _end_waiting(book)
        account, counts = book.account, book.counts
        totals = Totals(
            fees=float(account[ledger.FEES]),
            slippage=float(account[ledger.SLIPPAGE]),
            borrow=float(account[ledger.BORROW]),
            interest=float(account[ledger.INTEREST]),
            traded=float(account[ledger.TURNOVER]),
        )
        ledgers = {
            "orders": book.orders[: counts[ledger.ORDERS]].copy(),
            "fills": book.fills[: counts[ledger.FILLS]].copy(),
            "trades": book.trades[: counts[ledger.TRADES]].copy(),
            "open": _open_trades(book),
        }
        levels = benchmark_levels(benchmark, run.bars)
        figures = metrics(
            run.record.equity,
            run.settings.cash,
            ledgers["trades"],
            exposure=run.record.long_value + run.record.short_value > 0.0,
            totals=totals,
            benchmark=levels,
            periods_per_year=run.settings.periods_per_year,
            risk_free=run.settings.risk_free,
        )
        return cls(
            metrics=figures,
            bars=run.bars,
            settings=run.settings,
            strategy=strategy.name,
            parameters=strategy.parameters,
            account=run.record,
            ledgers=ledgers,
            totals=totals,
            ambiguous_bars=int(counts[ledger.AMBIGUOUS]),
            benchmark=levels,
            source=strategy,
        )

    # ---- frames -----------------------------------------------------------------------------------------------

    @cached_property
    def equity(self) -> pl.DataFrame:
        """One row per session: date, equity, cash, gross and net exposure in money, return, drawdown (fractions)."""
        import polars as pl

        equity = self.account.equity
        with_start = np.concatenate([[self.settings.cash], equity])
        with np.errstate(divide="ignore", invalid="ignore"):
            returns = with_start[1:] / with_start[:-1] - 1.0
            drawdown = equity / np.maximum.accumulate(with_start)[1:] - 1.0
        return pl.DataFrame(
            {
                "date": self.bars.dates,
                "equity": equity,
                "cash": self.account.cash,
                "gross_exposure": self.account.long_value + self.account.short_value,
                "net_exposure": self.account.long_value - self.account.short_value,
                "return": returns,
                "drawdown": drawdown,
            }
        )

    @cached_property
    def trades(self) -> pl.DataFrame:
        """One row per round trip, open ones last with the mark in the place of the exit.

        pnl is money net of both fees, return is pnl / entry notional, mae and mfe are fractions of the entry price.
        """
        import polars as pl

        rows = np.concatenate([self.ledgers["trades"], self.ledgers["open"]])
        is_open = np.arange(len(rows)) >= len(self.ledgers["trades"])
        frame = pl.DataFrame(
            {
                "symbol": self._symbols(rows["symbol"]),
                "side": np.where(rows["side"] > 0, "long", "short").astype(object),
                "entry_date": self._days(rows["entry"]),
                "entry_price": rows["entry_price"],
                "exit_date": self._days(rows["exit"]),
                "exit_price": rows["exit_price"],
                "quantity": rows["quantity"],
                "pnl": rows["pnl"],
                "return": rows["pnl"] / (rows["quantity"] * rows["entry_price"]),
                "fees": rows["fees"],
                "bars_held": rows["bars_held"],
                "mae": rows["mae"],
                "mfe": rows["mfe"],
                "entry_reason": _texts(ledger.REASONS, rows["entry_reason"]),
                "exit_reason": _texts(ledger.REASONS, rows["exit_reason"]),
                "open": is_open,
            },
            schema_overrides={
                "symbol": pl.String,
                "side": pl.String,
                "entry_reason": pl.String,
                "exit_reason": pl.String,
            },
        )
        return frame.with_columns(
            pl.when(pl.col("open")).then(None).otherwise(pl.col(name)).alias(name)
            for name in ("exit_date", "exit_reason")
        )

    @cached_property
    def fills(self) -> pl.DataFrame:
        """One row per fill; slippage is the money it cost."""
        import polars as pl

        rows = self.ledgers["fills"]
        return pl.DataFrame(
            {
                "order_id": rows["order"],
                "date": self._days(rows["session"]),
                "symbol": self._symbols(rows["symbol"]),
                "side": np.where(rows["quantity"] > 0, "buy", "sell").astype(object),
                "quantity": np.abs(rows["quantity"]),
                "price": rows["price"],
                "fee": rows["fee"],
                "slippage": rows["slippage"],
                "reason": _texts(ledger.REASONS, rows["reason"]),
            },
            schema_overrides={"symbol": pl.String, "side": pl.String, "reason": pl.String},
        )

    @cached_property
    def orders(self) -> pl.DataFrame:
        """One row per order: what was asked, why, and how it ended."""
        import polars as pl

        rows = self.ledgers["orders"]
        frame = pl.DataFrame(
            {
                "order_id": np.arange(len(rows)),
                "symbol": self._symbols(rows["symbol"]),
                "created": self._days(rows["created"]),
                "kind": _texts(ledger.KINDS, rows["kind"]),
                "side": np.select([rows["side"] > 0, rows["side"] < 0], ["buy", "sell"], "target").astype(object),
                "size": _texts(ledger.SIZES, rows["size_kind"]),
                "amount": rows["size"],
                "quantity": rows["asked"],
                "limit": rows["limit"],
                "stop": rows["stop"],
                "cause": _texts(ledger.REASONS, rows["cause"]),
                "status": _texts(ledger.STATUSES, rows["status"]),
                "reason": _texts(ledger.REASONS, rows["reason"]),
                "filled": rows["filled"],
                "fill_price": rows["fill_price"],
                "fill_date": self._days(np.maximum(rows["filled_on"], 0)),
            },
            schema_overrides=dict.fromkeys(("symbol", "kind", "side", "size", "cause", "status", "reason"), pl.String),
        )
        done = pl.Series(rows["filled_on"] >= 0)
        return frame.with_columns(
            pl.when(done).then(pl.col("fill_date")).alias("fill_date"),
            *(pl.col(name).fill_nan(None) for name in ("quantity", "limit", "stop", "fill_price")),
        )

    @cached_property
    def positions(self) -> pl.DataFrame:
        """Quantity held after each session, one row per session and held symbol; needs ``keep_positions=True``."""
        import polars as pl

        held = self.account.positions
        if held.shape[0] == 0:
            message = "positions by day were not kept: run backtest(..., keep_positions=True)"
            raise ParameterError(message)
        sessions, symbols = np.nonzero(held)
        columns = {"date": self._days(sessions), "symbol": self._symbols(symbols), "quantity": held[sessions, symbols]}
        return pl.DataFrame(columns, schema_overrides={"symbol": pl.String})

    def levels(self, symbol: str) -> pl.DataFrame:
        """Stop and target that each bar of a symbol was tested against; needs ``keep_levels=True``.

        Returns
        -------
        polars.DataFrame
            ``date``, ``stop`` (the nearer of the fixed and the trailing one) and ``target``, one row per session, in
            prices of the bars; null where nothing was held, tested or attached. The bar that ends a position is there.
        """
        import polars as pl

        row, kept = self.bars.row(symbol), self.account.levels
        if kept.shape[0] == 0:
            message = "stops and targets by day were not kept: run backtest(..., keep_levels=True)"
            raise ParameterError(message)
        frame = pl.DataFrame({"date": self.bars.dates, "stop": kept[0, row], "target": kept[1, row]})
        return frame.with_columns(pl.exclude("date").fill_nan(None))

    def _days(self, sessions: NDArray[Any]) -> NDArray[np.datetime64]:
        days: NDArray[np.datetime64] = self.bars.dates[sessions]
        return days

    def _symbols(self, rows: NDArray[Any]) -> NDArray[Any]:
        names: NDArray[Any] = np.asarray(self.bars.symbols, dtype=object)[rows]
        return names

    def rolling(self, window: int = 63) -> pl.DataFrame:
        """Return, volatility, Sharpe, Sortino, drawdown and beta of the last `window` returns, one row per session.

        Null before the first full window; beta needs a benchmark.
        """
        import polars as pl

        rolled = rolling(
            self.account.equity,
            window,
            cash=self.settings.cash,
            benchmark=self.benchmark,
            periods_per_year=self.settings.periods_per_year,
            risk_free=self.settings.risk_free,
        )
        frame = pl.DataFrame({"date": self.bars.dates, **rolled._asdict()})
        return frame.with_columns(pl.exclude("date").fill_nan(None))

    # ---- explaining and showing -------------------------------------------------------------------------------

    def why(self, day: Day, symbol: str) -> str:
        """Explain one bar of one symbol: its orders and fills, or why there were none.

        Examples
        --------
        >>> import numpy as np, stockstream as ss
        >>> close = np.array([[10.0, 11.0, 12.0]])
        >>> bars = ss.Bars.from_arrays(symbols=["X"], dates=["2024-01-01", "2024-01-02", "2024-01-03"],
        ...                            open=close, high=close, low=close, close=close, volume=close)
        >>> result = ss.backtest(ss.SignalStrategy(enter_long=[True, False, False]), bars, cash=1100.0)
        >>> print(result.why("2024-01-02", "X"))
        X on 2024-01-02: open 11, high 11, low 11, close 11, volume 11.
        Order 0 (entry signal of 2024-01-01: buy all cash): filled 100 at 11.
        """
        return explain(self, day, symbol)

    def review(self, *, audit: Audited | None = None) -> Review:
        """Look at the run as a sceptical colleague would: what its figures rest on, and what they may not mean.

        Parameters
        ----------
        audit
            The answer of a look-ahead audit of the strategy, or anything with its ``outcome``.

        Returns
        -------
        Review
            The findings, grave ones first; each says what was found, with figures, and what to do. docs/review.md
            lists every check with its thresholds.
        """
        from stockstream.backtesting.review.judge import review

        return review(self, audit)

    def report(self, path: str | Path = "report.html", **options: Any) -> Path:
        """Write one self-contained HTML page and return its path; see `stockstream.reports`."""
        from stockstream.reports import write_report

        return write_report(self, path, **options)

    def save(self, folder: str | Path, *, keep_bars: bool | None = None) -> Path:
        """Write a passport: the run with all it rests on, so that `stockstream.verify` can make it again.

        Parameters
        ----------
        folder
            A new or empty folder.
        keep_bars
            Keep the prices themselves; by default only where they did not come from a lake.
        """
        from stockstream.research.passport import save_result

        return save_result(self, folder, keep_bars=keep_bars)

    def verdict(self) -> Evidence:
        """Say what the run proves: alone, after all trials that were counted, and in other orders of its trades."""
        from stockstream.research.evidence import evidence_of

        return evidence_of(self)

    def stress(self, *, seed: int = 0) -> Stress:
        """Run it again with costs doubled, a bar late, without each symbol and year, with other prices and stops."""
        from stockstream.research.stress import stress

        return stress(self, seed=seed)

    def plot(self, figure: str = "equity") -> go.Figure:
        """Return a figure of the report: ``"equity"``, ``"drawdown"``, ``"rolling-sharpe"`` and so on."""
        from stockstream.reports.figures import of_result

        return of_result(self, figure)

    def plot_trades(self, symbol: str) -> go.Figure:
        """Return one symbol's closes with trades, indicators, and stops and targets where they were kept."""
        from stockstream.reports.figures import prices

        return prices(self, symbol)

    def to_dict(self) -> dict[str, Any]:
        """Return strategy, parameters and metrics."""
        return {"strategy": self.strategy, "parameters": dict(self.parameters), **self.metrics.to_dict()}

    def __repr__(self) -> str:
        from stockstream.backtesting.summary import text_summary

        return text_summary(self)

    def _repr_html_(self) -> str:
        from stockstream.backtesting.summary import html_summary

        return html_summary(self)


def _texts(names: tuple[str, ...], codes: NDArray[Any]) -> NDArray[Any]:
    texts: NDArray[Any] = np.asarray(names, dtype=object)[codes]
    return texts


def _end_waiting(book: ledger.Book) -> None:
    """Turn every decision that no bar is left for into an unfilled order."""
    orders = book.orders[: book.counts[ledger.ORDERS]]
    waiting = orders["status"] == ledger.WAITING
    orders["reason"][waiting] = ledger.END_OF_DATA
    orders["status"][waiting] = np.where(orders["filled"][waiting] != 0.0, ledger.PARTLY_FILLED, ledger.EXPIRED)


def _open_trades(book: ledger.Book) -> NDArray[Any]:
    """Positions still held, as trades that would end at their mark, without the fee of selling."""
    held = book.positions[book.held[: book.counts[ledger.HELD]]]
    rows = np.zeros(len(held), dtype=ledger.TRADE)
    if not len(held):
        return rows
    side = np.where(held["quantity"] > 0, 1, -1)
    rows["symbol"], rows["side"], rows["entry"] = book.held[: len(held)], side, held["opened"]
    rows["entry_price"], rows["exit_price"], rows["quantity"] = held["entry_price"], held["mark"], held["entry_shares"]
    worth = held["exit_notional"] + np.abs(held["quantity"]) * held["mark"]
    rows["pnl"] = side * (worth - held["entry_notional"]) - held["fees"] + held["income"]
    rows["fees"], rows["income"], rows["bars_held"] = held["fees"], held["income"], held["bars"]
    low, high = held["lowest"] / held["entry_price"] - 1.0, held["highest"] / held["entry_price"] - 1.0
    rows["mae"], rows["mfe"] = np.where(side > 0, low, -high), np.where(side > 0, high, -low)
    rows["entry_reason"] = held["entry_reason"]
    return rows
