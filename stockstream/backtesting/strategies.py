"""Strategies that come with the library: textbook rules, small enough to read, to start from and to compare with.

None of them is a recommendation. Those that take several symbols as a whole answer with weights (`TargetStrategy`);
all others are rules and can be swept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from numpy.typing import NDArray

from stockstream.backtesting.rules import Rules
from stockstream.backtesting.strategy import RuleStrategy, TargetStrategy
from stockstream.errors import DataError, ParameterError, counted
from stockstream.indicators import ATR, BBANDS, DONCHIAN, MACD, RSI, SMA
from stockstream.indicators.evaluate import Table, evaluate
from stockstream.indicators.expression import close

if TYPE_CHECKING:
    from stockstream.bars import Bars

type Panel = NDArray[np.float64]

#: A pair has two legs.
LEGS: Final = 2


class MovingAverageCrossover(RuleStrategy):
    """Long while a fast moving average is above a slow one.

    Enters when the fast average crosses above the slow one, leaves when it crosses below; a tie is not a cross.

    Parameters
    ----------
    fast_period, slow_period
        Bars of the two simple moving averages.

    Notes
    -----
    The oldest trend rule; tested on the Dow by Brock, Lakonishok and LeBaron, Journal of Finance 47 (1992).
    """

    def __init__(self, fast_period: int = 20, slow_period: int = 50) -> None:
        self.fast_period = fast_period
        self.slow_period = slow_period

    def rules(self) -> Rules:
        """Enter when fast rises above slow, leave when it falls below."""
        fast, slow = SMA(self.fast_period), SMA(self.slow_period)
        return Rules(enter_long=fast.crosses_above(slow), exit_long=fast.crosses_below(slow))


class RSIMeanReversion(RuleStrategy):
    """Buy what has fallen too fast, sell it when it has recovered.

    Enters while the RSI is below `oversold`, leaves when it is above `overbought`.

    Parameters
    ----------
    oversold, overbought
        Levels of the RSI, 0 to 100.
    period
        Bars of the RSI.

    Notes
    -----
    Wilder, New Concepts in Technical Trading Systems (1978).
    """

    def __init__(self, oversold: float = 30, overbought: float = 70, period: int = 14) -> None:
        self.oversold = oversold
        self.overbought = overbought
        self.period = period

    def rules(self) -> Rules:
        """Enter below `oversold`, leave above `overbought`."""
        rsi = RSI(self.period)
        return Rules(enter_long=rsi < self.oversold, exit_long=rsi > self.overbought)


class BollingerBreakout(RuleStrategy):
    """Buy a close above the upper Bollinger band, sell when it falls back below the middle.

    Parameters
    ----------
    period
        Bars of the bands.
    deviations
        Population standard deviations from the middle to each band.

    Notes
    -----
    The volatility breakout of Bollinger on Bollinger Bands (2001): a close outside the bands goes on, and the average
    is the exit.
    """

    def __init__(self, period: int = 20, deviations: float = 2.0) -> None:
        self.period = period
        self.deviations = deviations

    def rules(self) -> Rules:
        """Enter on a cross above the upper band, leave on a cross below the middle."""
        bands = BBANDS(self.period, self.deviations)
        return Rules(enter_long=close.crosses_above(bands.upper), exit_long=close.crosses_below(bands.middle))


class MACDLongShort(RuleStrategy):
    """Long while the MACD is above its signal line, short while it is below.

    Every cross after the first one reverses the position: one order, one commission, two trades.

    Parameters
    ----------
    fast_period, slow_period
        Bars of the two exponential averages.
    signal_period
        Bars of the signal line.

    Notes
    -----
    Appel, Technical Analysis: Power Tools for Active Investors (2005).
    """

    def __init__(self, fast_period: int = 12, slow_period: int = 26, signal_period: int = 9) -> None:
        self.fast_period = fast_period
        self.slow_period = slow_period
        self.signal_period = signal_period

    def rules(self) -> Rules:
        """Go long on a cross above the signal line, short on a cross below."""
        lines = MACD(self.fast_period, self.slow_period, self.signal_period)
        return Rules(
            enter_long=lines.macd.crosses_above(lines.signal), enter_short=lines.macd.crosses_below(lines.signal)
        )


class DonchianBreakout(RuleStrategy):
    """The turtles' system: trade a close beyond yesterday's channel, with a stop two average ranges away.

    Enters long on a close above the highest high of the `entry_period` bars before this one, short on a close below the
    lowest low; leaves on a close beyond the opposite, shorter channel, or at the stop. The channels end on the bar
    before: one that held today's high could never be broken.

    Run it with ``sizing=ss.Sizing.risk(0.01)``: each position then loses about 1 % of the equity at its stop, which
    sizes volatile symbols down as the turtles' units did.

    Parameters
    ----------
    entry_period, exit_period
        Bars of the channels of entry and of exit.
    range_period
        Bars of the average true range.
    stop_ranges
        Average true ranges from the fill to the stop.
    short
        False trades the long side alone.

    Notes
    -----
    Faith, The Original Turtle Trading Rules (2003), system 1 without its filter and without adding to winners;
    decided at the close and filled at the next open, where the turtles used stop orders within the day.
    """

    def __init__(
        self,
        entry_period: int = 20,
        exit_period: int = 10,
        range_period: int = 20,
        stop_ranges: float = 2.0,
        *,
        short: bool = True,
    ) -> None:
        self.entry_period = entry_period
        self.exit_period = exit_period
        self.range_period = range_period
        self.stop_ranges = stop_ranges
        self.short = short

    def rules(self) -> Rules:
        """Enter beyond the long channel of yesterday, leave beyond the short one."""
        entry, leave = DONCHIAN(self.entry_period), DONCHIAN(self.exit_period)
        return Rules(
            enter_long=close > entry.upper.shift(1),
            exit_long=close < leave.lower.shift(1),
            enter_short=close < entry.lower.shift(1) if self.short else None,
            exit_short=close > leave.upper.shift(1) if self.short else None,
            stop_loss=self.stop_ranges * ATR(self.range_period),
        )


class CrossSectionalMomentum(TargetStrategy):
    """Hold the symbols that rose most over the last year without its last month, in equal parts, chosen every month.

    On the first session of each month every symbol with enough history is ranked by close[t - skip] / close[t -
    lookback] - 1 on its own bars; the `top` best get 1 / `top` of the equity each and the others 0. Symbols without a
    bar that day are left alone. Ties share their average rank, so a tie across the last place leaves it in cash.

    Parameters
    ----------
    lookback
        Own bars back to the start of the measured move.
    skip
        Own bars left out at its end, where returns tend to reverse; below `lookback`.
    top
        Symbols held.
    rebalance
        ``"monthly"``, ``"weekly"`` or ``"daily"``.

    Notes
    -----
    Jegadeesh and Titman, Returns to Buying Winners and Selling Losers, Journal of Finance 48 (1993); the long side.
    """

    def __init__(
        self,
        lookback: int = 252,
        skip: int = 21,
        top: int = 5,
        rebalance: Literal["daily", "weekly", "monthly"] = "monthly",
    ) -> None:
        _whole("lookback", lookback, 1)
        _whole("skip", skip, 0)
        _whole("top", top, 1)
        if skip >= lookback:
            message = f"expected skip below lookback; found skip={skip} and lookback={lookback}"
            raise ParameterError(message)
        self.lookback = lookback
        self.skip = skip
        self.top = top
        self.rebalance = rebalance

    def targets(self, bars: Bars) -> Panel:
        """Return 1 / `top` for the best of each session, 0 for the rest, NaN without a bar."""
        table = Table.from_bars(bars)
        move = close.shift(self.skip) / close.shift(self.lookback) - 1.0
        place = table.scatter(evaluate(move.rank(descending=True), table))
        chosen = place <= self.top
        too_many = np.count_nonzero(chosen, axis=0) > self.top  # three or more tied across the last place
        last = np.max(np.where(chosen, place, 0.0), axis=0)
        weights = np.where(chosen & ~(too_many & (place == last)), 1.0 / self.top, 0.0)
        weights[~bars.present] = np.nan
        return weights


class PairsMeanReversion(TargetStrategy):
    """Sell the dearer and buy the cheaper of two symbols when their ratio is far from its mean; leave when it is back.

    The spread is log(close of the first / close of the second); its z-score is taken over the last `window` sessions on
    which both have a bar, this one included: mean and sample deviation of bars 0..t only. At z >= `entry` the first is
    sold short and the second bought, each for half of `gross`; at z <= -`entry` the other way round; at |z| <= `leave`,
    or once the spread has changed sides, both are closed. Between those days nothing is rebalanced.

    Parameters
    ----------
    first, second
        The pair; left out, the two symbols of the bars.
    window
        Sessions of the z-score, 3 or more.
    entry, leave
        Standard deviations at which the pair is opened and closed; `leave` is below `entry`.
    gross
        Weight of both legs together; above 1 it needs leverage.

    Notes
    -----
    Gatev, Goetzmann and Rouwenhorst, Pairs Trading, Review of Financial Studies 19 (2006), with a rolling window in the
    place of their formation period.
    """

    def __init__(
        self,
        first: str | None = None,
        second: str | None = None,
        *,
        window: int = 60,
        entry: float = 2.0,
        leave: float = 0.5,
        gross: float = 1.0,
    ) -> None:
        _whole("window", window, 3)
        if not 0.0 <= leave < entry:
            message = f"expected 0 <= leave < entry, in standard deviations; found leave={leave!r} and entry={entry!r}"
            raise ParameterError(message)
        if not gross > 0.0:
            message = f"expected gross above 0, such as 1 for half of the equity in each leg; found {gross!r}"
            raise ParameterError(message)
        self.first = first
        self.second = second
        self.window = window
        self.entry = entry
        self.leave = leave
        self.gross = gross

    def targets(self, bars: Bars) -> Panel:
        """Return the weights of both legs on the sessions on which the pair is opened or closed, NaN on all others.

        Raises
        ------
        DataError
            No pair is named and the bars do not hold two symbols.
        UnknownNameError
            A named symbol is not among the bars.
        """
        rows = self._rows(bars)
        score = spread_score(bars.close[rows[0]], bars.close[rows[1]], self.window)
        weights = np.full(bars.shape, np.nan)
        side = 0
        for session in np.flatnonzero(np.isfinite(score)):
            wanted = self._side(side, float(score[session]))
            if wanted != side:
                weights[rows, session] = np.array([wanted, -wanted]) * self.gross / LEGS
                side = wanted
        return weights

    def _rows(self, bars: Bars) -> list[int]:
        if self.first is not None and self.second is not None and self.first != self.second:
            return [bars.row(self.first), bars.row(self.second)]
        if self.first is not None or self.second is not None or len(bars.symbols) != LEGS:
            message = (
                "expected two different symbols as first= and second=, or bars of exactly two; "
                f"found first={self.first!r}, second={self.second!r} and {counted(len(bars.symbols), 'symbol')}"
            )
            raise DataError(message)
        return [0, 1]

    def _side(self, side: int, score: float) -> int:
        """Side of the first leg after a score, from the side it was on."""
        if score >= self.entry:
            return -1
        if score <= -self.entry:
            return 1
        return 0 if abs(score) <= self.leave or score * side > 0.0 else side


class BuyAndHold(TargetStrategy):
    """Buy every symbol once, each for an equal part of the equity, after its first bar, and keep it.

    What any other strategy on the same bars has to beat. A symbol that is listed later waits for its first bar with its
    part in cash; nothing is rebalanced.
    """

    def targets(self, bars: Bars) -> Panel:
        """Return 1 / S on the first bar of each symbol, NaN on all others."""
        first = np.argmax(bars.present, axis=1)
        weights = np.full(bars.shape, np.nan)
        weights[np.arange(len(first)), first] = np.where(bars.present.any(axis=1), 1.0 / len(first), np.nan)
        return weights


def spread_score(one: Panel, two: Panel, window: int) -> Panel:
    """Return the z-score of log(one / two) against its last `window` known values.

    Parameters
    ----------
    one, two
        ``(T,)`` prices, NaN without a bar.
    window
        Values of the mean and of the sample standard deviation, the last one included.

    Returns
    -------
    ndarray
        ``(T,)``: NaN where one has no bar, for the first ``window - 1`` known values, and where the window is constant.

    Examples
    --------
    >>> spread_score(np.array([1.0, 1.0, 2.0]), np.ones(3), 3)
    array([ nan,  nan, 1.15])
    """
    score = np.full(len(one), np.nan)
    known = np.flatnonzero(~(np.isnan(one) | np.isnan(two)))
    if len(known) < window:
        return score
    spread = np.log(one[known] / two[known])
    windows = np.lib.stride_tricks.sliding_window_view(spread, window)
    deviation = windows.std(axis=1, ddof=1)
    moves = np.ptp(windows, axis=1) > 0.0
    last = spread[window - 1 :]
    score[known[window - 1 :][moves]] = ((last - windows.mean(axis=1)) / np.where(moves, deviation, 1.0))[moves]
    return score


def _whole(name: str, value: object, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        message = f"expected {name} to be a whole number of at least {least}; found {value!r}"
        raise ParameterError(message)
