"""Performance of one run, reduced from its equity path.

A path is ``equity (T,)`` marked at each close, with `cash`, the equity before the first bar: T bars give T returns.
The path is finite, `cash` is positive, and only its last value may be zero or less: `living_bars` says where to cut a
path that goes on after ruin. `hurdle` is the risk-free return of one period.

What a sweep needs of every run comes in one pass (`path_sums`, then `path_ratios`); what costs more or is asked for
less often (drawdown durations, moments, quantiles) is a kernel of its own. Sums that were made in another way, as from
prefix tables, go through the same `path_ratios`, so that every edge case is decided once, here. Fractions are
fractions, never percent; NaN means undefined.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stockstream_kernels._compile import allocating, kernel

type Series = NDArray[np.float64]

BLOCK: Final = 64  # bars whose sums are taken about one anchor before they are merged

#: A return is a ratio of two marked equities less one, so it carries a few roundings of 1. Differences below this are
#: those roundings: a path that earns the same interest every day has no volatility, not one of 1e-16.
ROUNDING: Final = 16 * 2.220446049250313e-16


class PathSums(NamedTuple):
    """What the ratios need of a path."""

    periods: int  # returns
    growth: float  # last equity / cash
    mean: float  # of the returns
    squares: float  # of the returns' distances to their mean, summed
    shortfall: float  # squares of the returns below the hurdle, summed
    lowest: float  # return
    highest: float  # return
    depth: float  # deepest drawdown from the running maximum, which starts at cash; 0 to -1


class PathRatios(NamedTuple):
    """Measures of a path that one pass gives."""

    total_return: float
    annual_return: float
    sharpe: float
    sortino: float
    max_drawdown: float
    volatility: float
    downside_risk: float
    calmar: float
    recovery_factor: float
    best_day: float
    worst_day: float


class Shape(NamedTuple):
    """Measures of the distribution of returns that need their mean first."""

    skew: float
    kurtosis: float
    positive_days: float
    omega: float


class Tails(NamedTuple):
    """Measures that need the returns in order."""

    var_95: float
    cvar_95: float
    tail_ratio: float


class Drawdowns(NamedTuple):
    """Measures of the spells below the running maximum."""

    average_drawdown: float
    max_drawdown_bars: int
    average_drawdown_bars: float
    recovery_bars: float
    ulcer_index: float


# ---- one pass ----------------------------------------------------------------------------------------------------


@kernel
def living_bars(equity: Series) -> int:
    """Count the bars up to and including the first whose equity is zero or less."""
    for t in range(len(equity)):
        if equity[t] <= 0.0:
            return t + 1
    return len(equity)


@kernel
def path_sums(equity: Series, cash: float, hurdle: float) -> PathSums:
    """Reduce a path in one pass.

    The squares of a block are taken about the mean of the bars before it and merged with theirs (Chan, Golub and
    LeVeque 1983), so one bar of a hundred times the others costs no digits. A single compensated sum was slower: each
    bar waits for the bar before it.
    """
    periods = len(equity)
    last, peak, ratio = cash, cash, 1.0
    lowest, highest = np.inf, -np.inf
    mean, spread, shortfall = equity[0] / cash - 1.0, 0.0, 0.0
    for begin in range(0, periods, BLOCK):
        end = min(begin + BLOCK, periods)
        total, squares, below = 0.0, 0.0, 0.0
        for t in range(begin, end):
            value = equity[t]
            change = value / last - 1.0
            last = value
            distance = change - mean
            total += distance
            squares += distance * distance
            short = min(change - hurdle, 0.0)
            below += short * short
            lowest, highest = min(lowest, change), max(highest, change)
            peak = max(peak, value)
            ratio = min(ratio, value / peak)
        count = end - begin
        gap = total / count
        spread += max(squares - total * gap, 0.0) + gap * gap * count * begin / end
        mean += gap * count / end
        shortfall += below
    return PathSums(periods, last / cash, mean, spread, shortfall, lowest, highest, max(ratio - 1.0, -1.0))


@kernel
def compound(growth: float, exponent: float) -> float:
    """Return growth ** exponent - 1: -1 for a growth of zero or less, inf where it would overflow."""
    if growth <= 0.0:
        return -1.0
    power = np.log(growth) * exponent
    return np.inf if power > 709.0 else float(np.expm1(power))


@kernel
def path_ratios(sums: PathSums, periods_per_year: float, hurdle: float) -> PathRatios:
    """Turn the sums of a path into its measures: annualised, fractions, NaN where undefined."""
    total = sums.growth - 1.0
    annual = compound(sums.growth, periods_per_year / sums.periods)
    sharpe = sortino = calmar = recovery = volatility = downside = np.nan
    if sums.periods < 2:  # one return says nothing of a year, unless it took everything
        annual = annual if sums.growth <= 0.0 else np.nan
    else:
        year = np.sqrt(periods_per_year)
        excess = sums.mean - hurdle
        steady = sums.highest - sums.lowest <= ROUNDING
        deviation = 0.0 if steady else np.sqrt(sums.squares / (sums.periods - 1))
        below = np.sqrt(sums.shortfall / sums.periods)
        volatility, downside = deviation * year, below * year
        if deviation > 0.0:
            sharpe = excess / deviation * year
        if below > ROUNDING:
            sortino = excess / below * year
        elif excess > ROUNDING:
            sortino = np.inf
    if -sums.depth > ROUNDING:
        calmar, recovery = annual / -sums.depth, total / -sums.depth
    return PathRatios(
        total, annual, sharpe, sortino, sums.depth, volatility, downside, calmar, recovery, sums.highest, sums.lowest
    )


@kernel
def path_measures(equity: Series, cash: float, periods_per_year: float, hurdle: float) -> PathRatios:
    """Return the measures of a path that one pass gives."""
    return path_ratios(path_sums(equity, cash, hurdle), periods_per_year, hurdle)


@kernel
def mean_equity(equity: Series) -> float:
    """Return the mean of the equity, as a distance to its first value."""
    total = 0.0
    for t in range(len(equity)):
        total += equity[t] - equity[0]
    return float(equity[0] + total / len(equity))


# ---- more passes -------------------------------------------------------------------------------------------------


@kernel
def path_returns(equity: Series, cash: float, out: Series) -> None:
    """Write the return of each bar."""
    last = cash
    for t in range(len(equity)):
        out[t] = equity[t] / last - 1.0
        last = equity[t]


@kernel
def ratio_or(numerator: float, denominator: float) -> float:
    """Return a ratio of two sums that are not negative: inf over nothing, NaN for nothing over nothing."""
    if denominator > 0.0:
        return numerator / denominator
    return np.inf if numerator > 0.0 else np.nan


@kernel
def path_shape(equity: Series, cash: float, mean: float, hurdle: float) -> Shape:
    """Return the moments of the returns about their mean, the share of gains, and gains over losses."""
    periods = len(equity)
    if periods < 2:
        return Shape(np.nan, np.nan, np.nan, np.nan)
    second = third = fourth = gains = losses = 0.0
    lowest, highest, positive, last = np.inf, -np.inf, 0, cash
    for t in range(periods):
        change = equity[t] / last - 1.0
        last = equity[t]
        lowest, highest = min(lowest, change), max(highest, change)
        distance = change - mean
        square = distance * distance
        second += square
        third += square * distance
        fourth += square * square
        positive += 1 if change > 0.0 else 0
        gains += max(change - hurdle, 0.0)
        losses += max(hurdle - change, 0.0)
    skew = kurtosis = np.nan
    if highest - lowest > ROUNDING:
        variance = second / periods
        skew = third / periods / variance**1.5
        kurtosis = fourth / periods / (variance * variance) - 3.0
    return Shape(skew, kurtosis, positive / periods, ratio_or(gains, losses))


@kernel
def quantile(ordered: Series, share: float) -> float:
    """Interpolate linearly between the two nearest of sorted values."""
    place = share * (len(ordered) - 1)
    lower = int(place)
    upper = min(lower + 1, len(ordered) - 1)
    return float(ordered[lower] + (place - lower) * (ordered[upper] - ordered[lower]))


@allocating
def path_tails(equity: Series, cash: float, workspace: Series) -> Tails:
    """Return the quantiles of the returns; `workspace (T,)` is left holding the returns in order."""
    periods = len(equity)
    if periods < 2:
        return Tails(np.nan, np.nan, np.nan)
    returns = workspace[:periods]
    path_returns(equity, cash, returns)
    returns.sort()
    low, high = quantile(returns, 0.05), quantile(returns, 0.95)
    total, count = 0.0, 0
    while count < periods and returns[count] <= low:
        total += returns[count]
        count += 1
    return Tails(low, min(total / count, low), ratio_or(abs(high), abs(low)))


@kernel
def path_drawdowns(equity: Series, cash: float) -> Drawdowns:
    """Walk the spells below the running maximum; one that has not ended counts up to the last bar."""
    peak, deepest, depth, squares, depths = cash, 1.0, 1.0, 0.0, 0.0
    spells = under = bars = longest = trough = 0
    recovery = np.nan
    for t in range(len(equity)):
        value = equity[t]
        if value >= peak:
            if under > 0 and np.isnan(recovery):  # only a deepest spell leaves it so
                recovery = t - trough
            peak, under, depths, depth = value, 0, depths + (depth - 1.0), 1.0
            continue
        spells += 1 if under == 0 else 0
        under += 1
        bars += 1
        longest = max(longest, under)
        ratio = max(value / peak, 0.0)
        squares += (ratio - 1.0) * (ratio - 1.0)
        depth = min(depth, ratio)
        if ratio < deepest:
            deepest, trough, recovery = ratio, t, np.nan
    ulcer = np.sqrt(squares / len(equity))
    if spells == 0:
        return Drawdowns(0.0, 0, 0.0, np.nan, ulcer)
    return Drawdowns((depths + (depth - 1.0)) / spells, longest, bars / spells, recovery, ulcer)


# ---- rolling -----------------------------------------------------------------------------------------------------


@kernel
def rolling_measures(
    equity: Series, cash: float, window: int, periods_per_year: float, hurdle: float, out: Series
) -> None:
    """Write (T, 5): return, volatility, Sharpe, Sortino, maximum drawdown of the last `window` returns.

    Each row is `path_measures` of its window, from the equity before it, so a row equals the measures of that piece to
    the last bit; at 2 ns a bar a running update is not worth its drift.
    """
    out[:] = np.nan
    for t in range(window - 1, len(equity)):
        begin = t - window + 1
        start = equity[begin - 1] if begin > 0 else cash
        measures = path_measures(equity[begin : t + 1], start, periods_per_year, hurdle)
        out[t, 0], out[t, 1], out[t, 2] = measures.total_return, measures.volatility, measures.sharpe
        out[t, 3], out[t, 4] = measures.sortino, measures.max_drawdown
