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

    from stockstream.lake.gathered import Closes
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
    runs, closes = newer.runs, newer.closes
    if closes is None:
        message = "the closes of all rows are needed"
        raise ValueError(message)
    first = np.concatenate([[True], runs.code[1:] != runs.code[:-1]])
    bars, changed = _evidence(newer, closes, first)
    apart = first | (bars < _LEAST)
    odd = np.zeros(len(newer.names), dtype=np.bool_)
    odd[runs.code[(changed > 0) | (runs.bars < _LEAST) | (apart & ~first & linked[runs.code])]] = True
    segment = np.cumsum(apart)
    codes, places = np.nonzero(newer.best >= 0)
    own = segment[newer.run_of(newer.best[codes, places])]
    odd[codes[1:][(codes[1:] == codes[:-1]) & (own[1:] != own[:-1])]] = True
    return odd


def _evidence(newer: Answers, closes: Closes, first: NDArray[np.bool_]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return ``(R,)`` twice: by how many bars each run is linked to the one before, and how many of them differ.

    Parameters
    ----------
    newer
        The answers.
    closes
        Of all of their rows.
    first
        ``(R,)``: the first run of each symbol.
    """
    runs, days = newer.runs, newer.days
    final = None if closes.final.all() else closes.final
    until = _until(newer, closes, final)
    column_of = np.zeros(int(days[-1] - days[0]) + 1, dtype=np.int32)
    column_of[days - days[0]] = np.arange(len(days), dtype=np.int32)
    bars, differ = (np.zeros(len(first), dtype=np.int32) for _ in range(2))
    cells = len(newer.names) * len(days)
    held_run = np.full(cells, -2, dtype=np.int32)  # before the first run is none
    held_close, held_final = np.empty(cells), np.zeros(cells, dtype=np.bool_)
    for these in _rounds(newer.run_begin, first):
        count = runs.bars[these]
        begins = np.cumsum(count) - count
        own = np.repeat(these, count)
        rows = np.arange(len(own)) + np.repeat(newer.run_begin[these] - begins, count)
        number, close = closes.number[rows], closes.close[rows]
        cell = runs.code[own].astype(np.intp) * len(days) + column_of[number - days[0]]
        told = (held_run[cell] == own - 1) & (number <= until[own - 1])
        if final is not None:
            told &= final[rows] & held_final[cell]
            held_final[cell] = final[rows]
        bars[these] = np.add.reduceat(told, begins, dtype=np.int32)
        differ[these] = np.add.reduceat(told & (close != held_close[cell]), begins, dtype=np.int32)
        held_run[cell], held_close[cell] = own, close
    return bars, differ


def _until(newer: Answers, closes: Closes, final: NDArray[np.bool_] | None) -> NDArray[np.int32]:
    """Return ``(R,)``: the last date by which a later answer is linked to each run; far back where there is none."""
    runs = newer.runs
    settled = runs.bars
    if final is not None:
        order = np.argsort(newer.run_begin)
        settled = np.empty_like(runs.bars)
        settled[order] = np.add.reduceat(final, newer.run_begin[order], dtype=np.int32)
    until = np.full(len(settled), np.iinfo(np.int32).min, dtype=np.int32)
    enough = settled > _LEFT_OUT
    until[enough] = closes.number[(newer.run_begin + settled - 1 - _LEFT_OUT)[enough]]
    return until


def _rounds(begin: NDArray[np.int64], first: NDArray[np.bool_]) -> Iterator[NDArray[np.int32]]:
    """Give the first runs of all symbols, then the second ones, and so on; of each round in the order of the files."""
    places = np.arange(len(first), dtype=np.int32)
    number = places - np.maximum.accumulate(np.where(first, places, 0))
    yield from np.split(np.lexsort((begin, number)).astype(np.int32), np.cumsum(np.bincount(number))[:-1])
