"""Which symbols stayed on one scale over many answers, told from arrays.

A link between two answers is 1 where they agree on every bar that it is judged by, and these are enough; see
`stockstream.lake.links`. Symbols with any other link are named, and left to the views.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    run = np.repeat(order.astype(np.int32), newer.run_bars[order])
    first = np.concatenate([[True], newer.run_code[1:] != newer.run_code[:-1]])
    bars, changed = _evidence(newer, run, first)
    apart = first | (bars < _LEAST)
    odd = np.zeros(len(newer.names), dtype=np.bool_)
    odd[newer.run_code[(changed > 0) | (newer.run_bars < _LEAST) | (apart & ~first & linked[newer.run_code])]] = True
    segment = np.cumsum(apart)
    codes, places = np.nonzero(newer.best >= 0)
    own = segment[run[newer.best[codes, places]]]
    odd[codes[1:][(codes[1:] == codes[:-1]) & (own[1:] != own[:-1])]] = True
    return odd


def _evidence(
    newer: Answers, run: NDArray[np.int32], first: NDArray[np.bool_]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return ``(R,)`` twice: by how many bars each run is linked to the one before, and how many of them differ.

    Parameters
    ----------
    newer
        The answers.
    run
        ``(N,)``: the run of each row.
    first
        ``(R,)``: the first run of each symbol.
    """
    final, close = newer.final, newer.close
    settled = newer.run_bars if final is None else np.bincount(run[final], minlength=len(first))
    until = np.full(len(first), -1, dtype=np.int32)
    enough = settled > _LEFT_OUT
    until[enough] = newer.day[(newer.run_begin + settled - 1 - _LEFT_OUT)[enough]]
    bars, differ = np.empty(len(run), dtype=np.bool_), np.empty(len(run), dtype=np.bool_)
    cells = len(newer.names) * len(newer.days)
    held_run = np.full(cells, -2, dtype=np.int32)  # before the first run is none
    held_close, held_final = np.empty(cells), np.zeros(cells, dtype=np.bool_)
    for rows in _rounds(run, first):
        cell = newer.code[rows].astype(np.intp) * len(newer.days) + newer.day[rows]
        own = run[rows]
        told = (held_run[cell] == own - 1) & (newer.day[rows] <= until[own - 1])
        if final is not None:
            told &= final[rows] & held_final[cell]
            held_final[cell] = final[rows]
        bars[rows] = told
        differ[rows] = told & (close[rows] != held_close[cell])
        held_run[cell], held_close[cell] = own, close[rows]
    return np.bincount(run[bars], minlength=len(first)), np.bincount(run[differ], minlength=len(first))


def _rounds(run: NDArray[np.int32], first: NDArray[np.bool_]) -> Iterator[slice | NDArray[np.intp]]:
    """Give the rows of the first answers about all symbols, then those of the second ones, and so on."""
    places = np.arange(len(first), dtype=np.int32)
    number = (places - np.maximum.accumulate(np.where(first, places, 0)))[run]
    if (number[1:] >= number[:-1]).all():  # as the daily run writes them
        bounds = np.searchsorted(number, np.arange(int(number[-1]) + 2)).tolist()
        yield from map(slice, bounds[:-1], bounds[1:])
        return
    small = int(number.max()) < 2**16  # which are sorted several times as fast
    order = np.argsort(number.astype(np.uint16) if small else number, kind="stable")
    yield from np.split(order, np.cumsum(np.bincount(number))[:-1])
