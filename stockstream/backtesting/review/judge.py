"""The review of a result: every declared check, in the order of the documentation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from stockstream.backtesting.review import assumptions, path, prices, profit
from stockstream.backtesting.review.check import Check, Review
from stockstream.backtesting.review.facts import Audited, Facts

if TYPE_CHECKING:
    from stockstream.backtesting.result import Result

#: Themes of the checks of a result.
THEMES: Final[dict[str, tuple[Check, ...]]] = {
    "How it was run": assumptions.CHECKS,
    "Where the profit comes from": profit.CHECKS,
    "The equity": path.CHECKS,
    "The prices": prices.CHECKS,
}
CHECKS: Final = tuple(check for checks in THEMES.values() for check in checks)


def review(result: Result, audit: Audited | None = None) -> Review:
    """Make every check of a finished run; see `Result.review`."""
    return Review.of(CHECKS, Facts(result, audit))
