"""Sharpe ratios of many runs over every half of their blocks of bars, from sums of the blocks alone.

A half is a set of S/2 of the S blocks. Its sums are one subset of the first S/2 blocks plus one of the others, and the
2 ** (S/2) subsets of either are made once per tile of runs, by adding only: no sum is taken away again, nothing drifts,
and a run that never traded keeps its exact zero. Ratios of equally many returns are ordered as ``s |s| / q`` of their
sum s and sum of squares q, and two such fractions are compared by multiplying crosswise: no root and no division.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stockstream_kernels._compile import allocating, kernel

type Series = NDArray[np.float64]
type Places = NDArray[np.int64]

#: Runs whose subsets are held together: for 16 blocks 4 * 256 * 64 numbers, half a megabyte of second-level cache.
TILE = 64

#: Stands for the sum of squares of a run without any return, so that its ratio is 0; lost in every other sum.
NOTHING = 1e-290


@kernel
def subsets(sums: Series, nothing: float, out: Series) -> None:
    """Write the sums of all subsets of blocks.

    ``sums (B, n)`` of n runs, ``out (2 ** B, n)``: row m has the blocks whose bits are set in m, plus `nothing`.
    """
    runs = sums.shape[1]
    for k in range(runs):
        out[0, k] = nothing
    for subset in range(1, len(out)):
        without, block = subset & (subset - 1), 0
        while not subset >> block & 1:
            block += 1
        for k in range(runs):
            out[subset, k] = out[without, k] + sums[block, k]


@allocating
def best_of_halves(returns: Series, squares: Series, halves: Places, best: Places, tops: Series) -> None:
    """Write which run has the highest Sharpe ratio in each half, the first of equals.

    ``returns, squares (S, N)`` are sums of blocks, ``halves (H, 2)`` the subsets of the first and the other blocks.
    ``best (H,)`` gets the place of the run, ``tops (H, 2)`` its ``s |s|`` and q over the half.
    """
    blocks, runs = returns.shape
    half = blocks // 2
    many = 1 << half
    s0, s1, q0, q1 = np.empty((4, many, TILE))
    for h in range(len(halves)):
        best[h], tops[h, 0], tops[h, 1] = -1, -1.0, 0.0  # below every ratio
    for first in range(0, runs, TILE):
        n = min(TILE, runs - first)
        _tile(returns, squares, first, n, s0, s1, q0, q1)
        for h in range(len(halves)):
            a, b = halves[h, 0], halves[h, 1]
            top, under = tops[h, 0], tops[h, 1]
            higher = 0
            for k in range(TILE):
                s, q = s0[a, k] + s1[b, k], q0[a, k] + q1[b, k]
                higher |= s * abs(s) * under > top * q
            if higher:
                for k in range(n):
                    s, q = s0[a, k] + s1[b, k], q0[a, k] + q1[b, k]
                    if s * abs(s) * under > top * q:
                        top, under, best[h] = s * abs(s), q, first + k
                tops[h, 0], tops[h, 1] = top, under


@allocating
def ranks_in_halves(returns: Series, squares: Series, halves: Places, marks: Series, counts: Places) -> None:
    """Count the runs below and level with a mark in each half.

    ``marks (H, 2)`` are ``s |s|`` and q as of `best_of_halves`, ``counts (H, 2)`` get how many ratios are below and how
    many are the same.
    """
    blocks, runs = returns.shape
    many = 1 << blocks // 2
    s0, s1, q0, q1 = np.empty((4, many, TILE))
    counts[:] = 0
    for first in range(0, runs, TILE):
        n = min(TILE, runs - first)
        _tile(returns, squares, first, n, s0, s1, q0, q1)
        for h in range(len(halves)):
            a, b = halves[h, 0], halves[h, 1]
            mark, under = marks[h, 0], marks[h, 1]
            below, upto = 0, 0
            for k in range(n):
                s, q = s0[a, k] + s1[b, k], q0[a, k] + q1[b, k]
                have, need = s * abs(s) * under, mark * q
                below += have < need
                upto += have <= need
            counts[h, 0] += below
            counts[h, 1] += upto - below


@allocating
def marks_of(returns: Series, squares: Series, halves: Places, places: Places, marks: Series) -> None:
    """Write ``s |s|`` and q of one run in each half, with the bits that the other kernels give them."""
    half = len(returns) // 2
    for h in range(len(halves)):
        place = places[h]
        parts = np.empty((2, 2))
        for side in range(2):
            s, q = 0.0, NOTHING * side
            for block in range(half - 1, -1, -1):
                if halves[h, side] >> block & 1:
                    s += returns[side * half + block, place]
                    q += squares[side * half + block, place]
            parts[0, side], parts[1, side] = s, q
        total = parts[0, 0] + parts[0, 1]
        marks[h, 0], marks[h, 1] = total * abs(total), parts[1, 0] + parts[1, 1]


@allocating
def _tile(returns: Series, squares: Series, first: int, n: int, s0: Series, s1: Series, q0: Series, q1: Series) -> None:
    """Fill the subsets of a tile; beyond its last run stand zeros, which never beat a best one."""
    half = len(returns) // 2
    part = np.zeros((half, TILE))
    for side in range(2):
        part[:, :n] = returns[side * half : (side + 1) * half, first : first + n]
        subsets(part, 0.0, s0 if side == 0 else s1)
    part[:] = 0.0
    for side in range(2):
        part[:, :n] = squares[side * half : (side + 1) * half, first : first + n]
        subsets(part, NOTHING * side, q0 if side == 0 else q1)
