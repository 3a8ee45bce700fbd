"""stockstream: a daily stream of stock prices, and a lab to test strategies on them.

``import stockstream as ss``. Names are resolved on first use, so that importing costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from stockstream.backtesting.actions import Action as Action
    from stockstream.backtesting.costs import Commission as Commission
    from stockstream.backtesting.costs import Costs as Costs
    from stockstream.backtesting.costs import Slippage as Slippage
    from stockstream.backtesting.costs import Venue as Venue
    from stockstream.backtesting.engine import backtest as backtest
    from stockstream.backtesting.result import Result as Result
    from stockstream.backtesting.rules import Rules as Rules
    from stockstream.backtesting.sizing import Sizing as Sizing
    from stockstream.backtesting.strategy import RuleStrategy as RuleStrategy
    from stockstream.backtesting.strategy import SignalStrategy as SignalStrategy
    from stockstream.backtesting.strategy import Strategy as Strategy
    from stockstream.backtesting.strategy import TargetStrategy as TargetStrategy
    from stockstream.bars import Bars as Bars
    from stockstream.errors import StockstreamError as StockstreamError
    from stockstream.indicators.expression import close as close
    from stockstream.indicators.expression import high as high
    from stockstream.indicators.expression import low as low
    from stockstream.indicators.expression import open_ as open  # noqa: F401 public under the column's own name
    from stockstream.indicators.expression import volume as volume
    from stockstream.indicators.expression import when as when
    from stockstream.indicators.frames import with_indicators as with_indicators
    from stockstream.indicators.indicator import Indicator as Indicator
    from stockstream.indicators.own import indicator as indicator
    from stockstream.lake import Lake as Lake
    from stockstream.research.audit import audit as audit
    from stockstream.research.sweep import sweep as sweep
    from stockstream.research.verify import verify as verify
    from stockstream.research.walk import walk_forward as walk_forward

__version__ = "0.1.0"

#: Public name -> module that holds it, and its name there when it differs.
_HOMES: Final[dict[str, str]] = {
    "Action": "stockstream.backtesting.actions",
    "Bars": "stockstream.bars",
    "Commission": "stockstream.backtesting.costs",
    "Costs": "stockstream.backtesting.costs",
    "Indicator": "stockstream.indicators.indicator",
    "Lake": "stockstream.lake",
    "Result": "stockstream.backtesting.result",
    "RuleStrategy": "stockstream.backtesting.strategy",
    "Rules": "stockstream.backtesting.rules",
    "SignalStrategy": "stockstream.backtesting.strategy",
    "Sizing": "stockstream.backtesting.sizing",
    "Slippage": "stockstream.backtesting.costs",
    "StockstreamError": "stockstream.errors",
    "Strategy": "stockstream.backtesting.strategy",
    "TargetStrategy": "stockstream.backtesting.strategy",
    "Venue": "stockstream.backtesting.costs",
    "audit": "stockstream.research.audit",
    "backtest": "stockstream.backtesting.engine",
    "close": "stockstream.indicators.expression",
    "high": "stockstream.indicators.expression",
    "indicator": "stockstream.indicators.own",
    "low": "stockstream.indicators.expression",
    "open": "stockstream.indicators.expression:open_",
    "sweep": "stockstream.research.sweep",
    "verify": "stockstream.research.verify",
    "volume": "stockstream.indicators.expression",
    "walk_forward": "stockstream.research.walk",
    "when": "stockstream.indicators.expression",
    "with_indicators": "stockstream.indicators.frames",
}

__all__ = sorted(_HOMES)  # noqa: PLE0605 a list of names, made from the table


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        message = f"module 'stockstream' has no attribute {name!r}"
        raise AttributeError(message)
    module, _, own = _HOMES[name].partition(":")
    value = getattr(importlib.import_module(module), own or name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
