"""Adjustment: what a dividend or a split does to the prices before it, written once, in SQL.

The view `prices_adjusted` and `Lake.bars` read the same three statements, so they cannot drift apart.

Everything here is on one basis; see `stockstream.lake.links`. Two sources of truth, never mixed within a symbol:

- a symbol with recorded dividends: prices before an ex-date are multiplied by 1 - D / previous close, both on the basis
  of the last answer;
- a symbol without: adjusted_close / close, as its source computed it, provided that all its rows in question come from
  one fetch; adjusted closes of different fetches may be on different scales.

A factor that cannot be known (D >= previous close; several fetches) is NULL: never a guess.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from stockstream.errors import DataError, LakeError, ParameterError, counted, did_you_mean
from stockstream.lake.links import check_one_basis
from stockstream.lake.panels import Rows, Spread, Told
from stockstream.schema import PRICES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import duckdb
    from numpy.typing import NDArray

    from stockstream.bars import Bars

type Adjustment = Literal["total", "splits", "none"]

ADJUSTMENTS: Final = ("total", "splits", "none")

#: Per ex-date the close before it; a dividend before the first bar is nobody's.
_BEFORE: Final = """
CREATE VIEW derived.before_dividends AS
SELECT d.symbol, d.ex_date, d.dividend, d.segment = p.segment AS one_scale, p.close * p.price_basis AS close
FROM derived.based_dividends AS d
ASOF JOIN derived.based AS p ON d.symbol = p.symbol AND d.ex_date > p.date;
"""

#: The same as a table, for those who find these closes otherwise.
BEFORE_DIVIDENDS: Final = """
CREATE TABLE derived.before_dividends (symbol VARCHAR, ex_date DATE, dividend DOUBLE, one_scale BOOLEAN, close DOUBLE);
"""

#: Per ex-date: the factor of all prices before it, which is the product over this and every later event.
CUMULATIVE: Final = """
CREATE VIEW derived.dividend_factors AS
SELECT symbol, ex_date,
    CASE WHEN count(*) OVER later = count(step) OVER later THEN product(step) OVER later END AS factor
FROM (
    SELECT symbol, ex_date, CASE WHEN one_scale AND dividend < close THEN 1 - dividend / close END AS step
    FROM derived.before_dividends
)
WINDOW later AS (PARTITION BY symbol ORDER BY ex_date DESC ROWS UNBOUNDED PRECEDING);

CREATE VIEW derived.split_factors AS
SELECT symbol, ex_date,
    product(split) OVER (PARTITION BY symbol ORDER BY ex_date DESC ROWS UNBOUNDED PRECEDING) AS ratio
FROM splits;
"""

_SOURCES: Final = """
CREATE VIEW derived.adjustment_sources AS
SELECT symbol,
    symbol IN (SELECT symbol FROM dividends) AS by_events,
    min(fetch_timestamp) = max(fetch_timestamp) OR bool_and(adjusted_close = close) AS one_scale,
    NOT bool_and(adjusted_close = close) AS source_adjusted
FROM prices GROUP BY symbol;
"""

#: One row per price row: total_factor = adjusted / stored price, split_ratio = new / old shares of all later splits.
_FACTORS: Final = """
CREATE VIEW derived.price_factors AS
SELECT p.*,
    CASE
        WHEN s.by_events THEN CASE WHEN d.ex_date IS NULL THEN 1.0 ELSE d.factor END
        WHEN s.one_scale THEN p.adjusted_close / p.close
    END AS total_factor,
    coalesce(r.ratio, 1.0) AS split_ratio
FROM derived.based AS p
JOIN derived.adjustment_sources AS s ON p.symbol = s.symbol
ASOF LEFT JOIN derived.dividend_factors AS d ON p.symbol = d.symbol AND p.date < d.ex_date
ASOF LEFT JOIN derived.split_factors AS r ON p.symbol = r.symbol AND p.date < r.ex_date;
"""

_ADJUSTED: Final = f"""
CREATE VIEW prices_adjusted AS
SELECT symbol, date, {", ".join(f"{name} * price_basis * factor AS {name}" for name in PRICES)},
    CASE WHEN known THEN volume * volume_basis END AS volume, factor * price_basis AS price_factor, fetch_timestamp
FROM (
    SELECT *, CASE WHEN known THEN total_factor END AS factor
    FROM (SELECT *, segment = max(segment) OVER (PARTITION BY symbol) AS known FROM derived.price_factors)
);
"""

#: Over what `stockstream.lake.links` needs: the factors of all prices, and `prices_adjusted`.
ADJUSTMENT: Final = _BEFORE + CUMULATIVE + _SOURCES + _FACTORS + _ADJUSTED

_ROWS: Final = f"""
SELECT date, {", ".join(f"{name} * price_basis AS {name}" for name in PRICES)}, volume * volume_basis AS volume,
    total_factor, split_ratio
FROM derived.price_factors WHERE date <= $until ORDER BY symbol, date
"""

_SYMBOLS: Final = """
SELECT p.symbol, p.bars, s.by_events, s.one_scale, s.source_adjusted, p.symbol IN (SELECT symbol FROM splits)
FROM (SELECT symbol, count(*) AS bars FROM prices WHERE date <= $until GROUP BY symbol) AS p
JOIN derived.adjustment_sources AS s ON p.symbol = s.symbol
ORDER BY p.symbol
"""

#: Events on the symbol's first bar at or after the ex-date; what happened before its first bar is nobody's.
_EVENTS: Final = """
SELECT e.symbol, p.date, sum(e.dividend * coalesce(r.ratio, 1.0)), sum(e.dividend), product(e.split)
FROM (
    SELECT symbol, ex_date, dividend, NULL AS split FROM derived.based_dividends
    UNION ALL SELECT symbol, ex_date, NULL, split FROM splits
) AS e
JOIN (SELECT symbol, min(date) AS date FROM prices GROUP BY symbol) AS f ON e.symbol = f.symbol AND e.ex_date >= f.date
ASOF JOIN prices AS p ON e.symbol = p.symbol AND e.ex_date <= p.date
ASOF LEFT JOIN derived.split_factors AS r ON e.symbol = r.symbol AND e.ex_date < r.ex_date
WHERE p.date <= $until GROUP BY e.symbol, p.date
"""

_ALWAYS: Final = date(9999, 12, 31)


def bars_of(
    rows: Rows,
    *,
    adjust: Adjustment,
    currency: str,
    provenance: Mapping[str, Any],
    events: Callable[[Spread], dict[str, NDArray[np.float64]]] | None = None,
) -> Bars:
    """Build bars from rows; see `stockstream.lake.Lake.bars`.

    Parameters
    ----------
    rows
        The wanted ones, at least one.
    adjust, currency
        As asked for.
    provenance
        What is known of their origin so far.
    events
        Gives the panels of dividends and splits; None: nothing happened, or nobody asks.
    """
    from stockstream.bars import Bars

    spread = Spread(rows)
    price, volume = _multipliers(rows, spread, adjust)
    panels = {name: spread.panel(rows.column(name), price) for name in PRICES}
    panels["volume"] = spread.panel(rows.column("volume"), volume)
    ratio = rows.split_ratio
    panels["price_factor"] = spread.panel(price if ratio is None else (1.0 if price is None else price) / ratio)
    if ratio is None and price is None:
        panels["volume_factor"] = panels["price_factor"]
    else:
        panels["volume_factor"] = spread.panel(ratio, volume)
    return Bars.from_panels(
        symbols=spread.symbols,
        dates=spread.days,
        panels=panels | (events(spread) if events is not None and adjust != "total" else {}),
        currency=currency,
        provenance={**provenance, "adjust": adjust, "adjustment": _origins(rows.symbols, adjust)},
    )


def adjusted_bars(
    connection: duckdb.DuckDBPyConnection,
    *,
    end: date | None,
    adjust: Adjustment,
    currency: str,
    provenance: Mapping[str, Any],
) -> Bars:
    """Build bars from the views of a connection; see `stockstream.lake.Lake.bars`.

    `prices` must hold the wanted symbols from the wanted start on, and reach beyond `end` where dividends lie there:
    the close before a later ex-date decides the factor of every bar before it.
    """
    rows = derived_rows(connection, end)
    if rows is None:
        message = "the lake holds no prices in the range asked for"
        raise LakeError(message)

    def events(spread: Spread) -> dict[str, NDArray[np.float64]]:
        return _event_panels(connection, spread, {"until": end or _ALWAYS}, as_traded=adjust == "none")

    return bars_of(rows, adjust=adjust, currency=currency, provenance=provenance, events=events)


def derived_rows(connection: duckdb.DuckDBPyConnection, end: date | None) -> Rows | None:
    """Return the rows up to a day from the views of a connection; see `adjusted_bars`."""
    until = {"until": end or _ALWAYS}
    symbols = [Told(*row) for row in connection.execute(_SYMBOLS, until).fetchall()]
    if not symbols:
        return None
    check_one_basis(connection, until["until"])
    columns = {name: _plain(values) for name, values in connection.execute(_ROWS, until).fetchnumpy().items()}
    return Rows(
        symbols=symbols,
        days=columns["date"].astype("datetime64[D]").astype(np.int32),
        column=columns.__getitem__,
        total_factor=columns["total_factor"],
        split_ratio=columns["split_ratio"],
    )


#: What stands for `prices_adjusted` in a question that does not name it: deriving the basis of all symbols takes longer
#: than most questions. A question that gets at it by other means fails instead of finding nothing.
UNASKED: Final = f"""
CREATE VIEW prices_adjusted AS
SELECT symbol, date, {", ".join(PRICES)}, volume::DOUBLE AS volume, close AS price_factor, fetch_timestamp
FROM raw_prices WHERE error('spell prices_adjusted in the query to read it')::BOOLEAN;
"""


def _plain(values: object) -> NDArray[Any]:
    """Return a column of DuckDB as an array: nulls of numbers are NaN."""
    if not isinstance(values, np.ma.MaskedArray):
        return np.asarray(values)
    return np.ma.filled(values.astype(np.float64), np.nan) if values.dtype.kind in "fiu" else np.ma.filled(values)


def _multipliers(
    rows: Rows, spread: Spread, adjust: Adjustment
) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
    """Return what the stored prices and volumes of each row are multiplied by; None is 1.

    A stored price is on the basis of all recorded splits already, and so is its volume.
    """
    if adjust == "total":
        if rows.total_factor is not None:
            _check_factors(rows.total_factor, rows.symbols, spread)
        return rows.total_factor, None
    if adjust == "none":
        return rows.split_ratio, None if rows.split_ratio is None else 1.0 / rows.split_ratio
    unknown = [told.symbol for told in rows.symbols if told.source_adjusted and not (told.by_events or told.splits)]
    if unknown:
        message = (
            f"the splits of {unknown[0]} are not recorded, only an adjusted close that mixes splits and dividends "
            f'({counted(len(unknown), "such symbol")}). Use adjust="total", or adjust="none" for the prices as stored.'
        )
        raise LakeError(message)
    return None, None


def _check_factors(factor: NDArray[np.float64], symbols: Sequence[Told], spread: Spread) -> None:
    unknown = np.flatnonzero(np.isnan(factor))
    if not len(unknown):
        return
    owners = np.searchsorted(spread.bounds, unknown, side="right") - 1
    name, _, by_events, *_ = symbols[owners[-1]]
    count = len(np.unique(owners))
    others = f" ({count} symbols have such a fault)" if count > 1 else ""
    if by_events:
        message = (
            f"{name} has a dividend after {spread.days[spread.column[unknown[-1]]]} that is not below the close before "
            f'it{others}. Correct it, or leave the symbol out, or use adjust="none".'
        )
        raise DataError(message)
    message = (
        f"the adjusted closes of {name} come from several fetches and may be on different scales{others}. "
        'Import its whole history in one file, or use adjust="none".'
    )
    raise LakeError(message)


def _event_panels(
    connection: duckdb.DuckDBPyConnection, panel: Spread, until: dict[str, date], *, as_traded: bool
) -> dict[str, NDArray[np.float64]]:
    """Return the panels of dividends and, for prices as traded, of splits; none where nothing happened."""
    dividend, split = (np.full((len(panel.symbols), len(panel.days)), np.nan) for _ in range(2))
    row = {name: index for index, name in enumerate(panel.symbols)}
    for name, day, raw_dividend, stored_dividend, ratio in connection.execute(_EVENTS, until).fetchall():
        place = row[name], int(np.searchsorted(panel.days, np.datetime64(day)))
        dividend[place] = np.nan if stored_dividend is None else raw_dividend if as_traded else stored_dividend
        split[place] = np.nan if ratio is None else ratio
    panels = {"dividend": dividend, "split": split} if as_traded else {"dividend": dividend}
    return {name: values for name, values in panels.items() if not np.isnan(values).all()}


def _origins(symbols: Sequence[Told], adjust: Adjustment) -> dict[str, tuple[str, ...]]:
    """Say in words, per symbol, what the adjustment rests on."""
    found: dict[str, list[str]] = {}
    for name, _, by_events, _, source_adjusted, splits in symbols:
        if adjust == "total":
            words = (
                "recorded dividends" if by_events
                else "adjusted_close of the source" if source_adjusted
                else "nothing to adjust by: no dividends recorded, adjusted_close equals close"
            )  # fmt: skip
        elif adjust == "splits":
            words = "close of the source, which contains its splits" if by_events or splits else "close as stored"
        else:
            words = "approximate: recorded splits undone" if splits else "close as stored"
        found.setdefault(words, []).append(name)
    return {words: tuple(names) for words, names in found.items()}


def check_adjustment(adjust: str) -> None:
    """Refuse anything but total, splits and none."""
    if adjust not in ADJUSTMENTS:
        guess = did_you_mean(str(adjust), ADJUSTMENTS)
        message = f"expected adjust to be one of {', '.join(ADJUSTMENTS)}; found {adjust!r}.{guess}"
        raise ParameterError(message)
