"""What of a result is left when its assumptions are made worse one at a time."""

from __future__ import annotations

import html
import math
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from stockstream.backtesting.costs import Commission, Costs, Slippage, Tier
from stockstream.backtesting.engine import backtest
from stockstream.backtesting.metrics import metrics
from stockstream.errors import StockstreamError, counted
from stockstream.research.rebuilt import delayed, fresh, on_symbols, with_stops
from stockstream.schema import PRICES

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl

    from stockstream.backtesting.result import Result
    from stockstream.bars import Bars

#: Symbols that are left out one by one: those that traded, the most profitable first.
MOST_SYMBOLS: Final = 40

#: Draws of jittered prices.
DRAWS: Final = 5

#: How stops and targets are moved.
SHIFTS: Final = (0.8, 1.2)

#: Rates stay below 1.
_MOST: Final = math.nextafter(1.0, 0.0)

#: What a run without costs is charged instead of twice nothing.
SMALL_COSTS: Final = Costs(commission=0.001, slippage=0.0005)

#: A price step where the venue names none: below 2 in the currency half a cent, else a cent.
TICKS: Final = ((2.0, 0.005), (math.inf, 0.01))


@dataclass(frozen=True, eq=False)
class Stress:
    """The answer of a stress test.

    Attributes
    ----------
    frame
        One row per rerun, the run itself first: ``test``, ``change``, ``total_return``, ``sharpe``, ``max_drawdown``,
        ``trades``, ``profitable`` (null where it could not be run) and ``note``.
    notes
        Tests that do not apply, and why.
    strategy
        Its name.
    """

    frame: pl.DataFrame
    notes: tuple[str, ...]
    strategy: str

    @property
    def verdict(self) -> str:
        """Say in words how many reruns are left with a profit, and which are not."""
        rows = self.frame.to_dicts()
        base, reruns = rows[0], [row for row in rows[1:] if row["profitable"] is not None]
        hedge = "This shows what the result hangs on, not whether it will go on."
        if not base["profitable"]:
            better = sum(row["profitable"] for row in reruns)
            changed = counted(len(reruns), "changed run")
            return f"The run makes no profit; {better} of {changed} would. {hedge}"
        lost = [row["change"] for row in reruns if not row["profitable"]]
        if not lost:
            worst = min(reruns, key=lambda row: row["total_return"], default=base)
            least = f"{worst['total_return']:+.1%} in place of {base['total_return']:+.1%}, is this: {worst['change']}"
            return f"A profit is left in all {counted(len(reruns), 'changed run')}; the least, {least}. {hedge}"
        more = f" and {len(lost) - 4} more" if len(lost) > 4 else ""  # noqa: PLR2004 what fits in a sentence
        kept = len(reruns) - len(lost)
        without = f"and none in these: {', '.join(lost[:4])}{more}"
        return f"A profit is left in {kept} of {counted(len(reruns), 'changed run')}, {without}. {hedge}"

    def __repr__(self) -> str:
        lines = [f"Stress test of {self.strategy}: {self.verdict}"]
        for row in self.frame.iter_rows(named=True):
            known = row["profitable"] is not None
            text = (
                f"return {row['total_return']:+9.2%}  Sharpe {row['sharpe']:6.2f}  drawdown {row['max_drawdown']:8.2%}"
                f"  {counted(row['trades'], 'trade')}"
                if known
                else row["note"]
            )
            lines.append(f"  {row['change']:<34}  {text}")
        return "\n".join([*lines, *(f"  {note}" for note in self.notes)])

    def _repr_html_(self) -> str:
        table = self.frame._repr_html_()
        notes = "".join(f"<li>{html.escape(note)}</li>" for note in self.notes)
        return f"<p><strong>{html.escape(self.verdict)}</strong></p>{table}{f'<ul>{notes}</ul>' if notes else ''}"


def stress(result: Result, *, seed: int = 0) -> Stress:
    """Run a result again with its assumptions made worse one at a time.

    Parameters
    ----------
    result
        A finished run; its strategy is made anew from its parameters for each rerun.
    seed
        Of the jittered prices.

    Returns
    -------
    Stress
        Costs doubled, decisions one bar late, each traded symbol left out (at most 40), each year's returns left out,
        all prices moved by up to a tick (five draws), stops and targets 20 % nearer and farther.
    """
    work = _Work(result, np.random.default_rng(seed))
    return work.run()


@dataclass(eq=False)
class _Work:
    result: Result
    random: np.random.Generator

    def run(self) -> Stress:
        """Make all reruns."""
        import polars as pl

        rows = [_row("as it was run", "the run itself", self.result.metrics)]
        notes: list[str] = []
        for test in (self.costs, self.delay, self.symbols, self.years, self.jitter, self.stops):
            rows += test(notes)
        schema = {"total_return": pl.Float64, "sharpe": pl.Float64, "max_drawdown": pl.Float64, "trades": pl.Int64}
        frame = pl.DataFrame(rows, schema_overrides={**schema, "profitable": pl.Boolean}, infer_schema_length=None)
        return Stress(frame, tuple(notes), self.result.strategy)

    def again(self, test: str, change: str, strategy: Callable[[], Any], **changed: Any) -> dict[str, Any]:
        """Return the row of one rerun."""
        settings = self.result.settings
        options = {name: getattr(settings, name) for name in settings.__dataclass_fields__} | changed
        bars = options.pop("bars", self.result.bars)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # said when the run itself was made
                found = backtest(strategy(), bars, **options)
        except StockstreamError as error:
            return _row(test, change, None, str(error))
        return _row(test, change, found.metrics)

    # ---- tests -----------------------------------------------------------------------------------------------

    def costs(self, notes: list[str]) -> list[dict[str, Any]]:
        """Double every cost."""
        costs, change = doubled(self.result.settings.costs), "all costs doubled"
        if costs == self.result.settings.costs:
            costs, change = SMALL_COSTS, "costs of 0.1 % and 0.05 %"
            notes.append("The run has no costs to double: a commission of 0.1 % and slippage of 0.05 % were charged.")
        return [self.again("costs", change, lambda: fresh(self.result), costs=costs)]

    def delay(self, notes: list[str]) -> list[dict[str, Any]]:
        """Carry out every decision a bar late."""
        return [self.again("delay", "decisions one bar late", lambda: delayed(fresh(self.result), self.result.bars))]

    def symbols(self, notes: list[str]) -> list[dict[str, Any]]:
        """Leave out each symbol that traded."""
        bars, ledgers = self.result.bars, self.result.ledgers
        trades = np.concatenate([ledgers["trades"], ledgers["open"]])
        if len(bars.symbols) == 1:
            notes.append("There is one symbol, so none could be left out.")
            return []
        gain = np.bincount(trades["symbol"], weights=trades["pnl"], minlength=len(bars.symbols))
        traded = np.bincount(trades["symbol"], minlength=len(bars.symbols)) > 0
        order = [int(row) for row in np.argsort(-gain, kind="stable") if traded[row]]
        if len(order) > MOST_SYMBOLS:
            notes.append(
                f"Of {len(order):,} traded symbols the {MOST_SYMBOLS} most profitable were left out one by one."
            )
        rows = []
        for row in order[:MOST_SYMBOLS]:
            kept = [symbol for place, symbol in enumerate(bars.symbols) if place != row]
            keep = np.arange(len(bars.symbols)) != row
            strategy = _on(self.result, keep)
            rows.append(self.again("symbol", f"without {bars.symbols[row]}", strategy, bars=bars.select(kept)))
        return rows

    def years(self, notes: list[str]) -> list[dict[str, Any]]:
        """Leave the returns of each year out of the path; nothing is run again, so no price gap is made."""
        result = self.result
        equity = np.concatenate([[result.settings.cash], result.account.equity])
        years = result.bars.dates.astype("datetime64[Y]").astype(int) + 1970
        if len(np.unique(years)) == 1:
            notes.append("There is one year, so none could be left out.")
            return []
        if (equity <= 0.0).any():
            notes.append("The account was ruined, so no year could be left out.")
            return []
        growth, trades = equity[1:] / equity[:-1], result.ledgers["trades"]
        exposed = result.account.long_value + result.account.short_value > 0.0
        rows = []
        for year in np.unique(years):
            keep = years != year
            path = result.settings.cash * np.cumprod(growth[keep])
            figures = metrics(
                path,
                result.settings.cash,
                trades[keep[trades["exit"]]],
                exposure=exposed[keep],
                totals=result.totals,
                periods_per_year=result.settings.periods_per_year,
                risk_free=result.settings.risk_free,
            )
            rows.append(_row("year", f"without {year}", figures))
        return rows

    def jitter(self, notes: list[str]) -> list[dict[str, Any]]:
        """Move every price by up to a tick, five times."""
        return [
            self.again("jitter", f"prices moved by a tick, draw {draw}", lambda: fresh(self.result), bars=self._moved())
            for draw in range(1, DRAWS + 1)
        ]

    def _moved(self) -> Bars:
        return jittered(self.result.bars, self.result.settings.costs.venue.ticks, self.random)

    def stops(self, notes: list[str]) -> list[dict[str, Any]]:
        """Move stops and targets nearer and farther."""
        if with_stops(fresh(self.result), self.result.bars, 1.0) is None:
            notes.append("The strategy declares no stops or targets that could be moved.")
            return []
        rows = []
        for factor in SHIFTS:
            where = "nearer" if factor < 1.0 else "farther"
            change = f"stops and targets {abs(factor - 1.0):.0%} {where}"
            rows.append(self.again("stops", change, _stopped(self.result, factor)))
        return rows


def _on(result: Result, keep: np.ndarray[Any, Any]) -> Callable[[], Any]:
    return lambda: on_symbols(fresh(result), keep, result.bars)


def _stopped(result: Result, factor: float) -> Callable[[], Any]:
    return lambda: with_stops(fresh(result), result.bars, factor)


def _row(test: str, change: str, figures: Any, note: str = "") -> dict[str, Any]:
    if figures is None:
        return dict.fromkeys(("total_return", "sharpe", "max_drawdown", "trades", "profitable")) | {
            "test": test,
            "change": change,
            "note": note,
        }
    values = figures.to_dict()
    return {
        "test": test,
        "change": change,
        "total_return": float(values["total_return"]),
        "sharpe": float(values["sharpe"]),
        "max_drawdown": float(values["max_drawdown"]),
        "trades": int(values["trades"]),
        "profitable": bool(values["total_return"] > 0.0),
        "note": note,
    }


def doubled(costs: Costs) -> Costs:
    """Return costs twice as high: commission, slippage, and the rate of borrowing.

    Examples
    --------
    >>> doubled(Costs(commission=0.001, slippage=0.0005)).commission.rate
    0.002
    """
    fees, slippage = costs.commission, costs.slippage
    tiers = tuple(Tier(tier.up_to, 2 * tier.fixed, min(2 * tier.rate, _MOST)) for tier in fees.tiers)
    return Costs(
        commission=Commission(min(2 * fees.rate, _MOST), 2 * fees.minimum, 2 * fees.per_share, tiers),
        slippage=Slippage(min(2 * slippage.rate, _MOST), 2 * slippage.ticks),
        borrow_rate=min(2 * costs.borrow_rate, _MOST),
        cash_rate=costs.cash_rate,
        participation=costs.participation,
        venue=costs.venue,
    )


def jittered(bars: Bars, ticks: tuple[tuple[float, float], ...], random: np.random.Generator) -> Bars:
    """Return bars whose prices are each a step higher, lower or the same; highs and lows still bound what they did."""
    table = ticks or TICKS
    factor = np.ones(bars.shape) if bars.price_factor is None else bars.price_factor
    moved: dict[str, Any] = {}
    for name in PRICES:
        prices = getattr(bars, name)
        with np.errstate(invalid="ignore"):
            traded = prices / factor
            steps = np.select([traded < bound for bound, _ in table], [step for _, step in table], default=np.nan)
        steps = steps * factor * random.integers(-1, 2, bars.shape)
        moved[name] = np.where(prices + steps > 0.0, prices + steps, prices)
    inside = (bars.open <= bars.high) & (bars.open >= bars.low) & (bars.close <= bars.high) & (bars.close >= bars.low)
    high = np.where(inside, np.fmax(np.fmax(moved["open"], moved["close"]), moved["high"]), moved["high"])
    low = np.where(inside, np.fmin(np.fmin(moved["open"], moved["close"]), moved["low"]), moved["low"])
    moved["high"], moved["low"] = np.fmax(high, low), np.fmin(high, low)
    for panel in moved.values():
        panel.flags.writeable = False
    return replace(bars, **moved)
