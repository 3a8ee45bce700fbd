"""The measures of a backtest: one field each, with its unit, its definition and what happens at its edges.

Notation of the definitions: V is the equity at a close, starting from the initial cash; r the return of a bar, n of
them for n bars; P the periods a year; f the risk-free return of one period; e = r − f. Fractions are fractions (0.12 is
12 %), annualised figures use P.
"""

from __future__ import annotations

import html
import math
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

FRACTION, RATIO, MONEY, BARS, COUNT = "fraction", "ratio", "money", "bars", "count"
PER_YEAR, RATIO_PER_YEAR, TIMES_PER_YEAR = "fraction a year", "ratio, annualised", "times a year"

GROUPS: Final = ("Return and risk", "Distribution of returns", "Drawdowns", "Trades", "Activity and costs", "Benchmark")
RETURN, SHAPE, DRAWDOWNS, TRADES, ACTIVITY, BENCHMARK = GROUPS


#: How a value of each unit is written: digits, scale, suffix.
_WRITTEN: Final = {
    FRACTION: (2, 100, " %"),
    PER_YEAR: (2, 100, " %"),
    RATIO: (3, 1, ""),
    RATIO_PER_YEAR: (3, 1, ""),
    TIMES_PER_YEAR: (2, 1, " × a year"),
    MONEY: (2, 1, ""),
    BARS: (0, 1, " bars"),
    COUNT: (0, 1, ""),
}


@dataclass(frozen=True)
class Definition:
    """What one measure means.

    Attributes
    ----------
    name, label, group
        Field of `Metrics`, its words in tables, and the part of the table it stands in.
    unit
        "fraction", "fraction a year", "ratio", "ratio, annualised", "times a year", "money", "bars" or "count".
    text, edges
        Formula, and the values where the formula has none.
    """

    name: str
    label: str
    group: str
    unit: str
    text: str
    edges: str = ""

    def format(self, value: float) -> str:
        """Write a value as a reader wants it: percent for fractions, thousands apart for money.

        Examples
        --------
        >>> DEFINITIONS["max_drawdown"].format(-0.1234)
        '-12.34 %'
        >>> DEFINITIONS["average_win"].format(8222.042)
        '8,222.04'
        >>> DEFINITIONS["sharpe"].format(float("nan"))
        '–'
        """
        if math.isnan(value):
            return "–"
        if math.isinf(value):
            return "∞" if value > 0 else "−∞"
        digits, scale, suffix = _WRITTEN[self.unit]
        text = f"{value * scale:,.{digits}f}"
        # what rounds to nothing has no sign
        return (text.removeprefix("-") if not float(text.replace(",", "")) else text) + suffix


def measure(label: str, group: str, unit: str, text: str, edges: str = "") -> int:
    """Declare one measure; typed as a whole number so that a checker takes it for counts and for floats."""
    return cast("int", field(metadata={"definition": (label, group, unit, text, edges)}))


@dataclass(frozen=True, repr=False)
class Metrics:
    """The measures of one backtest: floats and counts, fractions rather than percent, NaN where undefined.

    `DEFINITIONS` says of each what it means, in which unit, and what its edges are. Statistics of trades count closed
    trades, net of the costs of both sides; open ones are in the equity only.
    """

    total_return: float = measure("Total return", RETURN, FRACTION, "last equity / initial cash − 1")
    annual_return: float = measure(
        "Annual return",
        RETURN,
        PER_YEAR,
        "(last equity / initial cash) ** (P / n) − 1",
        "−1 when the equity reaches 0; NaN with fewer than 2 returns",
    )
    sharpe: float = measure(
        "Sharpe ratio",
        RETURN,
        RATIO_PER_YEAR,
        "mean(e) / std(r, ddof=1) × √P",
        "NaN without volatility or with fewer than 2 returns",
    )
    sortino: float = measure(
        "Sortino ratio",
        RETURN,
        RATIO_PER_YEAR,
        "mean(e) / sqrt(mean(min(e, 0)²)) × √P, the mean over all n periods",
        "without a losing period inf if mean(e) > 0, else NaN; NaN with fewer than 2 returns",
    )
    max_drawdown: float = measure(
        "Maximum drawdown",
        DRAWDOWNS,
        FRACTION,
        "least of V / running maximum of V − 1, the maximum starting at the initial cash; 0 or less",
        "−1 when the equity reaches 0 or falls below",
    )
    win_rate: float = measure("Win rate", TRADES, FRACTION, "trades with a net gain / trades", "NaN without trades")
    profit_factor: float = measure(
        "Profit factor",
        TRADES,
        RATIO,
        "net gains / net losses of trades, in money",
        "inf without a loss, NaN without both",
    )
    average_win: float = measure("Average win", TRADES, MONEY, "mean of the net gains", "NaN without a gain")
    average_loss: float = measure(
        "Average loss", TRADES, MONEY, "mean of the net losses, negative", "NaN without a loss"
    )

    volatility: float = measure("Volatility", RETURN, PER_YEAR, "std(r, ddof=1) × √P", "NaN with fewer than 2 returns")
    downside_risk: float = measure(
        "Downside risk", RETURN, PER_YEAR, "sqrt(mean(min(e, 0)²)) × √P", "NaN with fewer than 2 returns"
    )
    calmar: float = measure(
        "Calmar ratio", RETURN, RATIO, "annual return / |maximum drawdown|", "NaN without a drawdown"
    )
    best_day: float = measure("Best day", SHAPE, FRACTION, "largest r")
    worst_day: float = measure("Worst day", SHAPE, FRACTION, "smallest r")
    positive_days: float = measure("Positive days", SHAPE, FRACTION, "share of r > 0", "NaN with fewer than 2 returns")
    skew: float = measure(
        "Skew", SHAPE, RATIO, "third central moment / variance ** 1.5, both over n", "NaN without volatility"
    )
    kurtosis: float = measure(
        "Excess kurtosis",
        SHAPE,
        RATIO,
        "fourth central moment / variance² − 3, both over n: 0 for a normal distribution",
        "NaN without volatility",
    )
    var_95: float = measure(
        "Value at risk 95 %",
        SHAPE,
        FRACTION,
        "5th percentile of r, interpolated linearly; a return, so a loss is negative",
        "NaN with fewer than 2 returns",
    )
    cvar_95: float = measure(
        "Expected shortfall 95 %", SHAPE, FRACTION, "mean of the r at or below var_95", "NaN with fewer than 2 returns"
    )
    tail_ratio: float = measure(
        "Tail ratio", SHAPE, RATIO, "|95th percentile of r| / |5th percentile of r|", "inf over 0, NaN for 0 over 0"
    )
    omega: float = measure(
        "Omega ratio", SHAPE, RATIO, "sum of max(e, 0) / sum of max(−e, 0)", "inf without a loss, NaN without both"
    )

    average_drawdown: float = measure(
        "Average drawdown",
        DRAWDOWNS,
        FRACTION,
        "mean over all spells below the running maximum of the deepest point of each",
        "0 without a drawdown; one that has not ended counts",
    )
    max_drawdown_bars: int = measure(
        "Longest drawdown", DRAWDOWNS, BARS, "most bars in a row whose close is below the running maximum"
    )
    average_drawdown_bars: float = measure(
        "Average drawdown length", DRAWDOWNS, BARS, "bars below the running maximum / spells", "0 without a drawdown"
    )
    recovery_bars: float = measure(
        "Recovery of the deepest",
        DRAWDOWNS,
        BARS,
        "bars from the lowest point of the deepest drawdown to the first close at the old maximum or above",
        "NaN without a drawdown, and while it has not recovered",
    )
    recovery_factor: float = measure(
        "Recovery factor", DRAWDOWNS, RATIO, "total return / |maximum drawdown|", "NaN without a drawdown"
    )
    ulcer_index: float = measure(
        "Ulcer index", DRAWDOWNS, FRACTION, "sqrt(mean(drawdown²)) over all n bars, as a fraction"
    )

    trades: int = measure("Trades", TRADES, COUNT, "closed trades")
    expectancy: float = measure("Expectancy", TRADES, MONEY, "mean net gain of a trade", "NaN without trades")
    average_trade_return: float = measure(
        "Average trade return",
        TRADES,
        FRACTION,
        "mean of net gain / (entry price × quantity)",
        "NaN without trades",
    )
    sqn: float = measure(
        "System quality number",
        TRADES,
        RATIO,
        "√trades × mean(net gain) / std(net gain, ddof=1)",
        "NaN with fewer than 2 trades or when all gains are equal",
    )
    payoff_ratio: float = measure(
        "Payoff ratio", TRADES, RATIO, "average win / |average loss|", "NaN unless there are both"
    )
    kelly: float = measure(
        "Kelly fraction",
        TRADES,
        FRACTION,
        "win rate − share of losing trades / payoff ratio",
        "NaN unless there are wins and losses",
    )
    best_trade: float = measure("Best trade", TRADES, MONEY, "largest net gain", "NaN without trades")
    worst_trade: float = measure("Worst trade", TRADES, MONEY, "smallest net gain", "NaN without trades")
    average_bars_held: float = measure("Average holding", TRADES, BARS, "mean bars held", "NaN without trades")
    longest_bars_held: int = measure("Longest holding", TRADES, BARS, "most bars held", "0 without trades")
    consecutive_wins: int = measure(
        "Most wins in a row", TRADES, COUNT, "longest run of gains, in the order of exits; a trade of 0 ends it"
    )
    consecutive_losses: int = measure(
        "Most losses in a row", TRADES, COUNT, "longest run of losses, in the order of exits; a trade of 0 ends it"
    )

    exposure: float = measure("Exposure", ACTIVITY, FRACTION, "bars with a position / bars")
    turnover: float = measure(
        "Turnover",
        ACTIVITY,
        TIMES_PER_YEAR,
        "money bought and sold / mean equity × P / n",
        "NaN when the mean equity is not positive",
    )
    fees: float = measure("Fees", ACTIVITY, MONEY, "commissions paid")
    slippage: float = measure("Slippage", ACTIVITY, MONEY, "money lost between the price and the fill")
    borrow: float = measure("Borrow fees", ACTIVITY, MONEY, "paid for shares sold short")
    interest: float = measure("Interest", ACTIVITY, MONEY, "received on cash; negative when paid")

    alpha: float = measure(
        "Alpha",
        BENCHMARK,
        PER_YEAR,
        "(mean(e) − beta × mean(e of the benchmark)) × P; like all comparisons from the second bar on",
        "NaN without a benchmark, with fewer than 2 returns, or when the benchmark does not move",
    )
    beta: float = measure("Beta", BENCHMARK, RATIO, "cov(r, r of the benchmark) / var(r of the benchmark)", "as alpha")
    correlation: float = measure(
        "Correlation", BENCHMARK, RATIO, "Pearson's, of the returns", "as alpha; NaN when either does not move"
    )
    information_ratio: float = measure(
        "Information ratio",
        BENCHMARK,
        RATIO_PER_YEAR,
        "mean(d) / std(d, ddof=1) × √P, d the difference of the returns",
        "NaN without a benchmark, with fewer than 2 returns, or when d does not move",
    )
    tracking_error: float = measure(
        "Tracking error", BENCHMARK, PER_YEAR, "std(d, ddof=1) × √P", "NaN without a benchmark or 2 returns"
    )
    benchmark_return: float = measure(
        "Benchmark return", BENCHMARK, FRACTION, "last price / first price − 1", "NaN without a benchmark or 2 returns"
    )
    up_capture: float = measure(
        "Up capture",
        BENCHMARK,
        RATIO,
        "geometric mean return / that of the benchmark, over bars on which the benchmark rose",
        "NaN without such a bar",
    )
    down_capture: float = measure(
        "Down capture",
        BENCHMARK,
        RATIO,
        "geometric mean return / that of the benchmark, over bars on which the benchmark fell",
        "NaN without such a bar",
    )

    def to_dict(self) -> dict[str, float]:
        """Return the measures by name, seed names first."""
        return asdict(self)

    def rows(self) -> Iterator[tuple[Definition, str]]:
        """Give each definition with its value as text, group by group; the benchmark's only when there is one."""
        for group in GROUPS:
            if group == BENCHMARK and math.isnan(self.benchmark_return):
                continue
            for definition in DEFINITIONS.values():
                if definition.group == group:
                    yield definition, definition.format(getattr(self, definition.name))

    def __repr__(self) -> str:
        lines: list[str] = []
        group = ""
        for definition, text in self.rows():
            if definition.group != group:
                group = definition.group
                lines.append(f"{group}")
            lines.append(f"  {definition.label:<26}{text:>18}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        parts = ["<table>"]
        group = ""
        for definition, text in self.rows():
            if definition.group != group:
                group = definition.group
                parts.append(f'<tr><th colspan="2" style="text-align:left">{html.escape(group)}</th></tr>')
            hint = html.escape(f"{definition.name} ({definition.unit}): {definition.text}", quote=True)
            cell = f'<td style="text-align:right">{html.escape(text)}</td>'
            parts.append(
                f'<tr title="{hint}"><td style="text-align:left">{html.escape(definition.label)}</td>{cell}</tr>'
            )
        return "".join([*parts, "</table>"])


#: Every measure by name, in the order of the fields.
DEFINITIONS: Final[dict[str, Definition]] = {
    item.name: Definition(item.name, *item.metadata["definition"]) for item in fields(Metrics)
}
