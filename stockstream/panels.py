"""Symbols, dates and panels of prices as they come in from outside: checked, or refused with a reason."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stockstream.errors import DataError, ParameterError, counted
from stockstream.schema import OHLCV, PRICES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl

type Panel = NDArray[np.float64]
type Dates = NDArray[np.datetime64]
type Day = str | date | np.datetime64


def frozen[A: np.ndarray[Any, Any]](values: A) -> A:
    """Return a contiguous read-only array; kernels are compiled for exactly this kind."""
    contiguous = np.ascontiguousarray(values).view()
    contiguous.flags.writeable = False
    return contiguous  # type: ignore[return-value]


def day_of(value: Day) -> np.datetime64:
    """Return a date; raises `ParameterError` where it is none."""
    message = f"expected a date like 2024-01-31; found {value!r}"
    if isinstance(value, int | float):  # NumPy would count days from 1970
        raise ParameterError(message)
    try:
        return np.datetime64(value, "D")
    except (TypeError, ValueError) as error:
        raise ParameterError(message) from error


def checked_symbols(symbols: Sequence[str]) -> tuple[str, ...]:
    """Return the names, each once and none empty, or raise `DataError`."""
    names = (symbols,) if isinstance(symbols, str) else tuple(symbols)
    bad = [name for name in names if not isinstance(name, str) or not name.strip()]
    if not names or bad:
        message = f"expected at least one symbol, each a non-empty text; found {names!r}"
        raise DataError(message)
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) != len(names) else []
    if twice:
        message = f"expected each symbol once; {twice[0]!r} is given {names.count(twice[0])} times"
        raise DataError(message)
    return names


def checked_dates(dates: ArrayLike) -> Dates:
    """Return the days ``(T,)``, strictly increasing, or raise `DataError`."""
    given = np.asarray(dates)
    message = f"expected dates like 2024-01-31; found {', '.join(map(repr, given.ravel()[:3].tolist()))}"
    if given.dtype.kind in "biufc" and given.size:  # NumPy would count days from 1970
        raise DataError(message)
    try:
        instants = given.astype("datetime64[us]") if given.dtype.kind == "O" else given
        days = instants.astype("datetime64[D]")
    except (ValueError, TypeError) as error:
        raise DataError(message) from error
    if instants.dtype.kind == "M":
        _refuse_clock_times(instants)
    if days.ndim != 1 or len(days) == 0 or bool(np.isnat(days).any()):
        message = (
            f"expected a list of T >= 1 dates without gaps; found shape {days.shape}, "
            f"{int(np.isnat(days).sum())} missing"
        )
        raise DataError(message)
    steps = np.diff(days).astype(np.int64)
    if bool((steps <= 0).any()):
        at = int(np.argmax(steps <= 0))
        problem = "twice" if steps[at] == 0 else f"before {days[at]}"
        message = (
            f"expected strictly increasing dates; {days[at + 1]} comes {problem}. Sort the rows and drop duplicates."
        )
        raise DataError(message)
    return days


def checked_panel(name: str, values: ArrayLike, shape: tuple[int, int]) -> Panel:
    """Return numbers of that shape, ``(S, T)``, as a copy; one symbol may come as ``(T,)``. Raises `DataError`."""
    try:
        panel = np.array(values, dtype=np.float64)
    except (ValueError, TypeError) as error:
        message = f"expected numbers for {name}; found {np.asarray(values).dtype}"
        raise DataError(message) from error
    if panel.ndim == 1 and shape[0] == 1:
        panel = panel[None, :]
    if panel.shape != shape:
        message = f"expected {name} of shape {shape} (symbols, dates); found {panel.shape}"
        raise DataError(message)
    return panel


def check_prices(symbols: tuple[str, ...], dates: Dates, panels: Mapping[str, Panel]) -> None:
    """Refuse what no market can have printed.

    An open or close a little outside low..high is real (auctions, rounding to a tick) and allowed.
    """
    if _plausible(panels):
        return
    absent = np.isnan(panels["close"])
    half = np.zeros_like(absent)
    for name in PRICES:
        half |= np.isnan(panels[name]) != absent
    checks = {
        "a price that is not positive": np.any([panels[name] <= 0 for name in PRICES], axis=0),
        "an infinite price or volume": np.any([np.isinf(panels[name]) for name in OHLCV], axis=0),
        "a bar with some of its four prices missing": half,
        "high below low": panels["high"] < panels["low"],
        "a negative volume": panels["volume"] < 0,
    }
    for problem, where in checks.items():
        if where.any():
            row, column = (int(i) for i in np.argwhere(where)[0])
            found = ", ".join(f"{name} {panels[name][row, column]:g}" for name in OHLCV)
            bars = counted(int(where.sum()), "such bar")
            message = (
                f"{symbols[row]} on {dates[column]} has {problem} ({found}); {bars} in all. "
                "Correct or drop these rows: they are never repaired silently."
            )
            raise DataError(message)


def _plausible(panels: Mapping[str, Panel], block: int = 16) -> bool:
    """Whether no bar can have any fault, told in one pass over a few rows at a time, which stay in the cache."""
    for first in range(0, len(panels["close"]), block):
        rows = {name: panels[name][first : first + block] for name in OHLCV}
        there = rows["close"] > 0
        for name in PRICES:
            values = rows[name]
            if not (((values > 0) == there) & (np.isnan(values) != there) & (values != np.inf)).all():
                return False
        if (rows["high"] < rows["low"]).any() or ((rows["volume"] < 0) | (rows["volume"] == np.inf)).any():
            return False
    return True


def check_unique(place: NDArray[np.intp], names: NDArray[Any], dates: Dates) -> None:
    """Refuse rows of which two fall on the same place ``symbol * T + date``."""
    order = np.sort(place, kind="stable")
    twice = order[1:][order[1:] == order[:-1]]
    if len(twice):
        symbol, day = names[twice[0] // len(dates)], dates[twice[0] % len(dates)]
        rows = counted(len(twice), "row")
        message = f"expected one row per symbol and date; {symbol} has several for {day}, {rows} too many in all"
        raise DataError(message)


def frame_days(frame: pl.DataFrame) -> Dates:
    """Return the days of a Polars frame's ``date``: dates, midnights, or text such as 2024-01-31."""
    import polars as pl

    column = frame.get_column("date")
    if column.dtype == pl.String:
        try:
            column = column.str.to_date("%Y-%m-%d")
        except pl.exceptions.PolarsError as error:
            message = f"expected dates like 2024-01-31; found {column[0]!r}"
            raise DataError(message) from error
    if isinstance(column.dtype, pl.Datetime):
        column = column.dt.replace_time_zone(None)
        _refuse_clock_times(column.to_numpy())
        column = column.dt.date()
    if column.dtype != pl.Date or column.null_count():
        message = f"expected a date in every row of 'date'; found type {column.dtype}, {column.null_count()} missing"
        raise DataError(message)
    return column.to_numpy().astype("datetime64[D]")


def session_days(values: Any) -> Dates:
    """Days of a pandas index or column; a time zone is dropped, not converted, so that no session moves."""
    import pandas as pd

    stamps = pd.to_datetime(pd.Index(values))
    if stamps.tz is not None:
        stamps = stamps.tz_localize(None)
    instants = stamps.to_numpy()
    _refuse_clock_times(instants)
    days: Dates = instants.astype("datetime64[D]")
    return days


def _refuse_clock_times(instants: NDArray[np.datetime64]) -> None:
    """Refuse instants that are not midnights: a UTC open instant dates Sydney's session a day early."""
    off = instants[~np.isnat(instants)]
    clock = off != off.astype("datetime64[D]")
    if clock.any():
        message = (
            f"expected session dates, found the instant {off[clock][0]}; convert to the exchange's time zone and take "
            "the date there (a UTC date is a day early for a session that opens before 00:00 UTC)"
        )
        raise DataError(message)
