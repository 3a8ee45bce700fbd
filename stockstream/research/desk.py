"""One symbol's desk in a sweep: its series, its tape, and the runs of a chunk of combinations."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from stockstream_kernels import expressions as machine
from stockstream_kernels import ledger, legs, measures, portfolio, short
from stockstream_kernels import paths as path_kernels
from stockstream_kernels import sweep as kernels
from stockstream_kernels import tape as tapes
from stockstream_kernels._words import WORD
from stockstream_kernels.trade_performance import TRADE_SUMS_SIZE
from stockstream_kernels.turns import GROUP

from stockstream.backtesting.decisions import NONE, SIGNAL_LIFE, SIZE_KINDS, sizes
from stockstream.backtesting.engine import Run, Settings, market_of, terms_of
from stockstream.indicators.calling import aligned, as_input
from stockstream.indicators.evaluate import Table, evaluate
from stockstream.indicators.expression import Applied, Expression, Number
from stockstream.indicators.indicator import Output
from stockstream.research.programs import DEPTH, CompiledRules
from stockstream.research.question import EVERY, Question, hurdle_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from stockstream.bars import Bars
    from stockstream.indicators.indicator import Indicator
    from stockstream.research.crew import Crew
    from stockstream.research.rows import Family, Rows

SIMULATE: Final = 0
BY_CODES: Final = 1
BY_CROSS: Final = 2
BY_LEGS: Final = 3

#: Numbers of series that are worth computing on several threads.
SPREAD: Final = 250_000


def short_way(compiled: CompiledRules, settings: Settings, bars: Bars) -> tuple[int, str]:
    """Say which way the runs can go, and why.

    The short way serves one symbol, all cash in fractions, no time exit, no interest, no events, no volume cap, no
    leverage, a fee of one rate with a minimum. Short legs, stops and targets are walked from event to event, where the
    symbol trades on all its bars. Everything else is simulated.
    """
    costs, rules = settings.costs, compiled.rules
    venue, fees = costs.venue, costs.commission
    obstacles = {
        "positions end after a number of bars": rules.max_bars is not None,
        f"the size is {settings.sizing.kind}": settings.sizing.kind != "all_cash",
        "the size is resolved at the decision": settings.sizing.at == "decision",
        "cash or shorts bear interest": costs.cash_rate > 0 or costs.borrow_rate > 0,
        "fills are capped by volume": costs.participation > 0,
        "shares come in lots or parcels": venue.lot > 0 or venue.parcel > 0,
        "fees have tiers or count shares": bool(fees.tiers) or fees.per_share > 0,
        "there is leverage": settings.leverage != 1.0,
        "dividends or splits are paid": bars.dividend is not None or bars.split is not None,
        "holdings can be delisted": any(symbol in bars.delisted for symbol in bars.symbols),
    }
    for reason, applies in obstacles.items():
        if applies:
            return SIMULATE, reason
    if rules.enter_short is not None or any(level >= 0 for level in compiled.levels):
        if not _steady(bars):
            return SIMULATE, "legs or levels, and the symbol does not trade on every session"
        return BY_LEGS, "long and short legs, stops and targets, from event to event"
    if _cross(compiled) is not None:
        return BY_CROSS, "long, all cash, entered and left where two series cross"
    return BY_CODES, "long, all cash, entered and left by rules"


def _steady(bars: Bars) -> bool:
    """Whether symbols trade on every session from their first one on."""
    traded = bars.volume > 0.0
    traded |= ~traded.any(axis=1, keepdims=True)  # no volume is known
    here = bars.present
    return bool((here & traded)[np.maximum.accumulate(here, axis=1)].all())


def _cross(compiled: CompiledRules) -> tuple[int, int] | None:
    """Slots of the two series of a crossover: entered where one rises above the other, left where it falls below."""
    rules = compiled.rules
    return _pair(compiled, rules.enter_long, rules.exit_long)


def _reversal(compiled: CompiledRules) -> tuple[int, int] | None:
    """Slots of the two series of a run that is long while one is above the other, short while it is below."""
    rules = compiled.rules
    if rules.exit_long is not None or rules.exit_short is not None or any(level >= 0 for level in compiled.levels):
        return None
    return _pair(compiled, rules.enter_long, rules.enter_short)


def _pair(compiled: CompiledRules, enter: Expression | None, leave: Expression | None) -> tuple[int, int] | None:
    """Slots of the series of which the first rises above the second in one rule, and falls below it in the other."""
    if not (isinstance(enter, Applied) and isinstance(leave, Applied)):
        return None
    one, two = _rising(enter), _rising(leave)
    if one is None or two is None or one != two[::-1]:
        return None
    places = {expression: place for place, expression in enumerate(compiled.slots)}
    return (places[one[0]], places[one[1]]) if one[0] in places and one[1] in places else None


def _rising(rule: Applied) -> tuple[Expression, Expression] | None:
    """Return what rises above what, on a cross."""
    if rule.name == "crosses_above":
        return rule.operands[0], rule.operands[1]
    return (rule.operands[1], rule.operands[0]) if rule.name == "crosses_below" else None


@dataclass(frozen=True, eq=False)
class Shelf:
    """The distinct series of one symbol, shared by all settings.

    Attributes
    ----------
    series, known
        ``(R, N)``, and the first known bar of each.
    session
        ``(N,)``: session of each own bar.
    """

    bars: Bars
    series: NDArray[np.float64]
    known: NDArray[np.int64]
    session: NDArray[np.int64]

    @classmethod
    def of(cls, rows: Rows, bars: Bars, row: int, whole: Table | None, crew: Crew | None = None) -> Shelf:
        """Compute the series of the symbol in that row of the bars; `whole` is `panel_for` their rules."""
        one = bars.select([bars.symbols[row]])
        return cls(one, *_series(rows, one, row, whole, crew), np.flatnonzero(one.present[0]))

    @cached_property
    def place(self) -> NDArray[np.int32]:
        """Session of each own bar."""
        return self.session.astype(np.int32)

    @cached_property
    def ranges(self) -> NDArray[np.float64]:
        """Tables of the carried closes, the same whatever the costs are."""
        close = _carried(self.bars.close[0])
        ranges = aligned(max(len(close) - 1, 1).bit_length(), len(close), 4)
        tapes.fill_ranges(close, ranges)
        return ranges


type Prepared = tuple[tapes.Tape | None, ledger.Market | None, ledger.Terms | None]


@dataclass(frozen=True, eq=False)
class Desk:
    """Everything the runs of one symbol under one set of settings share, read-only."""

    compiled: CompiledRules
    shelf: Shelf
    settings: Settings
    question: Question
    tape: tapes.Tape | None
    market: ledger.Market | None
    terms: ledger.Terms | None
    way: int

    @classmethod
    def of(
        cls,
        compiled: CompiledRules,
        shelf: Shelf,
        settings: Settings,
        question: Question,
        prepared: Prepared | None = None,
    ) -> Desk:
        """Prepare a desk; it has a tape where the short way is open, that of another desk where one is given."""
        way = SIMULATE if question.paths else short_way(compiled, settings, shelf.bars)[0]
        if way == SIMULATE:
            return cls(compiled, shelf, settings, question, None, None, None, way)
        if prepared is not None:
            return cls(compiled, shelf, settings, question, *prepared, way)
        market, terms = market_of(shelf.bars, quiet=True), terms_of(shelf.bars, settings)
        tape = _tape(shelf, market, terms, hurdle_of(settings))
        return cls(compiled, shelf, settings, question, tape, market, terms, way)

    @property
    def prepared(self) -> Prepared:
        """What other desks of the same symbol and settings need too."""
        return self.tape, self.market, self.terms

    def run(
        self,
        slots: NDArray[np.int32],
        values: NDArray[np.float64],
        out: NDArray[np.float64],
        places: NDArray[np.int64],
    ) -> int:
        """Run combinations in the calling thread, without the GIL.

        Writes the columns of the question into ``out (M, n)`` at ``places (C,)``; returns how many went the short way.
        """
        if self.question.paths:
            out[:, places] = self._walk(slots, values)
            return 0
        shortened = 0
        if self.tape is not None:
            shortened, left = self._score(slots, values, self._sheet(out, places))
            if shortened == len(slots):
                return shortened
            slots, values, places = slots[left], values[left], places[left]
        arguments = self._shared(slots, values)
        kernels.sweep_runs(*(*arguments, self._account(), self._sheet(out, places)))
        return shortened

    def _score(
        self, slots: NDArray[np.int32], values: NDArray[np.float64], sheet: measures.Sheet
    ) -> tuple[int, NDArray[np.int64]]:
        """Score what can be scored; returns how many runs that were, and the places of the others."""
        shelf, sessions, bars = self.shelf, len(self.shelf.bars.dates), self.shelf.series.shape[1]
        pair = np.array((_cross if self.way == BY_CROSS else _reversal)(self.compiled) or (), dtype=np.int64)
        pad = short.Pad(
            np.empty((GROUP if len(pair) else 0, bars // WORD + 1), dtype=np.uint64),
            np.zeros(0 if self.way == BY_CROSS else sessions, dtype=np.uint8),
            np.empty(sessions + 1, dtype=np.int32),
            _shares(sessions),
            np.empty(len(slots), dtype=np.uint8),
        )
        ours: tuple[Any, ...] = (self.tape, self.terms, pad, self._account())
        if self.way == BY_CROSS:
            trades = np.zeros(TRADE_SUMS_SIZE)
            crossed = (shelf.series, slots, pair, shelf.known, shelf.place, *ours, trades, sheet)
            return int(short.score_crosses(*crossed)), np.flatnonzero(pad.left)
        programs, scratch = kernels.Programs(*self.compiled.programs), self._scratch(len(shelf.session))
        if self.way == BY_LEGS:
            levels = np.array(self.compiled.levels, dtype=np.int32)
            walk = _walk_of(sessions, sheet)
            read: tuple[Any, ...] = (self.tape, self.market, self.terms, pad, walk, self._account())
            where: tuple[Any, ...] = (pair, shelf.known, shelf.place, shelf.session, scratch)
            walked = (programs, shelf.series, slots, values, levels, *where, *read, sheet)
            done = short.score_walks(*walked)
        else:
            ruled = (programs, shelf.series, slots, values, shelf.session, scratch, *ours, sheet)
            done = short.score_codes(*ruled)
        return int(done), np.flatnonzero(pad.left)

    def _sheet(self, out: NDArray[np.float64], places: NDArray[np.int64]) -> measures.Sheet:
        question, borders = self.question, self.question.borders(len(self.shelf.bars.dates))
        row = np.empty(len(measures.MEASURES) + 3 * (len(borders) - 1))
        return measures.Sheet(out, question.columns, places, row, borders)

    def _walk(self, slots: NDArray[np.int32], values: NDArray[np.float64]) -> NDArray[np.float64]:
        sessions = len(self.shelf.bars.dates)
        measured = len(slots) if self.question.metrics else 0
        out, paths = np.empty((measured, len(EVERY))), np.empty((len(slots), sessions))
        ours = (self._account(), np.empty(sessions), out, paths)
        path_kernels.run_paths(*(self._shared(slots, values) + ours))
        reduced = self.question.reduced(paths, self.shelf.bars.dates)
        summed = self.question.summed(paths, self.settings.cash)
        if not measured:
            return np.concatenate([reduced, summed])
        self.question.compare(paths, self.settings, out)
        return np.concatenate([self.question.chosen(out), reduced, summed])

    def _shared(self, slots: NDArray[np.int32], values: NDArray[np.float64]) -> tuple[Any, ...]:
        """Return what both kernels of the simulator take first."""
        run = Run.start(self.shelf.bars, self.settings, quiet=True)
        session = self.shelf.session
        return (
            kernels.Programs(*self.compiled.programs),
            self.shelf.series,
            slots,
            values,
            np.array(self.compiled.levels, dtype=np.int32),
            session,
            run.book,
            run.market,
            run.terms,
            run.record,
            self._signals(),
            self._scratch(len(session)),
        )

    def _account(self) -> NDArray[np.float64]:
        return np.array([self.settings.cash, self.settings.periods_per_year, hurdle_of(self.settings)])

    def _scratch(self, own: int) -> kernels.Scratch:
        return kernels.Scratch(
            np.empty((DEPTH + 1, machine.BLOCK)),
            np.empty((DEPTH + 2, machine.BLOCK), dtype=np.int8),
            np.zeros(self.compiled.crosses),
            np.zeros(own if own < len(self.shelf.bars.dates) else 0, dtype=np.uint8),
            np.zeros(TRADE_SUMS_SIZE),
        )

    def _signals(self) -> portfolio.Signals:
        """One run's signals, to be filled in by the kernel."""
        empty = np.empty(0, dtype=np.int64)
        most, levels = (
            self.compiled.rules.max_bars,
            [np.zeros((1, 1)) if p >= 0 else NONE.copy() for p in self.compiled.levels],
        )
        return portfolio.Signals(
            np.zeros(self.shelf.bars.shape, dtype=np.uint8),
            empty,
            empty,
            NONE,
            SIZE_KINDS[self.settings.sizing.kind],
            sizes(self.settings.sizing, self.shelf.bars),
            levels[0],
            levels[1],
            levels[2],
            7,
            int(most.value) if isinstance(most, Number) else 0,
            SIGNAL_LIFE,
        )


def ranks(expression: Expression) -> bool:
    """Whether an expression compares the symbols of a day."""
    return any(isinstance(node, Applied) and node.name.startswith("rank") for node in expression.walk())


def panel_for(compiled: CompiledRules, bars: Bars) -> Table | None:
    """Return the table of all symbols, which only ranks need."""
    return Table.from_bars(bars) if any(ranks(expression) for expression in compiled.slots) else None


def _series(
    rows: Rows, one: Bars, symbol: int, whole: Table | None, crew: Crew | None
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return every distinct series on one symbol's own bars, ``(R, N)``, and the first known bar of each.

    They are computed on the threads of the crew, and looked at while they are in the cache.
    """
    table = Table.from_bars(one)
    series = aligned(max(len(rows), 1), len(table.session))
    known = np.zeros(len(series), dtype=np.int64)
    several: dict[Indicator, dict[str, int]] = {}  # compiled indicators -> output -> row
    for place, expression in enumerate(rows.named):
        if isinstance(expression, Output) and expression.indicator.is_compiled and whole is None:
            several.setdefault(expression.indicator, {})[expression.name] = place
        elif whole is not None and ranks(expression):
            own = slice(int(whole.offsets[symbol]), int(whole.offsets[symbol + 1]))
            series[place] = evaluate(expression, whole)[own]
        else:
            series[place] = evaluate(expression, table)
    hands = 1 if crew is None or series.size < SPREAD else crew.workers
    calls: list[Callable[[], None]] = []
    read = {part: as_input(evaluate(part, table)) for kind in several for part in kind.input_expressions()}
    for part in _parts(len(several), hands):
        own_part = list(several.items())[part.start : part.stop]
        calls.append(functools.partial(_write_several, own_part, read, series))
    for family in rows.families:
        inputs = [as_input(evaluate(part, table)) for part in family.template.input_expressions()]
        parts = _parts(len(family.values), hands)
        calls += [functools.partial(_write_family, family, inputs, series, known, part) for part in parts]
    if crew is None or hands == 1:
        for call in calls:
            call()
    else:
        crew.together(calls)
    tapes.first_known(series[: len(rows.named)], known[: len(rows.named)])
    return series, known


def _parts(count: int, hands: int) -> list[range]:
    edges = np.linspace(0, count, hands + 1).astype(int).tolist()
    return [range(a, b) for a, b in pairwise(edges) if a < b]


def _write_several(
    several: list[tuple[Indicator, dict[str, int]]],
    read: Mapping[Expression, NDArray[np.float64]],
    series: NDArray[np.float64],
) -> None:
    """Compute indicators of several outputs straight into their rows, what nobody asked for into one and the same."""
    unwanted: dict[str, NDArray[np.float64]] = {}
    for indicator, wanted in several:
        inputs = [read[part] for part in indicator.input_expressions()]
        out = [
            series[wanted[name]] if name in wanted else unwanted.setdefault(name, np.empty(series.shape[1]))
            for name in indicator.outputs
        ]
        indicator.write(inputs, out, [slice(None)])


def _write_family(
    family: Family,
    inputs: list[NDArray[np.float64]],
    series: NDArray[np.float64],
    known: NDArray[np.int64],
    part: range,
) -> None:
    """Compute some values of a family into their rows, and find the first known bar of each."""
    family.write(inputs, series, part)
    for output in family.outputs or ("",):
        first = family.row(output)
        own = slice(first + part.start, first + part.stop)
        tapes.first_known(series[own], known[own])


def _carried(close: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return closes with days without a bar filled by the last known one; NaN before the first."""
    place = np.maximum.accumulate(np.where(np.isnan(close), 0, np.arange(len(close))))
    carried: NDArray[np.float64] = close[place]
    return carried


def _walk_of(sessions: int, sheet: measures.Sheet) -> legs.Walk:
    """Return the notes of a walk."""
    spans = -(-sessions // legs.SPAN)
    blocks = sheet.row[len(measures.MEASURES) :]
    tally, holding = np.zeros(legs.TALLY_SIZE), np.zeros(legs.HOLDING_SIZE)
    return legs.Walk(np.empty(spans), np.empty(spans), tally, holding, np.empty(3), sheet.borders, blocks)


@functools.lru_cache(maxsize=4)
def _shares(sessions: int) -> NDArray[np.float64]:
    """Return 1 / k up to the most trades that can be."""
    return 1.0 / np.arange(sessions + 2).clip(1)


@functools.lru_cache(maxsize=4)
def _levels(levels: int) -> NDArray[np.int8]:
    """Return the place of the highest bit of every number of so many bits."""
    level_of = np.zeros(1 << levels, dtype=np.int8)
    for level in range(levels):
        level_of[1 << level : 2 << level] = level
    return level_of


def _tape(shelf: Shelf, market: ledger.Market, terms: ledger.Terms, hurdle: float) -> tapes.Tape:
    sessions = len(shelf.bars.dates)
    tape = tapes.Tape(
        np.empty((4, sessions)),
        aligned(sessions + 1, 8),
        shelf.ranges,
        _levels(shelf.ranges.shape[0]),
        np.empty(sessions, dtype=np.int32),
        aligned(sessions, 8),
        aligned(sessions, 8),
        np.empty(sessions + 1, dtype=np.int64),
    )
    tapes.fill_tape(market, terms, hurdle, tape)
    return tape
