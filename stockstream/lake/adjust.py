"""Adjustment: what a dividend or a split does to the prices before it, written once, in SQL.

The view `prices_adjusted` and `Lake.bars` read the same three statements, so they cannot drift apart.

Two sources of truth, never mixed within a symbol:

- a symbol with recorded dividends: prices before an ex-date are multiplied by 1 - D / previous close, D being on the
  basis of the stored close;
- a symbol without: adjusted_close / close, as its source computed it, provided that all its rows in question come from
  one fetch; adjusted closes of different fetches may be on different scales.

A factor that cannot be known (D >= previous close; several fetches) is NULL: never a guess.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from stockstream.errors import DataError, LakeError, ParameterError
from stockstream.schema import OHLCV, PRICES

if TYPE_CHECKING:
    from collections.abc import Mapping

    import duckdb
    from numpy.typing import NDArray

    from stockstream.bars import Bars

type Adjustment = Literal["total", "splits", "none"]

ADJUSTMENTS: Final = ("total", "splits", "none")

#: Per ex-date: the factor of all prices before it, which is the product over this and every later event.
_CUMULATIVE: Final = """
CREATE VIEW dividend_factors AS
SELECT symbol, ex_date,
    CASE WHEN count(*) OVER later = count(step) OVER later THEN product(step) OVER later END AS factor
FROM (
    SELECT d.symbol, d.ex_date, CASE WHEN d.dividend < p.close THEN 1 - d.dividend / p.close END AS step
    FROM dividends AS d ASOF JOIN prices AS p ON d.symbol = p.symbol AND d.ex_date > p.date
)
WINDOW later AS (PARTITION BY symbol ORDER BY ex_date DESC ROWS UNBOUNDED PRECEDING);

CREATE VIEW split_factors AS
SELECT symbol, ex_date,
    product(split) OVER (PARTITION BY symbol ORDER BY ex_date DESC ROWS UNBOUNDED PRECEDING) AS ratio
FROM splits;

CREATE VIEW adjustment_sources AS
SELECT symbol,
    symbol IN (SELECT symbol FROM dividends) AS by_events,
    min(fetch_timestamp) = max(fetch_timestamp) OR bool_and(adjusted_close = close) AS one_scale,
    NOT bool_and(adjusted_close = close) AS source_adjusted
FROM prices GROUP BY symbol;
"""

#: One row per price row: total_factor = adjusted / stored price, split_ratio = new / old shares of all later splits.
_FACTORS: Final = """
CREATE VIEW price_factors AS
SELECT p.*, s.by_events, s.source_adjusted,
    CASE
        WHEN s.by_events THEN CASE WHEN d.ex_date IS NULL THEN 1.0 ELSE d.factor END
        WHEN s.one_scale THEN p.adjusted_close / p.close
    END AS total_factor,
    coalesce(r.ratio, 1.0) AS split_ratio
FROM prices AS p
JOIN adjustment_sources AS s ON p.symbol = s.symbol
ASOF LEFT JOIN dividend_factors AS d ON p.symbol = d.symbol AND p.date < d.ex_date
ASOF LEFT JOIN split_factors AS r ON p.symbol = r.symbol AND p.date < r.ex_date;
"""

_ADJUSTED: Final = f"""
CREATE VIEW prices_adjusted AS
SELECT symbol, date, {", ".join(f"{name} * total_factor AS {name}" for name in PRICES)}, volume,
    total_factor AS price_factor, fetch_timestamp
FROM price_factors;
"""

ADJUSTMENT_VIEWS: Final = _CUMULATIVE + _FACTORS + _ADJUSTED

_ROWS: Final = f"""
SELECT {", ".join(("date", *OHLCV))}, by_events, source_adjusted, total_factor, split_ratio
FROM price_factors WHERE date <= coalesce($until, DATE '9999-12-31')
ORDER BY symbol, date
"""

_SYMBOLS: Final = """
SELECT symbol, count(*) AS bars FROM prices WHERE date <= coalesce($until, DATE '9999-12-31')
GROUP BY symbol ORDER BY symbol
"""


def adjusted_bars(
    connection: duckdb.DuckDBPyConnection,
    *,
    end: date | None,
    adjust: Adjustment,
    currency: str,
    provenance: Mapping[str, Any],
) -> Bars:
    """Build bars from the views of a connection; see `stockstream.lake.Lake.bars`.

    `prices` must hold the wanted symbols from the wanted start on, and reach beyond `end`: the close before a later
    ex-date decides the factor of every bar before it.
    """
    from stockstream.bars import Bars

    until = {"until": end}
    names, counts = _names(connection, until)
    if not names:
        message = "no prices in the range asked for"
        raise LakeError(message)
    columns = {name: _plain(values) for name, values in connection.execute(_ROWS, until).fetchnumpy().items()}
    row = np.repeat(np.arange(len(names)), counts)
    days, column = np.unique(columns["date"].astype("datetime64[D]"), return_inverse=True)
    place = row * len(days) + column

    def panel(values: NDArray[Any]) -> NDArray[np.float64]:
        flat = np.full(len(names) * len(days), np.nan)
        flat[place] = values
        return flat.reshape(len(names), len(days))

    factors = _factors(columns, adjust, lambda bad: (names[row[bad]], str(days[column[bad]])))
    extras: dict[str, NDArray[np.float64]] = {}
    price, volume = (1.0, 1.0) if factors is None else factors[:2]
    if factors is not None:
        extras = {"price_factor": panel(factors[2]), "volume_factor": panel(factors[3])}
    if adjust != "total":
        extras |= _event_panels(connection, names, days, panel(columns["close"]), adjust)
    return Bars.from_arrays(
        symbols=names,
        dates=days,
        **{name: panel(columns[name] * price) for name in PRICES},
        volume=panel(columns["volume"] * volume),
        currency=currency,
        provenance={**provenance, "adjust": adjust, "adjustment": _sources(columns, row, len(names), adjust)},
        **extras,
    )
