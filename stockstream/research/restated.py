"""The same bars as a lake knew them on earlier days, and what was revised since."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from stockstream.errors import StockstreamError
from stockstream.indicators.calling import readonly
from stockstream.schema import OHLCV, PRICES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from stockstream.bars import Bars
    from stockstream.lake import Lake

#: How often the bars are read again.
MOMENTS: Final = 6

#: Prices that are nearer are the same: closes carried from one scale to another are rounded on the way.
SAME: Final = 1e-6


@dataclass(frozen=True, eq=False)
class Restated:
    """Bars as they were known on a day.

    Attributes
    ----------
    day
        The day of knowledge.
    cut
        Last session of these bars among the sessions of the later ones.
    bars
        Carried to the scale of the later bars, so that a split or dividend after the day is no difference.
    revisions
        By symbol, those revised first before others: the first row that was another later, in words.
    rows
        How many rows were.
    """

    day: str
    cut: int
    bars: Bars
    revisions: Mapping[str, str]
    rows: int
    tolerance: float = SAME


def restatements(lake: Lake, bars: Bars, notes: list[str]) -> Iterator[Restated]:
    """Yield the bars as known at some moments between the first answer and the last; what cannot be read is noted."""
    adjust: Any = bars.provenance.get("adjust", "total")
    for moment in _moments(lake, bars):
        try:
            then = lake.bars(list(bars.symbols), str(bars.dates[0]), str(bars.dates[-1]), adjust=adjust, as_of=moment)
        except StockstreamError as error:
            notes.append(f"the bars as they were known at {moment}: {error}")
            continue
        yield _compared(bars, then, moment[:10])


def _moments(lake: Lake, bars: Bars) -> list[str]:
    """Return the last answer of some days since the bars begin, without the latest day, whose bars are no other."""
    days = "SELECT max(fetch_timestamp) FROM raw_prices GROUP BY left(fetch_timestamp, 10) ORDER BY 1"
    found = [str(moment) for (moment,) in lake.sql(days).fetchall()]
    moments = [moment for moment in found if moment[:10] >= str(bars.dates[0])][:-1]
    places = np.unique(np.linspace(0, len(moments) - 1, min(MOMENTS, len(moments))).astype(int))
    return [moments[place] for place in places]


def _compared(bars: Bars, then: Bars, day: str) -> Restated:
    cut = int(np.searchsorted(bars.dates, then.dates[-1], side="right")) - 1
    panels = {name: np.full((len(bars.symbols), cut + 1), np.nan) for name in OHLCV}
    places = np.searchsorted(bars.dates[: cut + 1], then.dates)
    fits = (places <= cut) & (bars.dates[np.minimum(places, cut)] == then.dates)
    for name in OHLCV:
        panels[name][:, places[fits]] = getattr(then, name)[:, fits]
    later = {name: getattr(bars, name)[:, : cut + 1] for name in OHLCV}
    for name in ("close", "volume"):
        scale = _scale(panels[name], later[name])
        for column in PRICES if name == "close" else ("volume",):
            panels[column] = panels[column] * scale
    wrong = np.zeros(panels["close"].shape, dtype=bool)
    with np.errstate(invalid="ignore"):
        for name in OHLCV:
            apart = np.abs(panels[name] - later[name]) > SAME * np.abs(later[name])
            wrong |= apart | (np.isnan(panels[name]) != np.isnan(later[name]))
    cut_bars = bars.between(None, str(bars.dates[cut]))
    gaps = np.isnan(panels["close"])
    extras = {
        name: readonly(np.where(gaps, np.nan, getattr(cut_bars, name)))
        for name in ("price_factor", "volume_factor", "dividend", "split")
        if getattr(cut_bars, name) is not None
    }
    known: Any = {**{name: readonly(np.ascontiguousarray(panel)) for name, panel in panels.items()}, **extras}
    revisions, firsts = {}, wrong.argmax(axis=1)
    for row in sorted(np.flatnonzero(wrong.any(axis=1)), key=lambda row: (firsts[row], row)):
        symbol, at = bars.symbols[row], int(firsts[row])
        before, after = panels["close"][row, at], later["close"][row, at]
        said = f"closed at {before:.6g} then and at {after:.6g} now"
        if before == after:
            said = "has another open, high, low or volume now"
        revisions[symbol] = f"{symbol} {bars.dates[at]} {said}"
    return Restated(day, cut, replace(cut_bars, **known), revisions, int(wrong.sum()))


def _scale(then: np.ndarray[Any, Any], now: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """``(S, 1)``: the middle of now / then, which a constant change of scale is on every bar."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where((then > 0) & (now > 0), now / then, np.nan)
    scale = np.ones((len(ratio), 1))
    known = np.isfinite(ratio).any(axis=1)
    if known.any():
        middle = np.nanmedian(ratio[known], axis=1)
        scale[known, 0] = np.where(np.abs(middle - 1.0) < SAME, 1.0, middle)
    return scale
