"""Answers in the format of Yahoo's chart service, version 8."""

import json
import math
from datetime import UTC, date, datetime, time

import numpy as np

from tests.replay.books import SYDNEY, VALUES, Series

NOT_FOUND = json.dumps(
    {"chart": {"result": None, "error": {"code": "Not Found", "description": "No data found, symbol may be delisted"}}}
)


def open_instant(day: date) -> int:
    """Return the second at which a session opens: 10:00 in Sydney, which in summer is the UTC day before."""
    return int(datetime.combine(day, time(10), SYDNEY).timestamp())


def no_data(start: int, end: int) -> str:
    words = f"Data doesn't exist for startDate = {start}, endDate = {end}"
    return json.dumps({"chart": {"result": None, "error": {"code": "Bad Request", "description": words}}})


def body(symbol: str, series: Series, now: datetime, start: int, end: int) -> str | None:
    """Return the answer to one request, None when no bar lies in the range."""
    stamps = _stamps(series, now)
    chosen = np.flatnonzero((stamps >= start) & (stamps < end))
    if not len(chosen):
        return None
    quote = {name: [_plain(v, name) for v in series.values[name][chosen].tolist()] for name in VALUES}
    events = {
        "dividends": {
            str(open_instant(day)): {"amount": amount, "date": open_instant(day)}
            for day, amount in series.dividends
            if start <= open_instant(day) < end
        },
        "splits": {
            str(open_instant(day)): {
                "date": open_instant(day),
                "numerator": ratio,
                "denominator": 1.0,
                "splitRatio": f"{ratio}:1",
            }
            for day, ratio in series.splits
            if start <= open_instant(day) < end
        },
    }
    adjusted = quote.pop("adjusted_close")
    result = {
        "meta": meta(symbol, series, now),
        "timestamp": stamps[chosen].tolist(),
        "events": {kind: found for kind, found in events.items() if found},
        "indicators": {"quote": [quote], "adjclose": [{"adjclose": adjusted}]},
    }
    return json.dumps({"chart": {"result": [result], "error": None}})


def meta(symbol: str, series: Series, now: datetime) -> dict[str, object]:
    return {
        "currency": "AUD",
        "symbol": symbol + ".AX",
        "exchangeName": "ASX",
        "instrumentType": "EQUITY",
        "firstTradeDate": open_instant(series.days[0].item()),
        "regularMarketTime": int(now.timestamp()),
        "gmtoffset": int(now.astimezone(SYDNEY).utcoffset().total_seconds()),  # type: ignore[union-attr]
        "timezone": now.astimezone(SYDNEY).tzname(),
        "exchangeTimezoneName": SYDNEY.key,
        "priceHint": 3,
        "dataGranularity": "1d",
        "range": "",
        "validRanges": ["1d", "5d", "1mo", "3mo", "6mo", "1y", "2y", "5y", "10y", "ytd", "max"],
        **series.meta,
    }


def _stamps(series: Series, now: datetime) -> np.ndarray:
    days = series.days.tolist()
    stamps = np.array([open_instant(day) for day in days], dtype=np.int64)
    for at in range(1, len(days)):
        if days[at] == days[at - 1]:  # the second row of a day is the live one
            stamps[at] = stamps[at - 1] + 6 * 3600
    if series.live is not None:
        stamps[-1] = int(min(series.live, now).astimezone(UTC).timestamp())
    return stamps


def _plain(value: float, name: str) -> float | int | None:
    if math.isnan(value):
        return None
    return int(value) if name == "volume" else value
