"""Indicators on Polars frames: columns in, columns added, per symbol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stockstream.errors import DataError, UnknownNameError, did_you_mean
from stockstream.indicators.evaluate import Table, evaluate
from stockstream.indicators.expression import Column, Expression
from stockstream.indicators.indicator import Indicator, Output
from stockstream.schema import OHLCV

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl


def with_indicators(df: pl.DataFrame, indicators: Sequence[Indicator | Output] | None = None) -> pl.DataFrame:
    """Return the frame with one column per output of each indicator.

    Parameters
    ----------
    df
        The columns the indicators read; with a ``symbol`` column each symbol is computed on its own rows, which must be
        together and, where there is a ``date`` column, in increasing date order. Rows with a null close are days
        without a bar.
    indicators
        Which ones; None adds the processed columns ``sma_20 sma_50 ema_12 ema_26 rsi_14 macd macd_signal
        bollinger_upper bollinger_lower atr_14``.

    Raises
    ------
    UnknownNameError
        A column that an indicator reads is missing.
    DataError
        Rows out of order, or text where numbers are expected.
    """
    chosen = processed_columns() if indicators is None else list(indicators)
    table, rows = _table(df, chosen)
    added: dict[str, Any] = {}
    for item in chosen:
        outputs = [item] if isinstance(item, Output) else [Output(item, name) for name in item.outputs]
        for output in outputs:
            values = np.full(df.height, np.nan)
            values[rows] = evaluate(output, table)
            added[output.column_names()[0]] = values
    import polars as pl

    return df.with_columns(pl.Series(name, values).fill_nan(None) for name, values in added.items())


def processed_columns() -> list[Indicator | Output]:
    """Return the indicators behind the processed data schema, in its order."""
    from stockstream.indicators import ATR, BBANDS, EMA, MACD, RSI, SMA

    bands = BBANDS()
    macd = MACD()
    return [SMA(20), SMA(50), EMA(12), EMA(26), RSI(14), macd.macd, macd.signal, bands.upper, bands.lower, ATR(14)]


def _table(df: pl.DataFrame, indicators: Sequence[Expression]) -> tuple[Table, Any]:
    import polars as pl

    needed = {node.name for item in indicators for node in item.walk() if isinstance(node, Column)}
    missing = sorted(needed - set(df.columns))
    if missing:
        message = (
            f"expected a column {missing[0]!r}; the frame has {', '.join(df.columns)}."
            f"{did_you_mean(missing[0], df.columns)}"
        )
        raise UnknownNameError(message)
    textual = [name for name in sorted(needed - {"date"}) if not df.schema[name].is_numeric()]
    if textual:
        message = f"expected numbers in column {textual[0]!r}; found {df.schema[textual[0]]}"
        raise DataError(message)
    traded = "close" if "close" in df.columns else sorted(needed)[0]
    rows = np.flatnonzero(df.get_column(traded).cast(pl.Float64).is_not_null().to_numpy())
    offsets = _offsets(df, rows)
    columns: dict[str, Any] = {
        name: df.get_column(name).cast(pl.Float64).fill_null(float("nan")).to_numpy()[rows]
        for name in OHLCV
        if name in needed
    }
    if "date" in needed:
        columns["date"] = df.get_column("date").cast(pl.Date).to_physical().to_numpy()[rows].astype(np.float64)
    session = np.concatenate([np.arange(n) for n in np.diff(offsets)]) if len(rows) else np.empty(0, dtype=np.int64)
    return Table(columns, offsets, session, df.height), rows


def _offsets(df: pl.DataFrame, rows: Any) -> Any:
    if "symbol" not in df.columns:
        starts = np.zeros(1, dtype=np.int64)
    else:
        run = df.get_column("symbol").rle_id().to_numpy()[rows]
        starts = np.flatnonzero(np.diff(run, prepend=-1))
        if len(starts) != df.get_column("symbol").gather(rows).n_unique():
            message = "expected each symbol's rows together; sort the frame by symbol and date first"
            raise DataError(message)
    if "date" in df.columns and len(rows) > 1:
        dates = df.get_column("date").gather(rows).to_physical().to_numpy()
        back = np.flatnonzero(np.diff(dates) <= 0) + 1
        if not set(back.tolist()) <= set(starts.tolist()):
            message = (
                "expected increasing dates within each symbol; sort the frame by symbol and date and drop duplicates"
            )
            raise DataError(message)
    return np.append(starts, len(rows)).astype(np.int64)
