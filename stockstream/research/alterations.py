"""Other futures: the same bars up to a cut and something else after it.

Every alteration keeps what a market can print (positive prices, low <= high), so that whatever reads the bars runs on
it as on real ones.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from stockstream.bars import EXTRAS, Bars
from stockstream.indicators.calling import readonly
from stockstream.schema import OHLCV, PRICES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from stockstream.panels import Panel

#: A shock of e^1 up or down at the first altered bar crosses any moving average that an ordinary move could reach.
SHOCK: Final = 1.0
NOISE: Final = 0.04


def removed(bars: Bars, cut: int) -> Bars:
    """Return the bars up to and including session `cut`, without what later days say about delistings."""
    last = bars.dates[cut]
    known = {symbol: day for symbol, day in bars.delisted.items() if np.datetime64(day, "D") <= last}
    return replace(bars.between(None, str(last)), delisted=known)


def mirrored(bars: Bars, cut: int) -> Bars:
    """Return bars whose later moves are turned upside down: every rise is a fall of the same size, every high a low.

    The path goes on from the last close, so each later return, gap and candle has the other sign.
    """
    pivot = _last_close(bars, cut) ** 2
    later = {name: getattr(bars, name)[:, cut + 1 :] for name in PRICES}
    turned = {name: pivot / values for name, values in later.items()}
    turned["high"], turned["low"] = turned["low"], turned["high"]
    volume = bars.volume[:, cut + 1 :]
    middle = np.nanmedian(np.where(bars.present, bars.volume, np.nan)) if bars.present.any() else 1.0
    turned["volume"] = np.where(volume < middle, volume * 7.0 + 1.0, np.floor(volume / 7.0))
    return _with_future(bars, cut, turned)


def scrambled(bars: Bars, cut: int, random: np.random.Generator) -> Bars:
    """Return bars whose later sessions are shuffled, multiplied by a random path with a shock, and traded otherwise."""
    symbols, sessions = bars.shape
    left = sessions - cut - 1
    order = cut + 1 + random.permutation(left)
    shock = SHOCK * random.choice([-1.0, 1.0], size=(symbols, 1))
    path = np.exp(shock + np.cumsum(random.normal(0.0, NOISE, (symbols, left)), axis=1))
    later = {name: getattr(bars, name)[:, order] * path for name in PRICES}
    later["volume"] = np.floor(bars.volume[:, order] * random.choice([0.2, 5.0], size=(symbols, left)))
    for name in ("price_factor", "volume_factor"):
        factor = getattr(bars, name)
        if factor is not None:
            later[name] = factor[:, order]
    return _with_future(bars, cut, later)


def delisted(bars: Bars, cut: int, random: np.random.Generator) -> Bars:
    """Return bars in which half of the symbols have none after the cut."""
    gone = np.zeros(len(bars.symbols), dtype=bool)
    gone[random.permutation(len(gone))[: max(len(gone) // 2, 1)]] = True
    later = {name: np.where(gone[:, None], np.nan, getattr(bars, name)[:, cut + 1 :]) for name in OHLCV}
    return _with_future(bars, cut, later)


def bar_alone(bars: Bars, session: int, *, volume: bool) -> Bars:
    """Return bars in which one session closes on the other side of its open, with a wider range.

    Opens are left alone, and so is the volume unless asked: an order at the open may see them.
    """
    here = slice(session, session + 1)
    opened, closed = bars.open[:, here], bars.close[:, here]
    turned = opened**2 / closed * np.where(closed == opened, 1.03, 1.0)
    changed = {
        "close": turned,
        "high": np.maximum(opened, turned) * 1.05,
        "low": np.minimum(opened, turned) / 1.05,
    }
    if volume:
        changed["volume"] = bars.volume[:, here] * 3.0 + 1.0
    panels: dict[str, Any] = {}
    for name, values in changed.items():
        panel = getattr(bars, name).copy()
        panel[:, here] = values
        panels[name] = readonly(panel)
    return replace(bars, **panels)


def other_history(bars: Bars, random: np.random.Generator) -> Bars:
    """Return bars of the same symbols and sessions with another history altogether, days without a bar included."""
    first = scrambled(bars, 0, random)
    absent = random.random(bars.shape) < 0.02  # noqa: PLR2004 a day in fifty
    absent[:, :2] = bars.shape[1] > 2  # noqa: PLR2004 the first bar of all comes later
    absent[:, 2:3] = False
    panels: dict[str, Any] = {name: readonly(np.where(absent, np.nan, getattr(first, name))) for name in OHLCV}
    return replace(first, **panels)


def _last_close(bars: Bars, cut: int) -> Panel:
    """``(S, 1)``: the last close up to the cut; of a symbol not listed yet its first one."""
    known = bars.present.copy()
    known[:, cut + 1 :] = False
    last = known.shape[1] - 1 - np.argmax(known[:, ::-1], axis=1)
    place = np.where(known.any(axis=1), last, np.argmax(bars.present, axis=1))
    closes = bars.close[np.arange(len(place)), place]
    return np.where(np.isnan(closes), 1.0, closes)[:, None]


def _with_future(bars: Bars, cut: int, later: Mapping[str, NDArray[np.float64]]) -> Bars:
    panels: dict[str, Any] = {}
    for name, values in later.items():
        panel = getattr(bars, name).copy()
        panel[:, cut + 1 :] = values
        panels[name] = readonly(panel)
    if bars.dividend is not None:  # a payment stays the same part of the price
        dividend = bars.dividend.copy()
        with np.errstate(divide="ignore", invalid="ignore"):
            dividend[:, cut + 1 :] *= later["close"] / bars.close[:, cut + 1 :]
        panels["dividend"] = readonly(dividend)
    absent = np.isnan(panels["close"])
    for name in EXTRAS:
        panel = panels.get(name, getattr(bars, name))
        if panel is not None and bool(absent.any()):
            panels[name] = readonly(np.where(absent, np.nan, panel))
    return replace(bars, **panels)
