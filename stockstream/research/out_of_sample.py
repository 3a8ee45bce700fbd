"""Backtests of a stretch of sessions by themselves: rules know the past, the account begins and ends flat."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stockstream.backtesting.decisions import rules_of
from stockstream.backtesting.engine import backtest
from stockstream.backtesting.rules import CONDITIONS, LEVELS
from stockstream.backtesting.strategy import SignalStrategy
from stockstream.errors import ParameterError
from stockstream.indicators.evaluate import Table, evaluate, is_true
from stockstream.indicators.expression import Number

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stockstream.backtesting.result import Result
    from stockstream.backtesting.strategy import RuleStrategy
    from stockstream.bars import Bars
    from stockstream.research.results import Sweep

#: Sessions that a stretch needs: one to decide on, one to fill on.
FEWEST: int = 2


class Decided:
    """The decisions of a strategy of rules on all sessions, of which stretches are run.

    Rules are causal, so what they decide on a bar is the same whether later bars are there or not.
    """

    def __init__(self, strategy: RuleStrategy, bars: Bars) -> None:
        rules = rules_of(strategy)
        table, parts = Table.from_bars(bars), rules.expressions
        self.bars = bars
        self.panels: dict[str, Any] = {name: is_true(parts[name], table) for name in CONDITIONS if name in parts}
        self.levels: dict[str, Any] = {}
        for name in LEVELS:
            part = parts.get(name)
            if part is not None:
                self.levels[name] = part.value if isinstance(part, Number) else table.scatter(evaluate(part, table))
        self.rank = table.scatter(evaluate(parts["rank"], table)) if "rank" in parts else None
        most = parts.get("max_bars")
        self.max_bars = int(most.value) if isinstance(most, Number) else 0

    def run(self, first: int, end: int, settings: dict[str, Any]) -> Result:
        """Run the sessions from `first` to before `end`.

        The account starts flat and takes only what is decided inside; on each symbol's last decision that can still be
        filled inside, everything is closed, with its costs.

        Raises
        ------
        ParameterError
            Fewer than two sessions.
        """
        if end - first < FEWEST:
            message = f"expected at least {FEWEST} sessions to test on; found {end - first}"
            raise ParameterError(message)
        bars = stretch(self.bars, first, end)
        panels = {name: np.zeros(bars.shape, dtype=bool) for name in CONDITIONS}
        for name, panel in self.panels.items():
            panels[name] = panel[:, first:end].copy()
        before_last = settings.get("fill", "next_open") != "close"
        for row, present in enumerate(bars.present):
            own = np.flatnonzero(present)
            if len(own) <= before_last:
                leaves = 0
            else:
                leaves = int(own[-1 - before_last])
                panels["exit_long"][row, leaves] = panels["exit_short"][row, leaves] = True
            panels["enter_long"][row, leaves:] = panels["enter_short"][row, leaves:] = False
        sliced = {name: level[:, first:end] if np.ndim(level) else level for name, level in self.levels.items()}
        rank = None if self.rank is None else self.rank[:, first:end]
        entries = {name: panels[name] for name in CONDITIONS if name in self.panels or name.startswith("exit")}
        strategy = SignalStrategy(**entries, **sliced, rank=rank, max_bars=self.max_bars)
        return backtest(strategy, bars, **settings)


class Stretches:
    """Runs of chosen combinations on their tests; the decisions of each are made once."""

    def __init__(self, strategy: type[RuleStrategy], bars: Bars, swept: Sweep, settings: dict[str, Any]) -> None:
        if swept.settings.sizing.kind == "volatility":
            message = (
                "Sizing.volatility measures past bars, which a test by itself does not have: choose another sizing"
            )
            raise ParameterError(message)
        self.strategy, self.bars, self.swept, self.settings = strategy, bars, swept, settings
        self.decided: dict[int, Decided] = {}

    def run(self, row: int, first: int, end: int, cash: float) -> Result | None:
        """Run a row of the sweep on a stretch; None where there is none to run."""
        if row < 0:
            return None
        if row not in self.decided:
            values = self.swept.frame.row(row, named=True)
            parameters = {name: values[name] for name in self.swept.parameters}
            self.decided[row] = Decided(self.strategy(**parameters), self.bars)
        return self.decided[row].run(first, end, {**self.settings, "cash": cash})

    def returns(self, row: int, first: int, end: int, cash: float) -> NDArray[np.float64]:
        """Return ``(end - first,)``, zeros where nothing was chosen."""
        result = self.run(row, first, end, cash)
        if result is None:
            return np.zeros(end - first)
        returns: NDArray[np.float64] = np.nan_to_num(
            result.equity["return"].to_numpy(), nan=0.0, posinf=0.0, neginf=0.0
        )
        return returns


def stretch(bars: Bars, first: int, end: int) -> Bars:
    """Return the sessions from `first` to before `end`."""
    return bars.between(bars.dates[first], bars.dates[end - 1])
