"""What reading a lake means, in plain Python: slow, obvious, and sharing nothing with the library."""

import datetime as dt
import math
import statistics
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


def bases(rows, winners):
    """Map each date of one symbol's winners to (segment, what carries its close to the last snapshot of the segment).

    `rows` are all versions of the symbol, without ties.
    """
    answers = {}
    for row in rows:
        answers.setdefault(row["fetched"], {})[row["date"]] = row
    known, order, patches = set(), [], set()
    for fetched in sorted(answers):
        if len(answers[fetched]) < 5 and set(answers[fetched]) <= known:
            patches.add(fetched)
        known |= set(answers[fetched])
        order.append(fetched)
    place, previous, segment, scale = {}, None, -1, 1.0
    for fetched in order:
        if fetched not in patches:
            ratio = None if previous is None else link(answers[previous], answers[fetched])
            segment, scale = (segment + 1, scale) if ratio is None else (segment, scale * ratio)
            previous = fetched
        place[fetched] = max(segment, 0), scale
    ends = dict(place.values())
    found = {}
    for row in winners:
        number, own = place[row["fetched"]]
        found[row["date"]] = number, ends[number] / own
    return found


def link(older, newer):
    """Return the ratio of two answers' scales, None when they do not agree on one."""
    final = [day for day in sorted(older) if is_final(older[day])]
    common = [day for day in final[:-3] if day in newer and is_final(newer[day])]
    traded = [day for day in common if (older[day]["volume"] or 0) > 0 and (newer[day]["volume"] or 0) > 0]
    days = traded if len(traded) >= 5 else common
    if len(days) < 5:
        return None
    pairs = [(newer[day]["close"], older[day]["close"]) for day in days]
    ratio = statistics.median(new / old for new, old in pairs)
    agree = [abs(new - ratio * old) <= (tick(new) + ratio * tick(old)) / 2 + 1e-5 * new for new, old in pairs]
    if not all(agree[:3] + agree[-3:]) or agree.count(False) * 10 > len(agree):
        return None
    return 1.0 if abs(ratio - 1) <= 1e-5 else ratio


def tick(price):
    """Return the step in which the ASX quotes a price."""
    return 0.001 if price < 0.1 else 0.005 if price < 2 else 0.01
