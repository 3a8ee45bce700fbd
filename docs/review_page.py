"""The page on the automatic review, from the declarations of its checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stockstream.backtesting.review.judge import CHECKS, THEMES
from stockstream.research import review

if TYPE_CHECKING:
    from stockstream.backtesting.review.check import Check

HEAD = """# The automatic review

Before anybody believes a backtest, `result.review()` asks {count} questions about it, and `sweep.review()` {sweep}
about a sweep. Each check is declared once: its condition with its threshold, what it says with the figures of the run,
and what to do. Reports show the findings at their head, the grave ones first.

```python
import numpy as np

import stockstream as ss

close = np.linspace(10.0, 11.0, 60)
dates = np.datetime64("2024-01-01") + np.arange(60)
bars = ss.Bars.from_arrays(
    symbols=["X"], dates=dates, open=close, high=close, low=close, close=close, volume=close * 1e6
)
review = ss.backtest(ss.SignalStrategy(enter_long=np.arange(60) == 5), bars).review()

assert "few-trades" in review and "ruin" not in review
print(review["few-trades"].text)  # 0 closed trades say little: one more or less moves every figure.
[finding.title for finding in review.grave]
```

A **grave** finding says that the figures may mean nothing; **care** that they must be read with it. A check that does
not apply finds nothing. After a look-ahead audit pass its answer: `result.review(audit=...)`.
"""


def review_page() -> str:
    """Return the page."""
    lines = [HEAD.format(count=len(CHECKS), sweep=len(review.CHECKS))]
    for theme, checks in {**THEMES, "A sweep": review.CHECKS}.items():
        lines += [f"## {theme}", "", "| check | | triggers when | what to do |", "|---|---|---|---|"]
        lines += [*map(_row, checks), ""]
    return "\n".join(lines).rstrip() + "\n"


def _row(check: Check) -> str:
    name = f"**{check.title}** `{check.code}`"
    cells = (name, "grave" if check.grave else "care", check.rule, check.remedy)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
