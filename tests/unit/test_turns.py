"""Where two series change sides, 64 bars and sixteen runs at a time, against a loop over bars."""

from __future__ import annotations

import numpy as np
import pytest
from stockstream_kernels._compile import kernel
from stockstream_kernels.ledger import NEVER
from stockstream_kernels.tape import Tape, first_known
from stockstream_kernels.turns import GROUP, mark_group, tiled, turns_of_pair


def turns_by_bars(one, two, falls_first):
    """List the changes of sides from the first rise on, or from a fall; a tie is on the side of the bar before it."""
    known = np.flatnonzero(~np.isnan(one) & ~np.isnan(two))
    turns, side = [], 0
    for t in range(known[0], len(one)):
        now = np.sign(one[t] - two[t]) or side
        if side and now != side and (now > 0 or turns or falls_first):
            turns.append(t)
        side = now
    return turns


@kernel
def all_turns(rows, slots, known, place, tape, masks, turns, counts, falls_first):
    """Run the two steps as the sweep does."""
    for begin in range(0, len(slots), GROUP):
        group = slots[begin : begin + GROUP]
        mark_group(rows, group, 0, 1, masks)
        for run in range(len(group)):
            one, two = np.int64(group[run, 0]), np.int64(group[run, 1])
            first = max(known[one], known[two])
            own = turns[begin + run]
            counts[begin + run] = turns_of_pair(masks[run], rows, one, two, first, place, tape, own, falls_first)


@pytest.mark.parametrize("falls_first", [False, True])
@pytest.mark.parametrize("bars", [3, 63, 64, 65, 128, 700, 1100])
def test_turns_are_those_of_a_loop(bars, falls_first):
    random = np.random.default_rng(bars)
    rows = np.cumsum(random.normal(size=(9, bars)), axis=1)
    rows[3] = np.round(rows[3])
    rows[4] = np.round(rows[2])
    rows[5], rows[6] = random.integers(0, 3, (2, bars))
    for row in range(9):
        rows[row, : random.integers(0, bars)] = np.nan
    pairs = [(one, two) for two in range(9) for one in range(9) if one != two]
    tile = [(one, two) for two in (8, 4, 5, 6) for one in (7, 1, 2, 3)]
    is_tile = getattr(tiled, "py_func", tiled)
    assert is_tile(np.array(tile), 0, 0, 1)
    assert not is_tile(np.array(pairs[:16]), 0, 0, 1)
    slots = np.array(tile + pairs + pairs[:5] + tile, dtype=np.int32)
    known = np.empty(9, dtype=np.int64)
    first_known(rows, known)
    place = np.arange(bars, dtype=np.int32)
    tape = tape_of(bars)
    masks = np.empty((GROUP, bars // 64 + 1), dtype=np.uint64)
    turns = np.empty((len(slots), bars + 1), dtype=np.int32)
    counts = np.empty(len(slots), dtype=np.int64)
    all_turns(rows, slots, known, place, tape, masks, turns, counts, falls_first)
    for run, (one, two) in enumerate(slots):
        expected = turns_by_bars(rows[one], rows[two], falls_first)
        assert turns[run, : counts[run]].tolist() == expected, (one, two)


def tape_of(bars):
    """Make a tape on which every decision is filled on the next session."""
    nothing = np.empty((1, 8))
    fill = np.arange(1, bars + 1, dtype=np.int32)
    own = np.arange(bars + 1)
    return Tape(nothing, nothing, np.empty((1, 1, 4)), np.zeros(1, np.int8), fill, nothing, nothing, own)


def test_a_row_with_a_gap_has_no_first_known_bar():
    rows = np.array([[np.nan, 1.0, 2.0], [1.0, np.nan, 2.0], [np.nan, np.nan, np.nan], [1.0, 2.0, 3.0]])
    known = np.empty(4, dtype=np.int64)
    first_known(rows, known)
    assert known.tolist() == [1, NEVER, 3, 0]
