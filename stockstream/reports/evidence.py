"""What a run proves, and how far its figures may be off, as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from stockstream.backtesting.measures import DEFINITIONS
from stockstream.errors import StockstreamError, counted
from stockstream.research.evidence import evidence_of

if TYPE_CHECKING:
    from stockstream.backtesting.result import Result
    from stockstream.research.resampling import Intervals

#: Measures whose intervals a page shows, where they are known.
SHOWN: Final = (
    "total_return",
    "annual_return",
    "volatility",
    "sharpe",
    "sortino",
    "max_drawdown",
    "calmar",
    "win_rate",
    "profit_factor",
    "expectancy",
)


def evidence(result: Result) -> dict[str, Any]:
    """Return the sentence and the figures behind it, or why there are none."""
    try:
        found = evidence_of(result)
    except StockstreamError as error:
        return {"sentence": f"Nothing can be said: {error}.", "lines": []}
    return {"sentence": found.sentence, "lines": found.lines()}


def interval_table(found: Intervals) -> dict[str, Any]:
    """Return rows as texts, and how they were made."""
    rows = []
    for row in found.frame.to_dicts():
        if row["metric"] in SHOWN:
            measure = DEFINITIONS[row["metric"]]
            texts = {part: measure.format(row[part]) for part in ("value", "low", "high")}
            rows.append({"name": measure.label, **texts})
    note = (
        f"{found.confidence:.0%} of {found.repetitions:,} resamples lie between the two; returns were resampled in "
        f"blocks of {counted(found.block, 'bar')} on average, trades one by one. They say how much the same rules "
        "might have varied on days like these, not that the rules were chosen fairly, nor that days stay like these."
    )
    return {"rows": rows, "note": note}
