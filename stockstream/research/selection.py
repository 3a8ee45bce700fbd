"""Whether picking the best of a sweep picks anything: the probability of backtest overfitting.

Combinatorially symmetric cross-validation of Bailey, Borwein, López de Prado and Zhu, "The Probability of Backtest
Overfitting" (2015): the sessions are cut into S blocks; on every half of them the run with the best Sharpe ratio is
chosen, and its rank among all runs on the other half is looked up. It needs three numbers for each run and block, which
a sweep keeps with ``blocks=16``; curves are never stored.
"""

from __future__ import annotations

import itertools
import math
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from stockstream.errors import DataError, ParameterError, counted

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

#: Blocks that may be asked for: 20 give 184,756 halves.
MOST_BLOCKS: Final = 20

#: Returns in a block below which its Sharpe ratio is noise beyond use.
FEWEST_IN_BLOCK: Final = 5

#: As many as are usual: 12,870 splits.
BLOCKS: Final = 16


@dataclass(frozen=True, eq=False, repr=False)
class Overfitting:
    """What cross-validation over all halves of the sessions found.

    Attributes
    ----------
    probability
        Share of the halves whose best run was in the lower half of all runs on the other sessions: PBO. 0.5 is what
        choosing among worthless runs gives.
    logits : (H,)
        ``log(w / (1 - w))`` of the relative rank ``w = rank / (runs + 1)``, equal runs sharing the mean rank.
    in_sample, out_of_sample : (H,)
        Sharpe ratio of one period of the chosen run, on the half it was chosen on and on the other.
    chosen : (H,)
        Place of the chosen run, as in the sums that were given.
    runs, blocks
        How many of each.
    """

    probability: float
    logits: NDArray[np.float64] = field(repr=False)
    in_sample: NDArray[np.float64] = field(repr=False)
    out_of_sample: NDArray[np.float64] = field(repr=False)
    chosen: NDArray[np.int64] = field(repr=False)
    runs: int
    blocks: int

    @property
    def slope(self) -> float:
        """Of the chosen runs' Sharpe ratios outside on those inside: below 0, a better past meant a worse future."""
        finite = np.isfinite(self.in_sample) & np.isfinite(self.out_of_sample)
        if finite.sum() < 2 or np.ptp(self.in_sample[finite]) == 0.0:  # noqa: PLR2004 a line needs two points
            return math.nan
        return float(np.polyfit(self.in_sample[finite], self.out_of_sample[finite], 1)[0])

    @property
    def loss(self) -> float:
        """Share of the halves on which the chosen run lost money outside."""
        return float((self.out_of_sample < 0.0).mean())

    def __repr__(self) -> str:
        return (
            f"In {self.probability:.1%} of {counted(len(self.logits), 'way')} to choose the best of "
            f"{counted(self.runs, 'run')} on half of the sessions, it was below the middle on the other "
            f"half; in {self.loss:.1%} it lost money there."
        )


def block_sums(returns: ArrayLike, blocks: int = 16) -> NDArray[np.float64]:
    """Return ``(N, blocks, 3)``: count, sum and sum of squares of returns ``(N, T)`` in contiguous blocks.

    The blocks are those of ``ss.sweep(..., blocks=)``: they differ by a session at most, longer ones come first.

    Examples
    --------
    >>> block_sums([[1.0, 2.0, 3.0]], 2).tolist()
    [[[2.0, 3.0, 5.0], [1.0, 3.0, 9.0]]]
    """
    from stockstream.research.question import borders_of

    table = np.asarray(returns, dtype=np.float64)
    if table.ndim != 2 or not np.isfinite(table).all():  # noqa: PLR2004
        message = f"expected finite returns of shape (runs, T); found {table.shape}"
        raise DataError(message)
    borders = borders_of(table.shape[1], blocks)
    sums = np.empty((len(table), blocks, 3))
    for block, (begin, end) in enumerate(itertools.pairwise(borders)):
        part = table[:, begin:end]
        sums[:, block, 0], sums[:, block, 1], sums[:, block, 2] = end - begin, part.sum(axis=1), (part**2).sum(axis=1)
    return sums


def overfitting(sums: ArrayLike, *, hurdle: float = 0.0, workers: int | None = None) -> Overfitting:
    """Return the probability of backtest overfitting of many runs.

    Parameters
    ----------
    sums : (N, S, 3)
        Of each run and block the count, sum and sum of squares of returns: `Sweep.block_sums`, or `block_sums` of a
        matrix of returns. S is even, 16 gives 12,870 halves. Sessions after a ruin count as returns of zero.
    hurdle
        Riskless return of one period.
    workers
        Threads; None for one per core.

    Returns
    -------
    Overfitting
        A run without any return in a half has the Sharpe ratio 0 there.

    Raises
    ------
    ParameterError, DataError
        Fewer than two runs, an odd number of blocks or more than 20, blocks of fewer than five sessions, or runs that
        are all the same.

    Examples
    --------
    >>> import numpy as np
    >>> noise = np.random.default_rng(7).normal(0, 0.01, (50, 800))
    >>> found = overfitting(block_sums(noise, 8))
    >>> round(found.probability, 3), len(found.logits)
    (0.671, 70)
    """
    table = _checked(sums)
    counts = table[:, :, 0].max(axis=0)
    returns = np.ascontiguousarray(table[:, :, 1].T)
    squares = np.ascontiguousarray(table[:, :, 2].T)
    if hurdle:
        squares += counts[:, None] * hurdle**2 - 2.0 * hurdle * returns
        returns -= counts[:, None] * hurdle
    runs, blocks = table.shape[:2]
    halves = halves_of(blocks)
    others = (1 << blocks // 2) - 1 - halves
    chosen, counted = _chosen_and_ranked(returns, squares, halves, others, workers or os.cpu_count() or 1)
    rank = counted[:, 0] + (counted[:, 1] + 1) / 2.0
    relative = rank / (runs + 1)
    logits = np.log(relative) - np.log1p(-relative)
    inside, outside = (_sharpe(returns, squares, counts, part, chosen) for part in (halves, others))
    probability = float((2.0 * rank <= runs + 1).mean())
    return Overfitting(probability, logits, inside, outside, chosen, runs, blocks)


def halves_of(blocks: int) -> NDArray[np.int64]:
    """Return ``(H, 2)``: all ways to take half of the blocks, as bits of the first and of the later blocks.

    Examples
    --------
    >>> halves_of(2).tolist()
    [[0, 1], [1, 0]]
    """
    half = blocks // 2
    taken = itertools.combinations(range(blocks), half)
    bits = np.fromiter((sum(1 << block for block in one) for one in taken), dtype=np.int64)
    first, later = bits & ((1 << half) - 1), bits >> half
    order = np.lexsort((later, first))
    return np.stack([first[order], later[order]], axis=1)


def _checked(sums: ArrayLike) -> NDArray[np.float64]:
    table = np.asarray(sums, dtype=np.float64)
    if table.ndim != 3 or table.shape[2] != 3 or not np.isfinite(table).all():  # noqa: PLR2004
        message = f"expected finite sums of shape (runs, blocks, 3), such as sweep.block_sums; found {table.shape}"
        raise DataError(message)
    runs, blocks = table.shape[:2]
    if runs < 2:  # noqa: PLR2004 one cannot be chosen
        message = (
            f"expected at least two runs to choose from; found {runs}: one combination cannot be overfitted by choice"
        )
        raise ParameterError(message)
    if blocks % 2 or not 2 <= blocks <= MOST_BLOCKS:  # noqa: PLR2004
        message = f"expected an even number of blocks from 2 to {MOST_BLOCKS}; found {blocks}. 16 is usual"
        raise ParameterError(message)
    shortest = int(table[:, :, 0].max(axis=0).min())
    if shortest < FEWEST_IN_BLOCK:
        message = (
            f"expected blocks of at least {FEWEST_IN_BLOCK} sessions; found {shortest}. Use fewer, or more sessions"
        )
        raise DataError(message)
    if (table == table[0]).all():
        message = f"all {runs:,} runs have the same returns: there is nothing to choose. None may have traded"
        raise DataError(message)
    return table


def _chosen_and_ranked(
    returns: NDArray[np.float64],
    squares: NDArray[np.float64],
    halves: NDArray[np.int64],
    others: NDArray[np.int64],
    workers: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the best run of each half ``(H,)``, and ``(H, 2)``: how many are below and level with it on the other."""
    from stockstream_kernels import splits

    runs = returns.shape[1]
    cuts = np.unique(np.linspace(0, -(-runs // splits.TILE), workers + 1).astype(np.int64)) * splits.TILE
    parts = [
        (int(begin), np.ascontiguousarray(returns[:, begin:end]), np.ascontiguousarray(squares[:, begin:end]))
        for begin, end in itertools.pairwise(cuts)
    ]

    def best(part: tuple[int, Any, Any]) -> tuple[Any, Any]:
        places, tops = np.empty(len(halves), dtype=np.int64), np.empty((len(halves), 2))
        splits.best_of_halves(part[1], part[2], halves, places, tops)
        return places + part[0], tops

    def ranked(part: tuple[int, Any, Any]) -> Any:
        counts = np.empty((len(halves), 2), dtype=np.int64)
        splits.ranks_in_halves(part[1], part[2], others, marks, counts)
        return counts

    with ThreadPoolExecutor(workers) as pool:
        (chosen, tops), *rest = pool.map(best, parts)
        for places, found in rest:
            higher = found[:, 0] * tops[:, 1] > tops[:, 0] * found[:, 1]
            chosen, tops = np.where(higher, places, chosen), np.where(higher[:, None], found, tops)
        marks = np.empty((len(halves), 2))
        splits.marks_of(returns, squares, others, chosen, marks)
        return chosen, sum(pool.map(ranked, parts))


def _sharpe(
    returns: NDArray[np.float64],
    squares: NDArray[np.float64],
    counts: NDArray[np.float64],
    halves: NDArray[np.int64],
    chosen: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return ``(H,)``: the Sharpe ratio of each chosen run on its half, 0 without returns."""
    blocks = len(counts)
    half = blocks // 2
    bits = halves[:, [0] * half + [1] * half] >> np.tile(np.arange(half), 2) & 1
    total = np.einsum("hb,bh->h", bits, returns[:, chosen])
    square = np.einsum("hb,bh->h", bits, squares[:, chosen])
    number = bits @ counts
    mean = total / number
    deviation = np.sqrt(np.maximum(square - total * mean, 0.0) / (number - 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(square > 0.0, mean / deviation, 0.0)
