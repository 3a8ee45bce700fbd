"""The forms a strategy can take.

- `RuleStrategy`: conditions over indicators; cannot look ahead; what sweeps are made of.
- `Strategy`: a Python callback after the close of each bar, with a view of the portfolio.
- `SignalStrategy`: boolean arrays from any code; `TargetStrategy`: weights from any code. Arrays can look ahead.
"""

from __future__ import annotations

import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stockstream.backtesting.actions import refuse_out_of_reach
from stockstream.errors import ParameterError
from stockstream.indicators.expression import Expression
from stockstream.schema import OHLCV

if TYPE_CHECKING:
    from datetime import date

    from stockstream.backtesting.actions import Action
    from stockstream.backtesting.portfolio import Order, Portfolio
    from stockstream.backtesting.rules import Rules
    from stockstream.bars import Bars

type Signals = NDArray[np.bool_]


class Strategy(ABC):
    """A strategy that is called after the close of every bar.

    Attributes
    ----------
    indicators
        Name in `data` -> indicator or expression, computed on the symbol's own bars up to and including this one.
    """

    indicators: Mapping[str, Any] | Sequence[Any] = ()

    @abstractmethod
    def on_data(
        self, date: date, symbol: str, data: Mapping[str, float], portfolio: Portfolio
    ) -> Action | Sequence[Action] | None:
        """Decide after the close of one bar of one symbol.

        Parameters
        ----------
        date, symbol
            The bar.
        data
            ``open high low close volume`` and the columns of `indicators`.
        portfolio
            Read-only view of cash, equity, positions, closed positions and transactions, marked at this close.

        Returns
        -------
        Action or sequence of Action or None
            What to order; by default it is filled at the next open.
        """

    def on_order_filled(self, order: Order, portfolio: Portfolio) -> None:  # noqa: B027 most strategies need not know
        """Hear that an order was filled, in whole or in part."""

    @property
    def name(self) -> str:
        """Name shown in results."""
        return type(self).__name__

    @property
    def parameters(self) -> dict[str, Any]:
        """Constructor arguments by name, as the instance holds them."""
        return {name: getattr(self, name) for name in constructor_parameters(type(self)) if hasattr(self, name)}

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(f'{name}={value!r}' for name, value in self.parameters.items())})"


class RuleStrategy(Strategy):
    """A strategy made of rules; write `rules`.

    Parameters belong into the constructor and are kept under their own names, so that a sweep can vary them.
    """

    @abstractmethod
    def rules(self) -> Rules:
        """Return the rules for the parameters this instance holds."""

    def on_data(
        self, date: date, symbol: str, data: Mapping[str, float], portfolio: Portfolio
    ) -> Action | Sequence[Action] | None:
        """Step the same rules bar by bar."""
        from stockstream.backtesting.stepping import step_rules

        return step_rules(self, symbol, data)


class SignalStrategy:
    """Signals computed beforehand, by any code.

    Parameters
    ----------
    enter_long, exit_long, enter_short, exit_short
        Boolean arrays of shape ``(T,)`` for one symbol or ``(S, T)``; the signal of bar t is acted on after its close.
        Nothing checks that they do not look ahead.
    stop_loss, take_profit, trailing_stop
        Fractions of the fill price, or arrays of distances in money with the shape of the signals.
    max_bars
        Leave after that many own bars.
    rank
        ``(S, T)``: the symbol with the highest value is served first.
    """

    name = "SignalStrategy"

    def __init__(  # noqa: PLR0913 one argument per array
        self,
        *,
        enter_long: ArrayLike | None = None,
        exit_long: ArrayLike | None = None,
        enter_short: ArrayLike | None = None,
        exit_short: ArrayLike | None = None,
        stop_loss: float | ArrayLike | None = None,
        take_profit: float | ArrayLike | None = None,
        trailing_stop: float | ArrayLike | None = None,
        max_bars: int = 0,
        rank: ArrayLike | None = None,
    ) -> None:
        if enter_long is None and enter_short is None:
            message = "expected enter_long or enter_short: without an entry there is nothing to do"
            raise ParameterError(message)
        self.conditions: dict[str, ArrayLike | None] = {
            "enter_long": enter_long,
            "exit_long": exit_long,
            "enter_short": enter_short,
            "exit_short": exit_short,
        }
        levels = {"stop_loss": stop_loss, "take_profit": take_profit, "trailing_stop": trailing_stop}
        fractions = {name: float(level) for name, level in levels.items() if isinstance(level, int | float)}
        for name, fraction in fractions.items():
            if not fraction > 0.0:
                message = f"expected {name} above 0; found {fraction!r}"
                raise ParameterError(message)
        if not isinstance(max_bars, Integral) or max_bars < 0:
            message = f"expected max_bars to be a whole number, 0 for no end; found {max_bars!r}"
            raise ParameterError(message)
        refuse_out_of_reach(fractions, long=enter_long is not None, short=True)
        self.levels: dict[str, Any] = levels
        self.max_bars: int = int(max_bars)
        self.rank: ArrayLike | None = rank

    @property
    def parameters(self) -> dict[str, Any]:
        """None: arrays have no parameters."""
        return {}


class TargetStrategy(ABC):
    """Weights to hold, by any code; write `targets`.

    Attributes
    ----------
    rebalance
        ``"daily"``, ``"weekly"`` or ``"monthly"``: weights of other days are left out; the first session of each week
        or month trades.
    threshold
        A symbol is traded only when its weight is off by more than this.
    """

    rebalance: str = "daily"
    threshold: float = 0.0

    @abstractmethod
    def targets(self, bars: Bars) -> ArrayLike:
        """Return ``(S, T)`` weights of equity after each close: NaN leaves alone, 0 closes, negative is short."""

    @property
    def name(self) -> str:
        """Name shown in results."""
        return type(self).__name__

    @property
    def parameters(self) -> dict[str, Any]:
        """Constructor arguments by name, as the instance holds them."""
        return {name: getattr(self, name) for name in constructor_parameters(type(self)) if hasattr(self, name)}


type AnyStrategy = Strategy | SignalStrategy | TargetStrategy


def constructor_parameters(cls: type) -> dict[str, Any]:
    """Return names and defaults of a strategy's constructor; a required one has `inspect.Parameter.empty`."""
    constructor = next(vars(c)["__init__"] for c in cls.__mro__ if "__init__" in vars(c))
    if constructor is vars(object)["__init__"]:
        return {}
    return dict(_parameters_of(constructor))


@functools.lru_cache(maxsize=64)
def _parameters_of(constructor: Callable[..., None]) -> dict[str, Any]:
    """Return names and defaults, read once: a sweep of thousands takes little longer than reading them."""
    signature = inspect.signature(constructor)
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {p.name: p.default for p in list(signature.parameters.values())[1:] if p.kind in named}


def declared_indicators(strategy: Strategy) -> dict[str, Expression]:
    """Return the indicators an event strategy reads, by the name under which `data` holds them.

    Raises
    ------
    ParameterError
        Something that is no indicator or expression, or the name of a price.
    """
    declared = strategy.indicators
    if isinstance(declared, Expression) or not isinstance(declared, Mapping | Sequence) or isinstance(declared, str):
        message = f"expected indicators = (SMA(20), ...) or {{'fast': SMA(20), ...}}; found {declared!r}"
        raise ParameterError(message)
    named = [*declared.items()] if isinstance(declared, Mapping) else _by_their_columns(declared)
    for name, item in named:
        if not isinstance(item, Expression) or name in OHLCV:
            what = f"{item!r} as {name!r}, which is a price" if name in OHLCV else f"{item!r}"
            message = f"expected indicators or expressions under names of their own; found {what}"
            raise ParameterError(message)
    return dict(named)


def _by_their_columns(declared: Sequence[Any]) -> list[tuple[str, Any]]:
    names = [getattr(item, "column_names", lambda item=item: (repr(item),))() for item in declared]
    return [(name, item) for item, columns in zip(declared, names, strict=True) for name in columns]
