"""What a sweep wants to know of every run: metrics, and reductions of equity paths that the user wrote."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from stockstream_kernels import measures as kernels
from stockstream_kernels import paths as path_kernels
from stockstream_kernels.performance import living_bars
from stockstream_kernels.relative_performance import path_relative

from stockstream.errors import ParameterError, UnknownNameError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from stockstream.backtesting.engine import Settings
    from stockstream.backtesting.result import Result

type Series = NDArray[np.float64]
type Reduction = Callable[[NDArray[np.float64], NDArray[np.datetime64]], Any]

#: Every metric of a sweep, by place in the results of the kernel that walks paths.
EVERY: Final = (*kernels.MEASURES, *path_kernels.PATH_MEASURES)

#: What is kept of each block of bars.
BLOCK_SUMS: Final = kernels.BLOCK_SUMS

#: What one pass gives without a path.
DEFAULT_METRICS: Final = kernels.MEASURES[:15]

#: Metrics that count something, whole numbers in the frame.
COUNTS: Final = (
    "trades",
    "max_drawdown_bars",
    "longest_bars_held",
    "consecutive_wins",
    "consecutive_losses",
)

_COMPARED: Final = path_kernels.PATH_MEASURES[path_kernels.COMPARED - path_kernels.FIRST :]


@dataclass(frozen=True, eq=False)
class Question:
    """What is kept of every run.

    Attributes
    ----------
    metrics
        Names, in the order of the columns.
    reduce
        Name -> function of a block of equity paths ``(runs, T)`` and the dates ``(T,)`` that gives ``(runs,)``.
    benchmark
        Levels ``(T,)``, or None.
    blocks
        Contiguous blocks of sessions whose sums of returns are kept, 0 for none.
    edges
        First session of each block and the end, where the blocks are not about equal.
    """

    metrics: tuple[str, ...]
    reduce: Mapping[str, Reduction] = field(default_factory=dict)
    benchmark: Series | None = None
    blocks: int = 0
    edges: tuple[int, ...] = ()

    @classmethod
    def of(
        cls,
        metrics: Sequence[str],
        reduce: Mapping[str, Reduction] | None,
        benchmark: Series | None,
        blocks: int = 0,
        edges: tuple[int, ...] = (),
    ) -> Question:
        """Check names before anything runs."""
        chosen = (metrics,) if isinstance(metrics, str) else tuple(metrics)
        reductions = dict(reduce or {})
        for name in chosen:
            if name not in EVERY:
                message = f"a sweep has no metric {name!r}; expected {', '.join(EVERY)}.{did_you_mean(name, EVERY)}"
                raise UnknownNameError(message)
        for name, function in reductions.items():
            if name in EVERY or not callable(function):
                message = (
                    f"expected reduce={{name: function of (equity paths, dates)}} with names of your own; "
                    f"found {name!r}: {function!r}"
                )
                raise ParameterError(message)
        names = [*chosen, *reductions]
        if not names or len(set(names)) != len(names):
            message = f"expected at least one metric, and each name once; found {', '.join(names) or 'none'}"
            raise ParameterError(message)
        return cls(chosen, reductions, benchmark, blocks, edges)

    @property
    def names(self) -> tuple[str, ...]:
        """Columns of the results that users see."""
        return (*self.metrics, *self.reduce)

    @property
    def sums(self) -> tuple[str, ...]:
        """Columns of the blocks, after the others."""
        return tuple(f"block_{block}_{name}" for block in range(self.blocks) for name in kernels.BLOCK_SUMS)

    @property
    def width(self) -> int:
        """How many columns that is."""
        return len(self.names) + len(BLOCK_SUMS) * self.blocks

    @property
    def columns(self) -> NDArray[np.int64]:
        """Place of each column in a row of the kernels."""
        sums = len(kernels.MEASURES) + np.arange(len(BLOCK_SUMS) * self.blocks)
        return np.concatenate([np.array([EVERY.index(name) for name in self.metrics], dtype=np.int64), sums])

    def borders(self, sessions: int) -> NDArray[np.int64]:
        """First session of each block, and the end: blocks differ by a session at most, longer ones come first."""
        return np.array(self.edges, dtype=np.int64) if self.edges else borders_of(sessions, self.blocks)

    def summed(self, paths: Series, cash: float) -> Series:
        """Return ``(3 * blocks, runs)``: the sums of the blocks of equity paths."""
        results = np.empty((len(paths), len(BLOCK_SUMS) * self.blocks))
        borders = self.borders(paths.shape[1])
        for path, row in zip(paths, results, strict=True):
            kernels.block_sums(path, cash, borders, row)
        return results.T

    @property
    def paths(self) -> str:
        """Why equity paths are needed, empty when they are not."""
        if self.reduce:
            return f"{next(iter(self.reduce))} reduces equity paths"
        beyond = [name for name in self.metrics if name not in kernels.MEASURES]
        return f"{beyond[0]} needs the equity path" if beyond else ""

    def chosen(self, measured: Series) -> Series:
        """Return ``(M, C)`` of the metrics of a kernel's results ``(C, …)``."""
        return np.ascontiguousarray(measured[:, [EVERY.index(name) for name in self.metrics]].T)

    def compare(self, paths: Series, settings: Settings, out: Series) -> None:
        """Write the comparisons with the benchmark, NaN without one, where they are asked for."""
        out[:, path_kernels.COMPARED :] = np.nan
        if self.benchmark is None or not set(_COMPARED) & set(self.metrics):
            return
        hurdle = hurdle_of(settings)
        for path, row in zip(paths, out, strict=True):
            living = path[: living_bars(path)]
            level = self.benchmark[: len(living)]
            row[path_kernels.COMPARED :] = path_relative(living, level, settings.periods_per_year, hurdle)

    def reduced(self, paths: Series, dates: NDArray[np.datetime64]) -> Series:
        """Return ``(reductions, runs)``.

        Raises
        ------
        ParameterError
            A function that raises, or gives something else than one number a run.
        """
        results = np.empty((len(self.reduce), len(paths)))
        for place, (name, function) in enumerate(self.reduce.items()):
            try:
                values = np.asarray(function(paths, dates), dtype=np.float64)
            except Exception as error:  # the user's own code may raise anything
                message = f"the reduction {name!r} raised {type(error).__name__}: {error}"
                raise ParameterError(message) from error
            if values.shape != (len(paths),):
                message = (
                    f"expected one number a run from the reduction {name!r}, shape ({len(paths)},) for equity of shape "
                    f"{paths.shape}; found {values.shape}"
                )
                raise ParameterError(message)
            results[place] = values
        return results

    def of_result(self, result: Result) -> Series:
        """Return ``(M,)`` of a finished backtest."""
        figures = result.metrics.to_dict()
        figures |= {"final_equity": float(result.account.equity[-1]), "ambiguous_bars": float(result.ambiguous_bars)}
        path = result.account.equity[None, :]
        reduced = self.reduced(path, result.bars.dates)[:, 0]
        summed = self.summed(path, result.settings.cash)[:, 0]
        return np.array([*(figures[name] for name in self.metrics), *reduced, *summed])


def borders_of(sessions: int, blocks: int) -> NDArray[np.int64]:
    """Return ``(blocks + 1,)``: the first session of each block, and the number of sessions.

    Examples
    --------
    >>> borders_of(10, 3).tolist()
    [0, 4, 7, 10]
    """
    if blocks == 0:
        return np.zeros(1, dtype=np.int64)
    each, longer = divmod(sessions, blocks)
    lengths = each + (np.arange(blocks) < longer)
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def hurdle_of(settings: Settings) -> float:
    """Return the riskless return of one period."""
    return math.expm1(math.log1p(settings.risk_free) / settings.periods_per_year)
