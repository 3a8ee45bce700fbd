"""The event loop: a Python callback per bar over the same compiled session steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from stockstream.backtesting.actions import LIVES, Action
from stockstream.backtesting.decisions import NONE, SIGNAL_LIFE, SIZE_KINDS, sizes
from stockstream.backtesting.portfolio import Portfolio
from stockstream.backtesting.strategy import Strategy, declared_indicators
from stockstream.errors import ParameterError, StrategyError
from stockstream.indicators.evaluate import Table, evaluate
from stockstream.schema import OHLCV
from stockstream_kernels import ledger, portfolio

if TYPE_CHECKING:
    from stockstream.backtesting.engine import Run

type Columns = Mapping[str, Sequence[Sequence[float]]]


def run_events(run: Run, strategy: Strategy) -> None:
    """Call a strategy after the close of every bar, symbol by symbol, and carry out what it answers.

    Raises
    ------
    StrategyError
        The strategy raised, or answered something that is not an action; names date and symbol and carries the ledger.
    """
    loop = _Loop(run, strategy)
    run.through(loop.advance)


class _Loop:
    def __init__(self, run: Run, strategy: Strategy) -> None:
        self.run, self.strategy = run, strategy
        strategy.__dict__.pop("_steppers", None)  # rules start afresh with every run
        self.columns = _columns(run, strategy)
        self.names = list(self.columns)
        self.present = [np.flatnonzero(here).tolist() for here in run.bars.present.T]
        self.days = run.bars.dates.tolist()
        self.sizes = sizes(run.settings.sizing, run.bars)
        self.listens = type(strategy).on_order_filled is not Strategy.on_order_filled
        self.heard = 0
        self.codes = np.zeros(run.bars.shape, dtype=np.uint8)

    def advance(self, run: Run, first: int) -> int:
        """Run until the end or until a ledger is full."""
        view = Portfolio(run.book, run.bars.symbols, run.bars.dates)
        for t in range(first, len(self.days)):
            if not portfolio.before_decision(run.book, run.market, run.terms, t):
                return t
            self.tell(view)
            if run.book.counts[ledger.RUIN] == 0:
                for s in self.present[t]:
                    self.ask(view, t, s)
            portfolio.after_decision(run.book, run.market, run.terms, run.record, t)
            self.tell(view)
        return len(self.days)

    def tell(self, view: Portfolio) -> None:
        """Report the fills that are new."""
        book = self.run.book
        if self.listens:
            for fill in book.fills[self.heard : book.counts[ledger.FILLS]]:
                self.strategy.on_order_filled(view.order(int(fill["order"])), view)
        self.heard = int(book.counts[ledger.FILLS])

    def ask(self, view: Portfolio, t: int, s: int) -> None:
        """Call the strategy on one bar and submit its answer."""
        data = {name: self.columns[name][s][t] for name in self.names}
        try:
            answer = self.strategy.on_data(self.days[t], self.run.bars.symbols[s], data, view)
        except Exception as error:
            raise self.failed(t, s, f"raised {type(error).__name__}: {error}") from error
        if answer is None:
            return
        for action in [answer] if isinstance(answer, Action) else answer:
            if not isinstance(action, Action):
                raise self.failed(
                    t, s, f"answered {action!r}; expected Action.buy(...), sell, close, target, cancel or None"
                )
            try:
                self.submit(action, t, s)
            except ParameterError as error:
                raise self.failed(t, s, f"answered {action!r}: {error}") from error

    def failed(self, t: int, s: int, what: str) -> StrategyError:
        from stockstream.backtesting.result import Result

        self.run.record.equity[t:] = self.run.record.equity[t - 1] if t else self.run.settings.cash
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
        if not portfolio.room_left(run.book):
            run.grow()
        if action.kind == "cancel":
            portfolio.cancel_waiting(run.book, s)
            return
        size_kind, size, side = self.sized(action, s, t)
        effect = ledger.REDUCE_ONLY if action.kind == "close" else ledger.NET
        number = portfolio.submit_order(run.book, t, s, side, size_kind, size, effect, ledger.BY_STRATEGY)
        self.detail(run.book.orders[number], action)

    def detail(self, order: Any, action: Action) -> None:
        kinds = {(False, False): ledger.MARKET, (True, False): ledger.LIMIT, (False, True): ledger.STOP}
        order["kind"] = kinds.get((action.limit is not None, action.stop is not None), ledger.STOP_LIMIT)
        for field, value in (
            ("limit", action.limit),
            ("stop", action.stop),
            ("stop_loss", action.stop_loss),
            ("take_profit", action.take_profit),
            ("trailing", action.trailing_stop),
        ):
            order[field] = np.nan if value is None else value
        order["relative"] = 7 if action.distances == "fraction" else 0
        order["most_bars"], order["life"] = action.max_bars, LIVES[action.time_in_force]
        if order["kind"] != ledger.MARKET:
            self.run.book.counts[ledger.RESTING] += 1

    def sized(self, action: Action, s: int, t: int) -> tuple[int, float, int]:
        """Size kind, size and side of an action."""
        if action.kind == "close":
            held = self.run.book.positions[s]["quantity"]
            return ledger.CLOSE, 0.0, -1 if held > 0 else 1
        if action.kind == "target":
            if action.quantity is None and action.weight is None:
                message = "a target needs quantity= or weight="
                raise ParameterError(message)
            if action.weight is not None:
                return ledger.TARGET_WEIGHT, float(action.weight), 0
            return ledger.TARGET_SHARES, float(action.quantity or 0.0), 0
        side = {"buy": 1, "sell": -1}[action.kind]
        if action.quantity is not None:
            return ledger.SHARES, float(action.quantity), side
        if action.value is not None:
            return ledger.VALUE, float(action.value), side
        if action.weight is not None:
            return ledger.WEIGHT, float(action.weight), side
        return (
            SIZE_KINDS[self.run.settings.sizing.kind],
            float(self.sizes[0, 0] if self.sizes.shape == (1, 1) else self.sizes[s, t]),
            side,
        )

    def signals(self, action: Action, s: int, t: int) -> portfolio.Signals:
        """One bar's signals in the form that `decide` reads."""
        self.codes[s, t] = action.code
        relative = 7 if action.distances == "fraction" else 0
        kind = SIZE_KINDS[self.run.settings.sizing.kind]
        empty = np.empty(0, dtype=np.int64)
        return portfolio.Signals(
            self.codes,
            empty,
            empty,
            NONE,
            kind,
            self.sizes,
            _level(action.stop_loss),
            _level(action.take_profit),
            _level(action.trailing_stop),
            relative,
            action.max_bars,
            SIGNAL_LIFE,
        )


def _level(value: float | None) -> Any:
    return NONE if value is None else np.array([[value]])


def _columns(run: Run, strategy: Strategy) -> Columns:
    """Values the strategy sees, as lists: reading a list is several times faster than reading an array."""
    table: Table | None = None
    columns: dict[str, Any] = {name: getattr(run.bars, name).tolist() for name in OHLCV}
    for name, expression in declared_indicators(strategy).items():
        table = table or Table.from_bars(run.bars)
        columns[name] = table.scatter(evaluate(expression, table)).tolist()
    return columns
