"""What reading a lake means, in plain Python: slow, obvious, and sharing nothing with the library."""

import math


def latest(rows, content=("open", "high", "low", "close", "volume", "adjusted_close")):
    """Map (symbol, date) to the row that counts: the newest fetch, then the larger content, a missing value least."""

    def rank(row):
        return row["fetched"], *(-math.inf if row[name] is None else row[name] for name in content)

    winners = {}
    for row in rows:
        key = row["symbol"], row["date"]
        if key not in winners or rank(row) > rank(winners[key]):
            winners[key] = row
    return winners


def adjusted(bars, dividends):
    """Return the closes of one symbol with dividends taken out: each later ex-date scales by 1 - D / previous close.

    `bars` is a list of (date, close) sorted by date, `dividends` a list of (ex_date, cash per share).
    """
    result = []
    for day, close in bars:
        factor = 1.0
        for ex_date, cash in dividends:
            before = [price for other, price in bars if other < ex_date]
            if ex_date > day and before:
                factor *= 1 - cash / before[-1]
        result.append(close * factor)
    return result


def as_traded(bars, splits):
    """Return closes as they were traded: each later split of ratio new / old multiplies an adjusted close back."""
    return [close * math.prod(ratio for ex_date, ratio in splits if ex_date > day) for day, close in bars]
