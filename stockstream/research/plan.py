"""From combinations to jobs: rules compiled, series shared, settings grouped, everything in pieces that fit."""

from __future__ import annotations

import functools
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from stockstream.errors import ParameterError
from stockstream.research.budget import in_words
from stockstream.research.collect import Batch
from stockstream.research.desk import Desk, Shelf, panel_for, ranks, short_way
from stockstream.research.jobs import CHUNK_BARS, MIN_CHUNK, PATH_BARS, AccountWork, Job, Package, SymbolWork, answer
from stockstream.research.programs import (
    RADIX,
    Bound,
    CompiledRules,
    Needs,
    compile_rules,
    nearby,
    numbers_of,
    refused_levels,
)
from stockstream.research.rows import Rows
from stockstream.research.symbolic import symbolic_rules
from stockstream.research.variants import variants

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from stockstream.backtesting.engine import Settings
    from stockstream.backtesting.strategy import RuleStrategy
    from stockstream.bars import Bars
    from stockstream.research.budget import Budget
    from stockstream.research.checkpoint import Checkpoint
    from stockstream.research.collect import Collector
    from stockstream.research.crew import Crew
    from stockstream.research.desk import Prepared
    from stockstream.research.grid import Combinations
    from stockstream.research.jobs import Work
    from stockstream.research.question import Question

#: Combinations whose rules are also built from numbers, to see that parameters stand for them.
SAMPLED_RULES: Final = 16

#: Combinations that the rules are tried on are taken from so many.
LISTED_SAMPLE: Final = 100_000

#: Combinations planned at once where each has rules of its own.
UNSHARED_BATCH: Final = 2_000

#: Series that evaluating one holds beside it, and those of a rank, which stand for all symbols.
BESIDE: Final = 2

#: Rows of a job whose series are there.
NO_ROWS: Final = Rows([])

#: Kinds of jobs whose kernels are loaded.
WARM: Final[set[tuple[Any, ...]]] = set()


@dataclass(frozen=True, eq=False)
class Piece:
    """Combinations whose series are held together, sorted so that neighbours share them.

    Attributes
    ----------
    places
        ``(n,)``: of the combinations in their batch.
    cuts
        Settings and the part of the piece that has them.
    """

    compiled: CompiledRules
    rows: Rows
    slots: NDArray[np.int32]
    values: NDArray[np.float64]
    places: NDArray[np.int64]
    cuts: list[tuple[Settings, slice]]


@dataclass(eq=False)
class Plan:
    """What has to be run.

    Attributes
    ----------
    chunk
        Combinations of a job.
    crew
        Who does the jobs.
    shared
        One account for all symbols.
    symbolic
        The rules with parameters in the place of numbers, where they are known or have been found.
    prepared
        Symbol -> what its desks need, whatever the series.
    """

    strategy: type[RuleStrategy]
    bars: Bars
    settings: Settings
    combinations: Combinations
    options: tuple[str, ...]
    question: Question
    budget: Budget
    collector: Collector
    checkpoint: Checkpoint | None
    chunk: int
    crew: Crew
    shared: bool
    symbolic: CompiledRules | None = None
    ways: Counter[str] = field(default_factory=Counter)
    recalled: int = 0
    prepared: dict[int, Prepared] = field(default_factory=dict)
    compiled: float = 0.0

    @classmethod
    def of(
        cls,
        strategy: type[RuleStrategy],
        settings: Settings,
        combinations: Combinations,
        limits: Budget,
        collector: Collector,
        crew: Crew,
        *,
        checkpoint: Checkpoint | None = None,
        shared: bool = False,
    ) -> Plan:
        """Plan the combinations of a grid on the bars of a crew."""
        bars, question = crew.package.bars, crew.package.question
        return cls(
            strategy=strategy,
            bars=bars,
            settings=settings,
            combinations=combinations,
            options=tuple(name for name in combinations.names if "." in name),
            question=question,
            budget=limits,
            collector=collector,
            checkpoint=checkpoint,
            chunk=chunk_of(
                bars,
                question,
                limits,
                combinations=combinations.count,
                rows_each=1 if shared else len(bars.symbols),
                hands=crew.workers,
                remote=crew.remote,
                shared=shared,
            ),
            crew=crew,
            shared=shared,
        )

    @property
    def remote(self) -> bool:
        """Whether jobs leave this process: series are then computed where they arrive."""
        return self.crew.remote

    @property
    def rows_each(self) -> int:
        """Rows of the result for each combination."""
        return 1 if self.shared else len(self.bars.symbols)

    def jobs(self) -> Iterator[Job | None]:
        """Give all jobs, in an order that fills batch after batch; None while another batch would not fit."""
        if self.symbolic is None and not self.shared:
            self.symbolic = self._symbolic()
        unshared = self.symbolic is None and not self.shared
        size = min(self.budget.batch, UNSHARED_BATCH) if unshared else self.budget.batch
        first = 0
        for table in self.combinations.batches(size):
            while self.collector.held >= self.budget.open:
                yield None
            batch = Batch.of(first, table, self.rows_each, self.question.width)
            self.collector.begin(batch)
            if self.checkpoint is not None:
                self.recalled += self.checkpoint.recall(batch)
            for job in self._of_batch(batch):
                batch.open += 1
                yield job
            batch.sealed = True
            self.collector.hand_on()
            first += table.height

    def _symbolic(self) -> CompiledRules | None:
        names = [name for name in self.combinations.names if name not in self.options]
        return symbolic_rules(self.strategy, names, self._sampled(names))

    def _sampled(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """Return combinations from all over the first batch, without settings."""
        table = next(self.combinations.batches(LISTED_SAMPLE))
        step = max(table.height // SAMPLED_RULES, 1)
        columns = [table.get_column(name).to_numpy()[::step].tolist() for name in names]
        return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]

    def _of_batch(self, batch: Batch) -> Iterator[Job]:
        made, batch.which = variants(batch.table, self.options, self.settings)
        batch.settings = [None if isinstance(one, str) else one for one in made]
        wrong = [place for place, one in enumerate(made) if isinstance(one, str)]
        if wrong:
            bad = np.flatnonzero(np.isin(batch.which, wrong))
            self.collector.refuse(batch, {int(place): str(made[batch.which[place]]) for place in bad})
        if self.shared:
            yield from self._accounts(batch)
            return
        for piece in self._pieces(batch):
            yield from self._of_piece(batch, piece)

    def _accounts(self, batch: Batch) -> Iterator[Job]:
        self.ways["all symbols share an account"] += 1
        pending = np.flatnonzero(~batch.refused & ~batch.done[0])
        for first in range(0, len(pending), self.chunk):
            places = pending[first : first + self.chunk]
            rows = [self._parameters(row) for row in batch.table[places].to_dicts()]
            settings = [one for place in places if (one := batch.settings[batch.which[place]]) is not None]
            work = AccountWork(rows, settings)
            self._warm_up(("account",), functools.partial(AccountWork, rows[:1], settings[:1]))
            yield Job(batch, 0, places, work)

    def _parameters(self, row: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in row.items() if name not in self.options}

    # ---- pieces ----------------------------------------------------------------------------------------------

    def _pieces(self, batch: Batch) -> Iterator[Piece]:
        runnable = np.flatnonzero(~batch.refused)
        if self.symbolic is not None:
            columns = {name: batch.table.get_column(name).to_numpy()[runnable] for name in batch.table.columns}
            yield from self._split(batch, self.symbolic, columns, runnable)
            return
        for place in runnable:
            try:
                values = self._parameters(batch.table.row(int(place), named=True))
                compiled = compile_rules(self.strategy(**values).rules())
            except Exception as error:  # the strategy's own code may raise anything; it is named and counted
                self.collector.refuse(batch, {int(place): f"{type(error).__name__}: {error}"})
                continue
            yield from self._split(batch, compiled, {}, np.array([place]))

    def _split(
        self, batch: Batch, compiled: CompiledRules, columns: dict[str, NDArray[Any]], places: NDArray[np.int64]
    ) -> Iterator[Piece]:
        """Cut combinations in halves until the series of each part fit."""
        needs = Needs.of(compiled, columns, len(places))
        numbers = numbers_of(compiled, columns, len(places))
        waiting, each = [nearby(needs.codes)], series_bytes(compiled, self.bars)
        while waiting:
            part = waiting.pop()
            wanted = needs.series(part) * each
            if wanted <= self.budget.series:
                piece = self._piece(batch, needs.bound(compiled, part), numbers[part], places[part])
                if len(piece.places):
                    yield piece
            elif len(part) == 1:
                message = (
                    f"the series of one combination take {in_words(wanted)}, more than max_bytes="
                    f"{self.budget.max_bytes:,} allows: raise max_bytes, or sweep fewer bars"
                )
                raise ParameterError(message)
            else:
                half = len(part) // 2
                waiting += [part[half:], part[:half]]

    def _piece(self, batch: Batch, bound: Bound, values: NDArray[np.float64], places: NDArray[np.int64]) -> Piece:
        """Leave out what cannot run, and put combinations of the same settings side by side."""
        refused = {**refused_levels(bound.compiled, values), **bound.refused}
        self.collector.refuse(batch, {int(places[row]): reason for row, reason in refused.items()})
        if not refused and len(batch.settings) == 1 and batch.settings[0] is not None:
            cut = (batch.settings[0], slice(0, len(places)))
            return Piece(bound.compiled, bound.rows, bound.slots, values, places, [cut])
        usable = np.ones(len(places), dtype=bool)
        usable[list(refused)] = False
        kept = np.flatnonzero(usable)
        if len(batch.settings) > 1:
            variant = batch.which[places[kept]]
            small = variant.astype(np.uint16) if len(batch.settings) <= RADIX else variant
            kept = kept[np.argsort(small, kind="stable")]
        variant = batch.which[places[kept]]
        edges = np.flatnonzero(np.diff(variant, prepend=-1, append=-1))
        cuts = [
            (one, slice(int(a), int(b))) for a, b in pairwise(edges) if (one := batch.settings[variant[a]]) is not None
        ]
        return Piece(bound.compiled, bound.rows, bound.slots[kept], values[kept], places[kept], cuts)

    def _of_piece(self, batch: Batch, piece: Piece) -> Iterator[Job]:
        why = self.question.paths
        whole = None if self.remote else panel_for(piece.compiled, self.bars)
        settings = piece.cuts[0][0]
        first = functools.partial(self._away, 0, piece, np.zeros(1, dtype=np.int64), settings)
        if self._warm_up(self._kind(piece.compiled, settings), first):
            started = time.perf_counter()
            # many values at once are computed by kernels of their own
            Shelf.of(piece.rows.first_of_families(), self.bars, 0, whole)
            self.compiled += time.perf_counter() - started
        for symbol in range(len(self.bars.symbols)):
            pending = ~batch.done[symbol, piece.places]
            if not pending.any():
                continue
            # the threads have nothing else to do before the first job; later they have runs
            idle = self.crew if batch.first == 0 and batch.open == 0 else None
            shelf = None if self.remote else Shelf.of(piece.rows, self.bars, symbol, whole, idle)
            for settings, cut in piece.cuts:
                desk = None if shelf is None else self._desk(symbol, piece.compiled, shelf, settings)
                seen = self.bars if shelf is None else shelf.bars
                self.ways[why or short_way(piece.compiled, settings, seen)[1]] += 1
                for part in self._parts(cut, pending):
                    if desk is None:
                        work = self._away(symbol, piece, part, settings)
                    else:
                        slots, values, out = piece.slots[part], piece.values[part], batch.values[symbol]
                        into = (desk, out, piece.places[part])
                        work = SymbolWork(symbol, piece.compiled, NO_ROWS, slots, values, settings, *into)
                    yield Job(batch, symbol, piece.places[part], work)

    def _desk(self, symbol: int, compiled: CompiledRules, shelf: Shelf, settings: Settings) -> Desk:
        """Return a desk; what the first ones prepared stays for later pieces, which are many in little memory."""
        desk = Desk.of(compiled, shelf, settings, self.question, self.prepared.get(symbol))
        if not self.options and desk.tape is not None and symbol not in self.prepared:
            size = sum(part.nbytes for part in desk.tape)
            if (len(self.prepared) + 1) * size <= self.budget.tapes:
                self.prepared[symbol] = desk.prepared
        return desk

    def _parts(self, cut: slice, pending: NDArray[np.bool_]) -> Iterator[Any]:
        """Cut a range of combinations into jobs; those that are done already are left out."""
        if pending[cut].all():
            yield from (
                slice(first, min(first + self.chunk, cut.stop)) for first in range(cut.start, cut.stop, self.chunk)
            )
            return
        chosen = np.arange(cut.start, cut.stop)[pending[cut]]
        yield from (chosen[first : first + self.chunk] for first in range(0, len(chosen), self.chunk))

    def _warm_up(self, kind: tuple[Any, ...], first: Callable[[], Work]) -> bool:
        """Run one combination of the first job, so that loading or compiling kernels does not count as running.

        Returns whether it had to.
        """
        if kind in WARM or self.remote:
            return False
        started = time.perf_counter()
        answer(first(), Package(self.bars, self.question, self.strategy))
        self.compiled += time.perf_counter() - started
        WARM.add(kind)
        return True

    def _kind(self, compiled: CompiledRules, settings: Settings) -> tuple[Any, ...]:
        """Return what says which kernels the jobs of some rules need."""
        series = {type(part).__qualname__ for slot in compiled.slots for part in slot.walk()}
        return (bool(self.question.paths), short_way(compiled, settings, self.bars)[0], *sorted(series))

    def _away(self, symbol: int, piece: Piece, chosen: Any, settings: Settings) -> SymbolWork:
        """Return work that can travel, with its own series only."""
        used, places = np.unique(piece.slots[chosen], return_inverse=True)
        rows = Rows([piece.rows[row] for row in used] if len(piece.rows) else [])
        values = piece.values[chosen]
        slots = places.reshape(len(values), -1).astype(np.int32)
        return SymbolWork(symbol, piece.compiled, rows, slots, values, settings)


def chunk_of(
    bars: Bars,
    question: Question,
    limits: Budget,
    *,
    combinations: int,
    rows_each: int,
    hands: int,
    remote: bool,
    shared: bool,
) -> int:
    """Return how many combinations make a job; threads get the same number of jobs of the same size."""
    combinations = min(combinations, limits.batch * (limits.open if remote else 1))
    sessions = len(bars.dates) * (len(bars.symbols) if shared else 1)
    most = min(PATH_BARS, limits.paths // 8) if question.paths or shared else CHUNK_BARS
    if remote:  # jobs that travel are larger, but no fewer than a few for each of many workers
        most = int(np.clip(combinations * rows_each * sessions / 32, most, 8 * most))
    chunk = max(1 if shared else MIN_CHUNK, most // sessions)
    if remote or shared:
        return chunk
    jobs = -(-combinations // (chunk * hands)) * hands
    return -(-combinations // (jobs * MIN_CHUNK)) * MIN_CHUNK


def series_bytes(compiled: CompiledRules, bars: Bars) -> int:
    """Return what one series takes while it is computed and held; a rank stands for all symbols."""
    ranked = any(ranks(expression) for expression in compiled.slots)
    return 8 * len(bars.dates) * (1 + BESIDE) * (len(bars.symbols) if ranked else 1)
