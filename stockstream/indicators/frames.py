"""Indicators on Polars frames: columns in, columns added, per symbol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stockstream.errors import DataError, ParameterError, UnknownNameError, did_you_mean
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
    ParameterError
        Something else than indicators.
    DataError
        Not a Polars frame, rows out of order, or text where numbers are expected.

    Notes
    -----
    Columns of float64 in one chunk, without nulls, are read where they lie; others are copied once. A column added is
    written once and copied once more when its NaN become null.
    """
    import polars as pl

    _check_frame(df)
    chosen = processed_columns() if indicators is None else _checked(indicators)
    table, rows = _table(df, chosen)
    added: dict[str, pl.Series] = {}
    for item in chosen:
        outputs = [item] if isinstance(item, Output) else [Output(item, name) for name in item.outputs]
        for output in outputs:
            values = evaluate(output, table)
            if len(values) != df.height:
                spread = np.full(df.height, np.nan)
                spread[rows] = values
                values = spread
            name = output.column_names()[0]
            added[name] = pl.Series(name, values).fill_nan(None)
    return df.with_columns(added.values())


def _check_frame(df: Any) -> None:
    import polars as pl

    if isinstance(df, pl.DataFrame):
        return
    advice = "call .collect() first" if isinstance(df, pl.LazyFrame) else "convert it, with polars.from_pandas say"
    message = f"expected a Polars DataFrame; found {type(df).__module__}.{type(df).__name__}; {advice}"
    raise DataError(message)


def _checked(indicators: Any) -> list[Indicator | Output]:
    several = isinstance(indicators, list | tuple)
    wrong = [item for item in indicators if not isinstance(item, Indicator | Output)] if several else [indicators]
    if wrong:
        message = f"expected a list of indicators such as [RSI(14), MACD().hist]; found {wrong[0]!r}"
        raise ParameterError(message)
    return list(indicators)


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
    traded = df.get_column("close" if "close" in df.columns else sorted(needed)[0])
    rows = np.flatnonzero(traded.is_not_null().to_numpy()) if traded.null_count() else slice(None)
    offsets = _offsets(df, rows)
    columns: dict[str, Any] = {name: _numbers(df.get_column(name))[rows] for name in OHLCV if name in needed}
    if "date" in needed:
        columns["date"] = df.get_column("date").cast(pl.Date).to_physical().to_numpy()[rows].astype(np.float64)
    session = np.concatenate([np.arange(n) for n in np.diff(offsets)]) if offsets[-1] else np.empty(0, dtype=np.int64)
    return Table(columns, offsets, session, df.height), rows


def _numbers(column: pl.Series) -> Any:
    """Give the column's own memory where it is float64 in one chunk without nulls."""
    import polars as pl

    column = column.cast(pl.Float64)
    return (column.fill_null(float("nan")) if column.null_count() else column).to_numpy()


def _offsets(df: pl.DataFrame, rows: Any) -> Any:
    squeezed = not isinstance(rows, slice)
    bars = len(rows) if squeezed else df.height
    own = {
        name: df.get_column(name).gather(rows) if squeezed else df.get_column(name)
        for name in ("symbol", "date")
        if name in df.columns
    }
    if "symbol" not in own:
        starts = np.zeros(1, dtype=np.int64)
    else:
        symbols = own["symbol"]
        starts = np.flatnonzero(np.diff(symbols.rle_id().to_numpy().astype(np.int64), prepend=-1))
        if len(starts) != symbols.n_unique():
            message = "expected each symbol's rows together; sort the frame by symbol and date first"
            raise DataError(message)
    if "date" in own and bars > 1:
        _check_dates(own["date"], starts)
    return np.append(starts, bars).astype(np.int64)


def _check_dates(dates: pl.Series, starts: Any) -> None:
    if not (dates.dtype.is_temporal() or dates.dtype.is_integer()) or dates.null_count():
        found = f"{dates.null_count()} null" if dates.null_count() else str(dates.dtype)
        message = f"expected a date in column 'date' on every row with a bar; found {found}"
        raise DataError(message)
    numbers = dates.to_physical()
    back = np.flatnonzero((numbers.diff() <= 0).fill_null(value=False).to_numpy())
    if not set(back.tolist()) <= set(starts.tolist()):
        message = "expected increasing dates within each symbol; sort the frame by symbol and date and drop duplicates"
        raise DataError(message)
