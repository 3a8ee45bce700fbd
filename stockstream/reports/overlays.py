"""What stands beside the closes on a price chart: kept stops and targets, and the strategy's indicators."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

from stockstream.backtesting.strategy import RuleStrategy, Strategy, declared_indicators
from stockstream.bars import Bars
from stockstream.errors import StockstreamError
from stockstream.indicators.indicator import Indicator
from stockstream.reports.charts import AMBER, BLUE, GREEN, POINTS, RED, VIOLET, Spec, days, line, plain
from stockstream.reports.decimate import extremes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from stockstream.backtesting.result import Result

type Series = NDArray[np.float64]

#: Most lines of indicators on one chart.
LINES: Final = 6
COLOURS: Final = (BLUE, AMBER, VIOLET, GREEN, RED, "#7d8794")
#: Bars of the series on which indicators are told apart.
TRIAL: Final = 600


def levels(result: Result, symbol: str) -> list[Spec]:
    """Return the stop and the target of each bar, when the run kept them."""
    if not result.account.levels.shape[0]:
        return []
    kept = result.account.levels[:, result.bars.row(symbol)]
    looks = (("Stop level", RED, "dash"), ("Target level", GREEN, "dashdot"))
    return [
        _steps(result, values, name, colour, dash)
        for values, (name, colour, dash) in zip(kept, looks, strict=True)
        if np.isfinite(values).any()
    ]


def _steps(result: Result, values: Series, name: str, colour: str, dash: str) -> Spec:
    """Return a line of steps: a point where the level changes, and none where there is no level."""
    before = np.concatenate([[np.nan], values[:-1]])
    after = np.concatenate([values[1:], [np.nan]])
    known = np.isfinite(values)
    borders = known & (~np.isfinite(before) | ~np.isfinite(after))
    gaps = ~known & np.isfinite(before)
    changes = known & (values != before)
    if changes.sum() > POINTS:
        thinned = np.zeros(len(values), dtype=bool)
        thinned[extremes(values, POINTS)] = True
        changes &= thinned
    kept = np.flatnonzero(borders | gaps | changes)
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": days(result.bars.dates[kept]),
        "y": plain(values[kept]),
        "line": {"color": colour, "width": 1.2, "dash": dash, "shape": "hv"},
        "hovertemplate": f"{name} %{{y:,.4~f}}<extra></extra>",
    }


def indicators(result: Result, symbol: str) -> tuple[list[Spec], list[Spec]]:
    """Return the strategy's indicators over one symbol: on the axis of the prices, and on an axis of their own."""
    bars = result.bars.select([symbol])
    own = np.flatnonzero(bars.present[0])
    on_prices: list[Spec] = []
    below: list[Spec] = []
    if not len(own):
        return on_prices, below
    for name, values, shares in _values(result, symbol):
        if len(on_prices) + len(below) == LINES:
            break
        series = values[own]
        if not np.isfinite(series).any():
            continue
        colour = COLOURS[len(on_prices) + len(below)]
        look = {"width": 1.2, "dash": "solid" if len(on_prices) + len(below) < LINES // 2 else "dot"}
        trace = line(
            bars.dates[own], series, name, colour, line=look, hovertemplate=f"{name} %{{y:,.4~f}}<extra></extra>"
        )
        (on_prices if shares else below).append(trace if shares else trace | {"yaxis": "y2"})
    return on_prices, below


def _values(result: Result, symbol: str) -> Iterator[tuple[str, Series, bool]]:
    """Give label, values (T,) and whether they are prices, of every output of every indicator."""
    bars = result.bars.select([symbol])
    for indicator in declared(result):
        try:
            outputs = _outputs(indicator, bars)
            prices = follows_prices(indicator)
        except StockstreamError:  # a figure less; what the strategy read stands in the result
            continue
        for output, values, shares in zip(indicator.outputs, outputs, prices, strict=True):
            label = repr(indicator) if len(outputs) == 1 else f"{indicator!r}.{output}"
            yield label, values, shares


def _outputs(indicator: Indicator, bars: Bars) -> list[Series]:
    found = indicator(bars)
    outputs = found if isinstance(found, tuple) else (found,)
    return [np.asarray(values, dtype=np.float64).reshape(-1) for values in outputs]


@cache
def follows_prices(indicator: Indicator) -> list[bool]:
    """Say of each output whether it is a price: one that rises by an amount when all prices rise by it.

    An average or a band does, an oscillator, a range or a difference of averages does not.

    Examples
    --------
    >>> from stockstream.indicators import MACD, RSI, SMA
    >>> follows_prices(SMA(20)), follows_prices(RSI(14)), follows_prices(MACD())
    ([True], [False], [False, False, False])
    """
    amount = 50.0
    low, high = (_outputs(indicator, _trial(level)) for level in (100.0, 100.0 + amount))
    same = []
    for one, other in zip(low, high, strict=True):
        known = np.isfinite(one) & np.isfinite(other)
        same.append(bool(known.any() and np.allclose(other[known] - one[known], amount, rtol=1e-6)))
    return same


def _trial(level: float) -> Bars:
    """Return bars that swing around a level."""
    place = np.arange(float(TRIAL))
    close = level + 8.0 * np.sin(place / 9.0) + 5.0 * np.sin(place / 31.0)
    dates = np.datetime64("2000-01-03") + np.arange(TRIAL)
    return Bars.from_arrays(
        symbols=["trial"],
        dates=dates,
        open=close - 0.3,
        high=close + 1.0,
        low=close - 1.0,
        close=close,
        volume=1000.0 + 100.0 * np.cos(place),
    )


def declared(result: Result) -> list[Indicator]:
    """Return the indicators that the strategy's rules, or its declaration, are made of, each once."""
    source = result.source
    if isinstance(source, RuleStrategy):
        expressions = list(source.rules().expressions.values())
    elif isinstance(source, Strategy):
        expressions = list(declared_indicators(source).values())
    else:
        return []
    nodes = (node for expression in expressions for node in expression.walk() if isinstance(node, Indicator))
    return list(dict.fromkeys(nodes))
