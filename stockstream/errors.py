"""The exceptions of stockstream: one small tree, one sentence each.

Every message says what was expected, what was found, and what to do about it.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class StockstreamError(Exception):
    """Anything stockstream refuses or cannot do; the command line turns it into exit code 2."""


class DataError(StockstreamError, ValueError):
    """Prices, volumes, dates or events that cannot be true or do not fit together."""


class ParameterError(StockstreamError, ValueError):
    """An argument outside its range or of the wrong kind."""


class UnknownNameError(StockstreamError, LookupError):
    """A symbol, strategy, indicator, column or parameter that does not exist."""


class StrategyError(StockstreamError):
    """A strategy that raised, or answered something that is not an action.

    Attributes
    ----------
    result
        The run's ledger up to the bar before the failure, or None when nothing was recorded.
    """

    def __init__(self, message: str, result: object | None = None) -> None:
        super().__init__(message)
        self.result = result


class LakeError(StockstreamError):
    """A lake that is missing, unreadable, or asked for something it does not hold."""


class LakeWarning(UserWarning):
    """An answer of a lake that lacks something: a file that cannot be read was left out."""


class SourceError(StockstreamError):
    """A price or symbol source that did not answer, or answered something unusable."""


class BatchIncompleteError(SourceError):
    """A batch that stored what it got, and should be asked again for the rest: refusals for haste, or no time left."""


class PluginError(StockstreamError):
    """An installed plugin that cannot be imported, or is not what its group expects."""


class SettingsError(StockstreamError):
    """A configuration value that is unknown, missing or malformed."""


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """Return " Did you mean …?" for the closest candidate, or an empty string.

    Examples
    --------
    >>> did_you_mean("fast_perod", ["fast_period", "slow_period"])
    " Did you mean 'fast_period'?"
    >>> did_you_mean("zzz", ["fast_period"])
    ''
    """
    by_folded = {candidate.casefold(): candidate for candidate in candidates}
    close = difflib.get_close_matches(name.casefold(), by_folded, n=1, cutoff=0.6)
    return f" Did you mean {by_folded[close[0]]!r}?" if close else ""


def counted(number: float, noun: str, plural: str = "") -> str:
    """Return a count with its noun, in the singular where it is one; `plural` where an s does not make it.

    Examples
    --------
    >>> counted(1, "symbol"), counted(1_900, "batch", "batches")
    ('1 symbol', '1,900 batches')
    >>> counted(1.2, "independent trial")  # a count that is shown rounded
    '1 independent trial'
    """
    shown = f"{number:,.0f}"
    return f"{shown} {noun if shown == '1' else plural or noun + 's'}"
