"""What reading a lake means, in plain Python: slow, obvious, and sharing nothing with the library."""

import datetime as dt
import math
from zoneinfo import ZoneInfo


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


def as_of(rows, verdicts=(), until="9999", provisional=False):
    """Map (symbol, date) to the row that counts as of an instant: one pass a rule, nothing shared with the library."""
    rows = [row for row in rows if row["fetched"] <= until]
    verdicts = [verdict for verdict in verdicts if verdict["decided_at"] <= until]
    counting = [row for row in rows if (provisional or is_final(row)) and not hidden(row, verdicts)]
    snapshots = {}
    for row in rows:
        snapshots.setdefault((row["symbol"], row["fetched"]), set()).add(row["date"])
    return {key: row for key, row in latest(counting).items() if not is_gone(key, rows, verdicts, snapshots)}


def is_final(row):
    """Whether a row was fetched at least two hours after four in Sydney on its date."""
    settled = dt.datetime.combine(row["date"], dt.time(18), ZoneInfo("Australia/Sydney"))
    return dt.datetime.fromisoformat(row["fetched"]) >= settled


def hidden(row, verdicts):
    """Whether the last verdict on a row, or the last on all versions of its bar, hides it."""
    for stamp in (row["fetched"], None):
        about = [
            (verdict["decided_at"], verdict["hides"])
            for verdict in verdicts
            if (verdict["symbol"], verdict["date"], verdict["fetched"]) == (row["symbol"], row["date"], stamp)
            and verdict["hides"] is not None
        ]
        if about and max(about)[1]:
            return True
    return False


def is_gone(key, rows, verdicts, snapshots):
    """Whether five later answers about its time lack a bar, or one that of a weekend; a rejected row was an answer."""
    symbol, day = key
    answered = [row["fetched"] for row in rows if (row["symbol"], row["date"]) == key]
    answered += [
        verdict["fetched"]
        for verdict in verdicts
        if verdict["hides"] is None and (verdict["symbol"], verdict["date"]) == key and verdict["fetched"]
    ]
    lacking = 0
    for (name, fetched), days in snapshots.items():
        first, last = min(days), max(days)
        dense = len(days) / ((last - first).days + 1) >= 5 / 14
        if name == symbol and fetched > max(answered) and dense and first <= day <= last:
            lacking += 1
    return lacking >= (1 if day.weekday() >= 5 else 5)
