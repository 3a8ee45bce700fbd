"""Ways to look ahead that people have fallen for, each beside the honest form of the same idea.

A mutant is a function of bars, or a strategy, with the options of the audit; `reads` is what the audit should say of
how far ahead it reads, or None where that differs from run to run.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from scipy.signal import savgol_filter

import stockstream as ss
from stockstream.indicators import SMA

#: Detectors that alter the future; which of them meets a leak first is no matter.
FUTURE = {"future removed", "future mirrored", "future scrambled", "listings ended"}


@dataclass(frozen=True)
class Mutant:
    """A target that looks ahead, its honest twin, and what should be said of it."""

    leak: Any
    honest: Any
    detectors: frozenset[str] = frozenset(FUTURE)
    reads: str | None = None
    line: str | None = None
    options: dict[str, Any] = field(default_factory=dict)


def frame(bars, column="close"):
    """One column as a pandas frame, sessions down and symbols across."""
    return pd.DataFrame(getattr(bars, column).T, index=pd.DatetimeIndex(bars.dates), columns=list(bars.symbols))


def shift_minus_one(bars):
    return frame(bars).shift(-1) > frame(bars)


def shift_plus_one(bars):
    return frame(bars) > frame(bars).shift(1)


def centred_window(bars):
    return frame(bars).rolling(5, center=True).mean()


def trailing_window(bars):
    return frame(bars).rolling(5).mean()


def full_sample_score(bars):
    close = frame(bars)
    centred = close - close.mean()
    return centred / close.std() > 1.0


def rolling_score(bars):
    close = frame(bars)
    return (close - close.rolling(60).mean()) / close.rolling(60).std() > 1.0


def fitted_on_all(bars):
    """A regression of tomorrow's return on today's whose coefficient comes from the whole sample."""
    returns = np.diff(np.log(bars.close), axis=1, prepend=np.nan)
    x, y = returns[:, 1:-1], returns[:, 2:]
    slope = (x * y).sum() / (x * x).sum()
    return slope * returns


def fitted_before(bars):
    returns = np.nan_to_num(np.diff(np.log(bars.close), axis=1, prepend=np.nan))
    products = np.cumsum((returns[:, 1:] * returns[:, :-1]).sum(axis=0))
    squares = np.cumsum((returns[:, :-1] ** 2).sum(axis=0))
    return np.concatenate([[np.nan], products / np.maximum(squares, 1e-12)]) * returns


def week_labelled_at_start(bars):
    close = frame(bars)
    return close.resample("W-FRI", label="left", closed="right").last().reindex(close.index, method="ffill")


def week_labelled_at_end(bars):
    close = frame(bars)
    week = close.index.to_period("W-FRI")
    finished = close.groupby(week).last().shift(1)
    return finished.reindex(week).to_numpy().T


def month_broadcast(bars):
    close = frame(bars)
    return close.groupby(close.index.to_period("M")).transform("max")


def month_so_far(bars):
    close = frame(bars)
    return close.groupby(close.index.to_period("M")).cummax()


def filled_backwards(bars):
    return frame(bars).rolling(20).mean().bfill()


def not_filled(bars):
    return frame(bars).rolling(20).mean().ffill()


def tomorrows_open(bars):
    opens = bars.open
    tomorrow = np.concatenate([opens[:, 1:], opens[:, -1:]], axis=1)
    return ss.SignalStrategy(enter_long=tomorrow > bars.close * 1.002, exit_long=tomorrow < bars.close)


def todays_open(bars):
    return ss.SignalStrategy(enter_long=bars.close > bars.open * 1.002, exit_long=bars.close < bars.open)


class FilledAtTheClose(ss.RuleStrategy):
    """Decides on a close; the leak is where it is filled."""

    def rules(self):
        return ss.Rules(enter_long=ss.close > SMA(10), exit_long=ss.close < SMA(10))


def position_of_its_own_bar(bars):
    """The position held during a bar, decided by the close of that bar."""
    return np.where(bars.close > bars.open, 1.0, -1.0)


def position_of_the_bar_before(bars):
    return np.roll(position_of_its_own_bar(bars), 1, axis=1) * (np.arange(len(bars.dates)) > 0)


def sample_rank(bars):
    return frame(bars).rank(pct=True) > 0.9


def rank_so_far(bars):
    return frame(bars).expanding(20).rank(pct=True) > 0.9


def sample_quantile(bars):
    threshold = np.quantile(np.nan_to_num(bars.volume), 0.9, axis=1, keepdims=True)
    return bars.volume > threshold


def quantile_so_far(bars):
    volume = frame(bars, "volume")
    return volume > volume.expanding(20).quantile(0.9).shift(1)


def scaled_by_extremes(bars):
    close = frame(bars)
    low, high = close.min(), close.max()
    return (close - low) / (high - low)


def scaled_by_extremes_so_far(bars):
    close = frame(bars)
    low, high = close.cummin(), close.cummax()
    return (close - low) / (high - low)


def volume_to_come(bars):
    volume = frame(bars, "volume")
    return volume.shift(-3) > volume.rolling(10).mean()


def volume_gone_by(bars):
    volume = frame(bars, "volume")
    return volume > volume.shift(3).rolling(10).mean()


def rolled(bars):
    return np.roll(bars.close, -2, axis=1) > bars.close


def rolled_back(bars):
    moved = np.roll(bars.close, 2, axis=1)
    moved[:, :2] = np.nan
    return moved > bars.close


def interpolated(bars):
    """Month ends joined by straight lines: every day inside a month knows how it ends."""
    close = frame(bars)
    ends = close.groupby(close.index.to_period("M")).tail(1)
    return ends.reindex(close.index).interpolate()


def month_ends_carried(bars):
    close = frame(bars)
    months = close.index.to_period("M")
    return close.groupby(months).last().shift(1).reindex(months).to_numpy().T


def survivors(bars):
    """A universe of those that still trade at the end."""
    alive = ~np.isnan(bars.close[:, -1])
    return np.where(bars.present, alive[:, None], False)


def listed_then(bars):
    return bars.present


def best_of_all_years(bars):
    """The symbol that has risen most over the whole sample, held from its first day."""
    last = np.nan_to_num(bars.close[:, -1] / bars.close[:, 0])
    weights = np.zeros(bars.shape)
    weights[np.argmax(last)] = 1.0
    return weights


def best_so_far(bars):
    gain = np.nan_to_num(bars.close / bars.close[:, :1])
    return (gain == gain.max(axis=0)) / np.maximum((gain == gain.max(axis=0)).sum(axis=0), 1)


def summed_from_the_end(bars):
    volume = np.nan_to_num(bars.volume)
    left = volume[:, ::-1].cumsum(axis=1)[:, ::-1]
    return left / 1e9


def summed_from_the_start(bars):
    return np.nan_to_num(bars.volume).cumsum(axis=1) / 1e9


def gradient(bars):
    return np.gradient(bars.close, axis=1)


def difference(bars):
    return np.diff(bars.close, axis=1, prepend=bars.close[:, :1])


def without_high_frequencies(bars):
    close = np.nan_to_num(bars.close, nan=1.0)
    spectrum = np.fft.rfft(close, axis=1)
    spectrum[:, 30:] = 0.0
    return np.fft.irfft(spectrum, n=close.shape[1], axis=1) > close


def exponential(bars):
    return frame(bars).ewm(span=20, adjust=False).mean() > frame(bars)


def smoothed_both_ways(bars):
    return savgol_filter(np.nan_to_num(bars.close, nan=1.0), 11, 2, axis=1)


def smoothed_one_way(bars):
    windows = np.lib.stride_tricks.sliding_window_view(np.nan_to_num(bars.close, nan=1.0), 11, axis=1)
    fitted = savgol_filter(windows, 11, 2, axis=-1)[..., -1]
    return np.concatenate([np.full((len(fitted), 10), np.nan), fitted], axis=1)


def sold_at_the_top(bars):
    """The highest day of the whole sample is the day to sell."""
    top = np.nanargmax(bars.close, axis=1)
    exits = np.zeros(bars.shape, dtype=bool)
    exits[np.arange(len(top)), top] = True
    return exits


def highest_so_far(bars):
    return bars.close >= np.fmax.accumulate(bars.close, axis=1)


def threshold_of_all_years(bars):
    """Of ten thresholds the one that paid best over the sample, used from its first day."""
    returns = np.nan_to_num(np.diff(bars.close, axis=1, prepend=np.nan) / bars.close)
    following = np.concatenate([returns[:, 1:], np.zeros((len(returns), 1))], axis=1)
    profits = [following[returns > level].sum() for level in np.linspace(-0.02, 0.02, 10)]
    chosen = np.linspace(-0.02, 0.02, 10)[int(np.argmax(profits))]
    return returns - chosen


def threshold_of_before(bars):
    returns = np.nan_to_num(np.diff(bars.close, axis=1, prepend=np.nan) / bars.close)
    return returns - 0.01


def frame_of_polars(bars):
    """Polars: the highest close of the next five sessions."""
    rows = bars.select(bars.symbols[:1]).to_polars()
    return rows.select("date", ahead=pl.col("close").reverse().rolling_max(5).reverse())


def frame_of_polars_back(bars):
    rows = bars.select(bars.symbols[:1]).to_polars()
    return rows.select("date", ahead=pl.col("close").rolling_max(5))


@ss.indicator
def peek(close):
    """Tomorrow's close."""
    return np.append(close[1:], np.nan)


@ss.indicator
def yesterday(close):
    """Yesterday's close."""
    return np.concatenate([[np.nan], close[:-1]])


class Peeking(ss.RuleStrategy):
    """Rules cannot look ahead; an indicator of one's own can."""

    def __init__(self, own=peek):
        self.own = own

    def rules(self):
        return ss.Rules(enter_long=self.own() > SMA(5), exit_long=self.own() < SMA(5))


class PeekingByEvents(ss.Strategy):
    """Buys before rises and sells before falls."""

    indicators = {"other": peek()}  # noqa: RUF012 the interface

    def on_data(self, date, symbol, data, portfolio):
        if data["other"] > data["close"]:
            return ss.Action.buy(value=1000.0)
        return ss.Action.close()


class FollowingByEvents(PeekingByEvents):
    indicators = {"other": yesterday()}  # noqa: RUF012 the interface


class HindsightWeights(ss.TargetStrategy):
    """Weights in proportion to the return of the month to come."""

    ahead = -21

    def targets(self, bars):
        close = frame(bars)
        gain = (close.shift(self.ahead) / close - 1.0) * np.sign(-self.ahead)
        best = gain.rank(axis=1, ascending=False) == 1
        return best.to_numpy().T * 0.5


class MomentumWeights(HindsightWeights):
    ahead = 21


class Remembering:
    """Reads bars that it was given once instead of those it is asked about."""

    def __init__(self, bars):
        self.own = bars

    def __call__(self, bars):
        return self.own.close > 10.0


MUTANTS = {
    "shift(-1)": Mutant(shift_minus_one, shift_plus_one, reads="1 session ahead", line="shift(-1)"),
    "centred window": Mutant(centred_window, trailing_window, reads="2 sessions ahead", line="center=True"),
    "full-sample z-score": Mutant(full_sample_score, rolling_score, line="close.mean()"),
    "fit on all data": Mutant(fitted_on_all, fitted_before, line="returns[:, 2:]"),
    "week labelled at its start": Mutant(week_labelled_at_start, week_labelled_at_end, line="resample"),
    "month broadcast to its days": Mutant(month_broadcast, month_so_far, line="transform"),
    "bfill": Mutant(filled_backwards, not_filled, line="bfill"),
    "tomorrow's open": Mutant(tomorrows_open, todays_open, reads="1 session ahead", line="tomorrow = "),
    "filled at the close of the decision": Mutant(
        FilledAtTheClose(), FilledAtTheClose(), frozenset({"same-bar fill"}), options={"fill": "close"}
    ),
    "position of its own bar": Mutant(
        position_of_its_own_bar, position_of_the_bar_before, frozenset({"bar alone"}), options={"known": "open"}
    ),
    "full-sample rank": Mutant(sample_rank, rank_so_far),
    "full-sample quantile": Mutant(sample_quantile, quantile_so_far, line="threshold = "),
    "scaled by minimum and maximum": Mutant(scaled_by_extremes, scaled_by_extremes_so_far, line="close.min()"),
    "future volume": Mutant(volume_to_come, volume_gone_by, reads="3 sessions ahead"),
    "np.roll": Mutant(rolled, rolled_back, line="np.roll"),
    "interpolate": Mutant(interpolated, month_ends_carried),
    "universe of survivors": Mutant(survivors, listed_then, line="alive = "),
    "best symbol of all years": Mutant(best_of_all_years, best_so_far, line="last = "),
    "reversed cumsum": Mutant(summed_from_the_end, summed_from_the_start, line="[:, ::-1]"),
    "np.gradient": Mutant(gradient, difference, reads="1 session ahead", line="np.gradient"),
    "Fourier filter": Mutant(without_high_frequencies, exponential),
    "Savitzky-Golay": Mutant(smoothed_both_ways, smoothed_one_way),
    "argmax of all": Mutant(sold_at_the_top, highest_so_far, line="top = "),
    "threshold optimised on all": Mutant(threshold_of_all_years, threshold_of_before),
    "polars, reversed rolling": Mutant(frame_of_polars, frame_of_polars_back, reads="4 sessions ahead"),
    "own indicator": Mutant(peek(), yesterday(), reads="1 session ahead", line="np.append"),
    "own indicator in rules": Mutant(Peeking(), Peeking(yesterday), reads="1 session ahead", line="peek()"),
    "own indicator in events": Mutant(PeekingByEvents(), FollowingByEvents(), line="peek()"),
    "weights by hindsight": Mutant(HindsightWeights(), MomentumWeights(), line="shift"),
}
