"""What an audit looks at: the dated answers of a strategy, an indicator or a function on given bars."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from stockstream_kernels import ledger

from stockstream.backtesting.decisions import rules_of
from stockstream.backtesting.engine import Run, Settings, simulate
from stockstream.backtesting.rules import Rules
from stockstream.backtesting.strategy import (
    RuleStrategy,
    SignalStrategy,
    Strategy,
    TargetStrategy,
    declared_indicators,
)
from stockstream.errors import ParameterError
from stockstream.indicators.evaluate import Table, evaluate
from stockstream.indicators.expression import Expression
from stockstream.indicators.indicator import Indicator, Output

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stockstream.bars import Bars

#: What is known of an order when it is made, and of a fill when it is done.
ORDER_FIELDS: Final = ("symbol", "created", "kind", "side", "size_kind", "size", "cause")
FILL_FIELDS: Final = ("session", "symbol", "quantity", "price", "reason", "created", "kind")

#: Causes of orders that are decided when they are made; a stop is written down as of its entry once it is hit.
DECIDED: Final = (ledger.ENTRY, ledger.EXIT, ledger.REVERSAL, ledger.REBALANCE)


@dataclass(frozen=True, eq=False)
class Answer:
    """Values with a date each.

    Attributes
    ----------
    values
        Any shape whose last axis is that of `dates`; structured for rows of a ledger.
    dates
        ``(K,)`` not decreasing.
    expression
        The expression they are the value of, when there is one.
    """

    values: NDArray[Any]
    dates: NDArray[np.datetime64]
    expression: Expression | None = None


type Answers = dict[str, Answer]


@dataclass(frozen=True, eq=False)
class Subject:
    """What is audited.

    Attributes
    ----------
    name
        For people.
    kind
        ``"strategy"``, ``"indicator"`` or ``"function"``.
    answers
        Bars -> answers, computed from nothing else that this object knows.
    code
        The function to look for a line in, or None.
    """

    name: str
    kind: str
    answers: Callable[[Bars], Answers]
    code: Callable[..., Any] | None


def subject_of(target: Any, settings: Settings, bars: Bars) -> Subject:
    """Return how to ask a target.

    Whether a symbol is one that never has a volume, such as an index, is a fact about it: the engine judges it by all
    bars, and an audit by all of `bars`, however few a run is given.

    Raises
    ------
    ParameterError
        Arrays that were made before, or something that cannot be asked at all.
    """
    if isinstance(target, type) and issubclass(target, Strategy | TargetStrategy | Indicator):
        target = _instance(target)
    if isinstance(target, SignalStrategy):
        message = (
            "a SignalStrategy holds arrays that are made already, so nothing shows what they were made from: pass the "
            "function that makes it, def signals(bars): return ss.SignalStrategy(...)"
        )
        raise ParameterError(message)
    if isinstance(target, Strategy | TargetStrategy):
        own = type(target).targets if isinstance(target, TargetStrategy) else type(target).on_data
        untouched = copy.deepcopy(target)
        silent = silent_symbols(bars)
        return Subject(
            repr_of(target), "strategy", lambda bars: run_answers(copy.deepcopy(untouched), bars, settings, silent), own
        )
    if isinstance(target, Expression):
        return Subject(repr(target), "indicator", lambda bars: expression_answers(target, bars), None)
    if callable(target):
        name = getattr(target, "__qualname__", type(target).__name__).rpartition("<locals>.")[2]
        own = target if hasattr(target, "__code__") else type(target).__call__
        silent = silent_symbols(bars)
        return Subject(name, "function", lambda bars: given_answers(target(bars), bars, settings, silent), own)
    message = f"expected a strategy, an indicator, a rule or a function of bars to audit; found {target!r}"
    raise ParameterError(message)


def repr_of(target: Any) -> str:
    """Name a strategy with its parameters."""
    return f"{target.name}({', '.join(f'{name}={value!r}' for name, value in target.parameters.items())})"


def _instance(cls: type) -> Any:
    try:
        return cls()
    except TypeError as error:
        message = f"expected an instance, such as {cls.__name__}(...): it cannot be made without arguments ({error})"
        raise ParameterError(message) from error


# ---- strategies ---------------------------------------------------------------------------------------------------


def silent_symbols(bars: Bars) -> frozenset[str]:
    """Return the symbols without any volume."""
    traded = (np.nan_to_num(bars.volume) > 0.0).any(axis=1)
    return frozenset(symbol for symbol, known in zip(bars.symbols, traded, strict=True) if not known)


def run_answers(strategy: Any, bars: Bars, settings: Settings, silent: frozenset[str]) -> Answers:
    """Return the decisions of a strategy, then the orders, fills and equity that the engine makes of them."""
    answers: Answers = {}
    table = None
    if isinstance(strategy, RuleStrategy):
        table = Table.from_bars(bars)
        answers |= _rule_answers(rules_of(strategy), bars, table)
    elif isinstance(strategy, Strategy):
        for name, expression in declared_indicators(strategy).items():
            answers |= expression_answers(expression, bars, f"indicator {name}")
    elif isinstance(strategy, SignalStrategy):
        given = {**strategy.conditions, **strategy.levels, "rank": strategy.rank}
        for name, array in given.items():
            if array is not None and np.ndim(array) > 0:
                answers[name] = Answer(np.asarray(array), bars.dates)
    run = Run.start(bars, settings, quiet=True)
    run.market.listing[ledger.HAS_VOLUME] = [symbol not in silent for symbol in bars.symbols]
    if isinstance(strategy, TargetStrategy):
        weights = strategy.targets(bars)
        answers["weights"] = Answer(np.asarray(weights), bars.dates)
        strategy = _Known(strategy, weights)
    simulate(run, strategy, "auto", table)
    return answers | _ledger_answers(run)


class _Known(TargetStrategy):
    """Weights that are computed already, on the schedule of the strategy they are of."""

    def __init__(self, strategy: TargetStrategy, weights: Any) -> None:
        self.rebalance, self.threshold, self.weights = strategy.rebalance, strategy.threshold, weights

    def targets(self, bars: Bars) -> Any:
        return self.weights


def _rule_answers(rules: Rules, bars: Bars, table: Table) -> Answers:
    return {
        name: Answer(table.scatter(evaluate(part, table), _absent(part)), bars.dates, part)
        for name, part in rules.expressions.items()
    }


def _absent(part: Expression) -> float:
    return 0 if part.gives == "condition" else np.nan


def _ledger_answers(run: Run) -> Answers:
    book, dates = run.book, run.bars.dates
    made = book.orders[: book.counts[ledger.ORDERS]]
    decided = np.flatnonzero(np.isin(made["cause"], DECIDED))
    decided = decided[np.argsort(made["created"][decided], kind="stable")]
    orders = _packed({name: made[name][decided] for name in ORDER_FIELDS})
    fills = _with_orders(book.fills[: book.counts[ledger.FILLS]], book.orders)
    return {
        "orders": Answer(orders, dates[orders["created"]]),
        "fills": Answer(fills, dates[fills["session"]]),
        "equity": Answer(run.record.equity, dates),
    }


def _with_orders(fills: NDArray[Any], orders: NDArray[Any]) -> NDArray[Any]:
    """Join to each fill the session and the kind of its order."""
    own = {
        name: fills[name] if name in (fills.dtype.names or ()) else orders[name][fills["order"]] for name in FILL_FIELDS
    }
    return _packed(own)


def _packed(columns: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    count = len(next(iter(columns.values())))
    rows = np.zeros(count, dtype=[(name, values.dtype) for name, values in columns.items()])
    for name, values in columns.items():
        rows[name] = values
    return rows


# ---- expressions and functions ------------------------------------------------------------------------------------


def expression_answers(expression: Expression, bars: Bars, name: str = "") -> Answers:
    """Return the values of an expression, one answer per output."""
    table = Table.from_bars(bars)
    if isinstance(expression, Indicator):
        parts: dict[str, Expression] = {output: Output(expression, output) for output in expression.outputs}
    else:
        parts = {"value": expression}
    return {
        (f"{name}.{output}" if name and len(parts) > 1 else name or output): Answer(
            table.scatter(evaluate(part, table), _absent(part)), bars.dates, part
        )
        for output, part in parts.items()
    }


def given_answers(given: Any, bars: Bars, settings: Settings, silent: frozenset[str], name: str = "") -> Answers:
    """Return what a function gave as answers.

    Raises
    ------
    ParameterError
        Something without one value a session.
    """
    if isinstance(given, Strategy | TargetStrategy | SignalStrategy):
        return run_answers(given, bars, settings, silent)
    if isinstance(given, Rules):
        return _rule_answers(given, bars, Table.from_bars(bars))
    if isinstance(given, Expression):
        return expression_answers(given, bars, name)
    if isinstance(given, Mapping):
        items = [(str(key), value) for key, value in given.items()]
    elif isinstance(given, tuple):
        items = list(zip(getattr(given, "_fields", map(str, range(len(given)))), given, strict=True))
    elif hasattr(given, "columns"):
        return _frame_answers(given, bars, name)
    else:
        return {name or "value": _dated(given, bars)}
    parts = [given_answers(value, bars, settings, silent, f"{name}.{key}" if name else key) for key, value in items]
    return {key: answer for part in parts for key, answer in part.items()}


def _frame_answers(frame: Any, bars: Bars, name: str) -> Answers:
    """Columns of a Polars or pandas frame; dates are those of a column ``date`` or of the index."""
    prefix = f"{name}." if name else ""
    columns = {str(column): np.asarray(frame[column]) for column in frame.columns}
    index = getattr(frame, "index", None)
    dates = columns.pop("date", None)
    if dates is None and index is not None and str(index.dtype).startswith("datetime64"):
        dates = np.asarray(index)
    if dates is None:
        return {prefix + column: _dated(values, bars) for column, values in columns.items()}
    days = np.asarray(dates).astype("datetime64[D]")
    order = np.argsort(days, kind="stable")
    return {prefix + column: Answer(values[order], days[order]) for column, values in columns.items()}


def _dated(given: Any, bars: Bars) -> Answer:
    index = getattr(given, "index", None)
    values = np.asarray(given)
    if index is not None and str(getattr(index, "dtype", "")).startswith("datetime64"):
        return Answer(values, np.asarray(index).astype("datetime64[D]"))
    sessions = len(bars.dates)
    if values.ndim and values.shape[-1] == sessions:
        return Answer(values, bars.dates)
    if values.ndim == 2 and values.shape == bars.shape[::-1]:  # noqa: PLR2004 sessions down, symbols across
        return Answer(np.moveaxis(values, 0, -1), bars.dates)
    raise ShapeError(values.shape, bars.shape)


class ShapeError(ParameterError):
    """An answer that is not one value a session of the bars it was made from."""

    def __init__(self, found: tuple[int, ...], bars: tuple[int, int]) -> None:
        self.found = found
        super().__init__(
            f"expected one value a session, shape ({bars[1]},) or {bars}; found shape {found}. What has no date cannot "
            "be audited: let the function return what it decides on each session"
        )
