"""Which symbols stayed on one scale over many answers, told from arrays.

A link between two answers is 1 where they agree on every bar that it is judged by, and these are enough; see
`stockstream.lake.links`. Symbols with any other link are named, and left to the views.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stockstream.lake.tail import Answers

#: As in `stockstream.lake.links`: bars that a link needs, and sessions of the older answer that it leaves out.
_LEAST: Final = 5
_LEFT_OUT: Final = 3


def rescaled(newer: Answers, linked: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return ``(C,)``: symbols of which the rows that count are perhaps not on one scale.

    Parameters
    ----------
    newer
        The answers, with closes.
    linked
        ``(C,)``: symbols of which every answer must be linked to the one before, because older rows count too.
    """
    order = np.argsort(newer.run_begin)
    sizes = newer.run_bars[order]
    run = np.empty(len(newer.code), dtype=np.int32)
    run[:] = np.repeat(order, sizes)
    others = _before(newer)
    final = newer.final
    settled = newer.run_bars if final is None else np.bincount(run[final], minlength=len(newer.run_begin))
    until = np.full(len(newer.run_begin), -1, dtype=np.int32)
    enough = settled > _LEFT_OUT
    until[enough] = newer.day[(newer.run_begin + settled - 1 - _LEFT_OUT)[enough]]
    common = np.flatnonzero(others >= 0)
    common = common[run[others[common]] == run[common] - 1]
    if final is not None:
        common = common[final[common] & final[others[common]]]
    evidence = common[newer.day[common] <= until[run[common] - 1]]
    close = newer.close
    bars = np.bincount(run[evidence], minlength=len(settled))
    changed = np.bincount(run[evidence[close[evidence] != close[others[evidence]]]], minlength=len(settled))
    first = np.concatenate([[True], newer.run_code[1:] != newer.run_code[:-1]])
    apart = first | (bars < _LEAST)
    odd = np.zeros(len(newer.names), dtype=np.bool_)
    odd[newer.run_code[(changed > 0) | (newer.run_bars < _LEAST) | (apart & ~first & linked[newer.run_code])]] = True
    segment = np.cumsum(apart)
    codes, places = np.nonzero(newer.best >= 0)
    own = segment[run[newer.best[codes, places]]]
    odd[codes[1:][(codes[1:] == codes[:-1]) & (own[1:] != own[:-1])]] = True
    return odd


def _before(newer: Answers) -> NDArray[np.int32]:
    """Return for each row the row of the same bar in the last answer before that holds it, -1 where there is none."""
    cell = newer.code.astype(np.intp) * len(newer.days) + newer.day
    known = np.full(len(newer.names) * len(newer.days), -1, dtype=np.int32)
    found = np.empty(len(cell), dtype=np.int32)
    if (newer.stamp[1:] >= newer.stamp[:-1]).all():  # as the daily run writes them
        order, stamp = np.arange(len(cell), dtype=np.int32), newer.stamp
    else:
        order = np.argsort(newer.stamp, kind="stable").astype(np.int32)
        stamp = newer.stamp[order]
        cell = cell[order]
    bounds = np.searchsorted(stamp, np.arange(len(newer.stamps) + 1)).tolist()
    for begin, end in pairwise(bounds):
        cells, rows = cell[begin:end], order[begin:end]
        found[rows] = known[cells]
        known[cells] = rows
    return found
