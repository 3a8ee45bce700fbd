"""What a run proves, as commands print it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from stockstream.cli.output import heading, print_figures, print_table, say, say_words
from stockstream.errors import StockstreamError, counted

if TYPE_CHECKING:
    from stockstream.backtesting.result import Result
    from stockstream.research.resampling import Intervals
    from stockstream.research.stress import Stress


def said_of(result: Result) -> dict[str, Any]:
    """Return the sentence and the figures behind it, or why there are none."""
    try:
        found = result.verdict()
    except StockstreamError as error:
        return {"sentence": f"Nothing can be said: {error}.", "figures": {}}
    return {"sentence": found.sentence, "figures": dict(found.lines())}


def print_verdict(sentence: str, figures: dict[str, str]) -> None:
    """Print figures with what they are of, and the sentence that sums them up."""
    print_figures(list(figures.items()))
    say_words(f"\n{sentence}" if figures else sentence)


def print_intervals(found: Intervals) -> None:
    """Print between which values measures lie in most resamples."""
    heading("How far the figures may be off")
    print_table(
        ["measure", "this run", "low", "high"],
        [list(row) for row in interval_texts(found)],
        numbers=["this run", "low", "high"],
    )
    say(
        f"{found.confidence:.0%} of {found.repetitions:,} resamples, in blocks of "
        f"{counted(found.block, 'bar')} on average",
        style="dim",
    )


def print_stress(found: Stress) -> None:
    """Print what is left when assumptions are made worse."""
    heading("Stress test")
    columns = ["changed", "return", "Sharpe", "drawdown", "trades"]
    rows = []
    for row in found.frame.to_dicts():
        if row["profitable"] is None:
            rows.append([row["change"], "not run", "", "", ""])
            continue
        ratio = "n/a" if math.isnan(row["sharpe"]) else f"{row['sharpe']:.2f}"
        figures = [f"{row['total_return']:+.1%}", ratio, f"{row['max_drawdown']:.1%}", f"{row['trades']:,}"]
        rows.append([row["change"], *figures])
    print_table(columns, rows, numbers=columns[1:])
    refused = [f"{row['change']}: {row['note']}" for row in found.frame.to_dicts() if row["profitable"] is None]
    for note in (*refused, *found.notes):
        say_words(note)
    say_words(f"\n{found.verdict}")


def interval_texts(found: Intervals) -> list[tuple[str, str, str, str]]:
    """Return measure, value, low and high of the measures that are printed."""
    from stockstream.backtesting.measures import DEFINITIONS
    from stockstream.research.judgement import MEASURES

    rows = []
    for name, *values in found.frame.rows():
        if name in MEASURES:
            texts = [DEFINITIONS[name].format(value) for value in values]
            rows.append((DEFINITIONS[name].label, texts[0], texts[1], texts[2]))
    return rows
