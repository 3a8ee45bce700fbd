"""The event loop: a Python callback per bar over the same compiled session steps."""

from __future__ import annotations

import math
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from stockstream_kernels import ledger, portfolio
from stockstream_kernels._compile import direct

from stockstream.backtesting.actions import LIVES, Action
from stockstream.backtesting.decisions import NONE, SIGNAL_LIFE, SIZE_KINDS, sizes
from stockstream.backtesting.portfolio import Portfolio
from stockstream.backtesting.strategy import Strategy, declared_indicators
from stockstream.errors import StockstreamError, StrategyError
from stockstream.indicators.evaluate import Table, evaluate, is_true
from stockstream.schema import OHLCV

if TYPE_CHECKING:
    from stockstream.backtesting.engine import Run

#: Bars whose dictionaries are built together, and the fewest sessions of them: enough to share the work, few enough to
#: stay in the cache and below what sets the garbage collector off.
BUILT_BARS = 256
BUILT_SESSIONS = 16

#: Bits of an order's levels that are fractions: all or none of stop loss, target and trailing stop.
RELATIVE = {"fraction": 7, "money": 0}

NAN = math.nan


def _line(error: Exception) -> str:
    """Where the strategy's own code was when it raised."""
    frames = traceback.extract_tb(error.__traceback__)[1:]
    return f" ({Path(frames[0].filename).name}, line {frames[0].lineno})" if frames else ""


def run_events(run: Run, strategy: Strategy) -> None:
    """Call a strategy after the close of every bar, symbol by symbol, and carry out what it answers.

    Raises
    ------
    StrategyError
        The strategy raised, or answered something that is not an action; names date and symbol and carries the ledger.
    """
    loop = _Loop(run, strategy)
    try:
        loop.run_all()
    finally:
        loop.view._end()  # the loop and the view know each other: left so, a run's memory would wait for the collector


class _Loop:
    """The sessions with a callback in each.

    The compiled steps are entered only when they can change something: while nothing waits, nothing guards a position
    and nothing accrues, the sessions in between are run together when somebody next asks for the equity or orders.
    """

    def __init__(self, run: Run, strategy: Strategy) -> None:
        self.run, self.strategy = run, strategy
        strategy.__dict__.pop("_steppers", None)  # rules start afresh with every run
        self.columns = _columns(run, strategy)
        self.present = _present(run)
        self.days = run.bars.dates.tolist()
        self.terms = np.array([run.terms])
        self.size_kind, self.sizes = SIZE_KINDS[run.settings.sizing.kind], sizes(run.settings.sizing, run.bars)
        self.size = float(self.sizes[0, 0]) if self.sizes.shape == (1, 1) else None
        self.listens = type(strategy).on_order_filled is not Strategy.on_order_filled
        self.codes = np.zeros(run.bars.shape, dtype=np.uint8)
        self.view = Portfolio(run.books, run.bars.symbols, self.days, self.sync)
        costs, settings = run.settings.costs, run.settings
        accrues = costs.cash_rate != 0.0 or costs.borrow_rate != 0.0
        self.always = accrues or settings.leverage > 1.0 or bool(run.book.counts[ledger.EVENTFUL])
        self.busy = self.always
        self.now = self.first = self.heard = 0
        self.opened = self.ruined = False
        self.catch_up, self.place_order = portfolio.catch_up, portfolio.place_order

    def run_all(self) -> None:
        """Run every session."""
        on_data, days, symbols, view = self.strategy.on_data, self.days, self.run.bars.symbols, self.view
        at_close, span = self.run.settings.fill == "close", max(BUILT_BARS // len(symbols), BUILT_SESSIONS)
        for begin in range(0, len(days), span):
            part = slice(begin, begin + span)
            sessions = zip(days[part], self.present[part], self.rows(part), strict=True)
            for t, (day, present, bars) in enumerate(sessions, begin):
                self.now = t
                if self.busy:
                    self.sync()
                for s in () if self.ruined else present:
                    try:
                        answer = on_data(day, symbols[s], bars[s], view)
                    except StrategyError:  # on_order_filled, heard while the strategy asked for its account
                        raise
                    except Exception as error:
                        raise self.failed(t, s, f"raised {type(error).__name__}: {error}{_line(error)}") from error
                    if answer is not None:
                        self.carry_out(answer, t, s)
                if self.busy and at_close:
                    self.close()
        if self.first < len(days):  # where closes are filled, the last session may be over
            self.sync()
            self.close()

    def rows(self, part: slice) -> Iterator[tuple[dict[str, float], ...]]:
        """Build what the strategy sees on some sessions: a dictionary of its own for every symbol's bar.

        A copy of one that has all the keys is filled in half the time that one made of names and values takes.
        """
        blocks = [panel[:, part].tolist() for panel in self.columns.values()]
        blank, names = dict.fromkeys(self.columns, 0.0), list(self.columns)[len(OHLCV) :]
        built = []
        for opens, highs, lows, closes, volumes, *others in zip(*blocks, strict=True):
            bars = []
            for opened, high, low, close, volume in zip(opens, highs, lows, closes, volumes, strict=True):
                bar = blank.copy()
                bar["open"], bar["high"], bar["low"], bar["close"], bar["volume"] = opened, high, low, close, volume
                bars.append(bar)
            for name, values in zip(names, others, strict=True):
                for bar, value in zip(bars, values, strict=True):
                    bar[name] = value
            built.append(bars)
        return zip(*built, strict=True)

    def sync(self) -> None:
        """Run the compiled steps up to the strategy's turn of this session."""
        run = self.run
        if self.catch_up is portfolio.catch_up and self.first > 0:
            self.catch_up = direct(portfolio.catch_up)
        while not (self.opened and self.first == self.now):
            reached = self.catch_up(run.book, run.market, self.terms, run.record, self.first, self.opened, self.now)
            self.first, self.opened = (self.now, True) if reached >= 0 else (-1 - reached, False)
            if reached < 0:
                run.grow()
        self.look()

    def close(self) -> None:
        """Run the rest of this session now."""
        self.sync()
        portfolio.finish_session(self.run.book, self.run.market, self.run.terms, self.run.record, self.now)
        self.first, self.opened = self.now + 1, False
        self.look()

    def look(self) -> None:
        """Report the fills that are new, and note whether anything can happen by itself."""
        book = self.run.book
        counts = book.counts.tolist()
        heard, self.heard = self.heard, counts[ledger.FILLS]
        self.ruined = counts[ledger.RUIN] > 0  # the account has stopped: the strategy is not called any more
        self.busy = (
            self.always
            or counts[ledger.ACTIVE] > 0
            or counts[ledger.GUARDED] > 0
            or self.ruined
            or book.account[ledger.SHORT_VALUE] > 0.0
        )
        if heard != self.heard or counts[ledger.EVENTFUL]:  # a split or a reinvested dividend changes shares unfilled
            self.view._fresh()
        if heard == self.heard:
            return
        if self.listens:
            for fill in book.fills[heard : self.heard]:
                self.tell(fill)

    def tell(self, fill: Any) -> None:
        """Let the strategy hear of a fill."""
        try:
            self.strategy.on_order_filled(self.view.order(int(fill["order"])), self.view)
        except Exception as error:
            what = f"raised {type(error).__name__} in on_order_filled: {error}{_line(error)}"
            raise self.failed(int(fill["session"]), int(fill["symbol"]), what) from error

    def carry_out(self, answer: Any, t: int, s: int) -> None:
        """Submit what the strategy answered on one bar."""
        self.sync()
        for action in [answer] if isinstance(answer, Action) or not isinstance(answer, Iterable) else answer:
            if not isinstance(action, Action):
                expected = "Action.buy(...), sell, close, target, cancel or None"
                raise self.failed(t, s, f"answered {action!r}; expected {expected}")
            try:
                self.submit(action, t, s)
            except StockstreamError as error:
                raise self.failed(t, s, f"answered {action!r}: {error}") from error
        self.busy = True

    def failed(self, t: int, s: int, what: str) -> StrategyError:
        """Return the error for a bar, with the ledger so far."""
        from stockstream.backtesting.result import Result

        record = self.run.record
        for panel, start in ((record.equity, self.run.settings.cash), (record.cash, self.run.settings.cash)):
            panel[t:] = panel[t - 1] if t else start
        where = f"{self.strategy.name} on {self.days[t]}, {self.run.bars.symbols[s]}"
        return StrategyError(f"{where}: {what}", Result.of(self.run, self.strategy))

    def submit(self, action: Action, t: int, s: int) -> None:
        """Turn an action into an order of the book."""
        run = self.run
        if action.symbol is not None:
            s = run.bars.row(action.symbol)
        if action.kind == "signal":
            portfolio.decide_signals(run.book, run.market, run.terms, self.signals(action, s, t), s, t)
            return
        if action.kind == "cancel":
            portfolio.cancel_waiting(run.book, s)
            return
        number = self.place(action, t, s)
        if action.weight is not None and abs(action.weight) > run.settings.leverage:
            portfolio.reject(run.book, number, ledger.BEYOND_LEVERAGE)

    def place(self, action: Action, t: int, s: int) -> int:
        """Append the order of an action and return its number."""
        size_kind, size, side = self.sized(action, s, t)
        effect = ledger.REDUCE_ONLY if action.kind == "close" else ledger.NET
        limit, stop = action.limit, action.stop
        if stop is None:
            kind = ledger.MARKET if limit is None else ledger.LIMIT
        else:
            kind = ledger.STOP if limit is None else ledger.STOP_LIMIT
        levels = [
            NAN if level is None else level
            for level in (limit, stop, action.stop_loss, action.take_profit, action.trailing_stop)
        ]
        more = (RELATIVE[action.distances], action.max_bars, LIVES[action.time_in_force])
        order: tuple[Any, ...] = (t, s, side, size_kind, size, effect, kind, *levels, *more)
        while (number := self.place_order(self.run.book, *order)) < 0:
            self.run.grow()
        if self.place_order is portfolio.place_order:
            self.place_order = direct(portfolio.place_order)
        return number

    def sized(self, action: Action, s: int, t: int) -> tuple[int, float, int]:
        """Size kind, size and side of an action."""
        if action.kind == "close":
            held = self.run.book.positions[s]["quantity"]
            return ledger.CLOSE, 0.0, -1 if held > 0 else 1
        if action.kind == "target":
            return _target(action)
        side = 1 if action.kind == "buy" else -1
        if action.quantity is not None:
            return ledger.SHARES, float(action.quantity), side
        if action.value is not None:
            return ledger.VALUE, float(action.value), side
        if action.weight is not None:
            return ledger.WEIGHT, float(action.weight), side
        return self.size_kind, float(self.sizes[s, t]) if self.size is None else self.size, side

    def signals(self, action: Action, s: int, t: int) -> portfolio.Signals:
        """One bar's signals in the form that `decide` reads."""
        self.codes[s, t] = action.code
        relative = RELATIVE[action.distances]
        empty = np.empty(0, dtype=np.int64)
        return portfolio.Signals(
            self.codes,
            empty,
            empty,
            NONE,
            self.size_kind,
            self.sizes,
            _level(action.stop_loss),
            _level(action.take_profit),
            _level(action.trailing_stop),
            relative,
            action.max_bars,
            SIGNAL_LIFE,
        )


def _target(action: Action) -> tuple[int, float, int]:
    if action.weight is not None:
        return ledger.TARGET_WEIGHT, float(action.weight), 0
    return ledger.TARGET_SHARES, float(action.quantity or 0.0), 0


def _level(value: float | None) -> Any:
    return NONE if value is None else np.array([[value]])


def _present(run: Run) -> list[list[int]]:
    """Rows with a bar, session by session."""
    sessions, rows = np.nonzero(run.bars.present.T)
    if len(rows) == run.bars.present.size:
        return [list(range(len(run.bars.symbols)))] * len(run.bars.dates)
    ends = np.searchsorted(sessions, np.arange(1, len(run.bars.dates)))
    return [part.tolist() for part in np.split(rows, ends)]


def _columns(run: Run, strategy: Strategy) -> dict[str, Any]:
    """Panels of what the strategy sees, by name; a condition that is not known is False, as in rules."""
    table: Table | None = None
    columns: dict[str, Any] = {name: getattr(run.bars, name) for name in OHLCV}
    for name, expression in declared_indicators(strategy).items():
        table = table or Table.from_bars(run.bars)
        condition = expression.gives == "condition"
        columns[name] = is_true(expression, table) if condition else table.scatter(evaluate(expression, table))
    return columns
