"""Bars: the validated panel of prices that every kernel reads.

The border of the library. Frames and arrays of any origin come in here, are checked once, and leave as C-contiguous
float64 rows, one per symbol, on one shared calendar. Kernels trust what they get from here.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stockstream.errors import DataError, ParameterError, UnknownNameError, counted, did_you_mean
from stockstream.schema import OHLCV, PRICES, REQUIRED_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pandas as pd
    import polars as pl
    import pyarrow as pa

type Panel = NDArray[np.float64]
type Dates = NDArray[np.datetime64]
type Day = str | date | np.datetime64

#: Optional panels that a Bars may carry beside its prices.
EXTRAS = ("price_factor", "volume_factor", "dividend", "split")

#: Symbols that a message names before it breaks off.
NAMED: Final = 8


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Bars:
    """Daily bars of S symbols on T sessions, immutable.

    Attributes
    ----------
    symbols
        S names, unique, in the order of the rows.
    dates
        ``(T,)`` datetime64[D], strictly increasing: the union of the symbols' sessions.
    open, high, low, close, volume
        ``(S, T)`` float64, read-only, C-contiguous; NaN where a symbol has no bar. Prices are in `currency` per share,
        volume in shares. A bar is present where its close is not NaN.
    price_factor, volume_factor
        ``(S, T)`` or None: adjusted / as-traded price (volume) of each bar. Ticks, lots and fees of an exchange are
        judged on as-traded values; without these panels the exchange presets refuse to run.
    dividend, split
        ``(S, T)`` or None: cash per share on the ex-date, ratio new/old on the split's date; NaN on other days. Only
        for raw prices: adjusted prices never also pay dividends.
    currency
        One code for all symbols, such as ``"AUD"``.
    delisted
        Symbol -> last day of its listing, for those known to have ended.
    provenance
        Where the bars came from: lake, as_of, adjustment.

    Examples
    --------
    >>> import numpy as np
    >>> close = np.array([[10.0, 11.0, 12.0]])
    >>> bars = Bars.from_arrays(symbols=["BHP"], dates=["2024-01-02", "2024-01-03", "2024-01-04"],
    ...                         open=close, high=close + 1, low=close - 1, close=close, volume=close * 100)
    >>> bars
    Bars: 1 symbol x 3 sessions, 2024-01-02 to 2024-01-04
    >>> bars["BHP"].close[0]
    array([10., 11., 12.])
    >>> bars.between("2024-01-03", None).shape
    (1, 2)
    """

    symbols: tuple[str, ...]
    dates: Dates
    open: Panel
    high: Panel
    low: Panel
    close: Panel
    volume: Panel
    price_factor: Panel | None = None
    volume_factor: Panel | None = None
    dividend: Panel | None = None
    split: Panel | None = None
    currency: str = ""
    delisted: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of symbols and of sessions, (S, T)."""
        return self.close.shape[0], self.close.shape[1]

    @property
    def present(self) -> NDArray[np.bool_]:
        """``(S, T)``: True where a symbol has a bar."""
        return ~np.isnan(self.close)

    def __len__(self) -> int:
        return len(self.dates)

    def __iter__(self) -> Iterator[str]:
        return iter(self.symbols)

    def __contains__(self, symbol: object) -> bool:
        return symbol in self.symbols

    def __repr__(self) -> str:
        count = counted(len(self.symbols), "symbol")
        return f"Bars: {count} x {counted(len(self.dates), 'session')}, {self.dates[0]} to {self.dates[-1]}"

    def _repr_html_(self) -> str:
        from html import escape

        rows = []
        for place, symbol in enumerate(self.symbols[: 2 * NAMED]):
            own = np.flatnonzero(~np.isnan(self.close[place]))
            first, last, close = (
                ("–",) * 3
                if not len(own)
                else (str(self.dates[own[0]]), str(self.dates[own[-1]]), f"{self.close[place, own[-1]]:,.6g}")
            )
            cells = (escape(symbol), f"{len(own):,}", first, last, close)
            rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
        left = len(self.symbols) - len(rows)
        more = f"<small>and {left:,} more symbols</small>" if left else ""
        head = "".join(f"<th>{name}</th>" for name in ("symbol", "bars", "first", "last", "last close"))
        return f"<div><strong>{escape(repr(self))}</strong><table><tr>{head}</tr>{''.join(rows)}</table>{more}</div>"

    def row(self, symbol: str) -> int:
        """Return the row of a symbol.

        Raises
        ------
        UnknownNameError
            The symbol is not among the bars; the message names the closest one.
        """
        if symbol not in self.symbols:
            held = ", ".join(self.symbols[:NAMED]) + (" …" if len(self.symbols) > NAMED else "")
            message = f"no bars for symbol {symbol!r}; these bars hold {held}.{did_you_mean(symbol, self.symbols)}"
            raise UnknownNameError(message)
        return self.symbols.index(symbol)

    def __getitem__(self, symbol: str) -> Bars:
        return self.select([symbol])

    def select(self, symbols: Sequence[str]) -> Bars:
        """Keep the named symbols, in the order given.

        The sessions stay those of the whole panel, so that results of subsets line up.
        """
        if isinstance(symbols, str):
            symbols = [symbols]
        rows = [self.row(symbol) for symbol in symbols]
        if not rows or len(set(rows)) != len(rows):
            message = f"expected at least one symbol, each once; found {list(symbols)!r}"
            raise ParameterError(message)
        if rows == list(range(len(self.symbols))):
            return self
        pick: Any = slice(rows[0], rows[0] + 1) if len(rows) == 1 else rows
        return self._mapped(tuple(symbols), self.dates, lambda panel: panel[pick])

    def between(self, start: Day | None, end: Day | None) -> Bars:
        """Keep the sessions from start to end, both included; None is open."""
        first = 0 if start is None else int(np.searchsorted(self.dates, _day(start), side="left"))
        last = len(self.dates) if end is None else int(np.searchsorted(self.dates, _day(end), side="right"))
        if first >= last:
            message = (
                f"no sessions between {start} and {end}; the bars run from {self.dates[0]} to {self.dates[-1]}. "
                "Check the order of the two dates."
            )
            raise DataError(message)
        if (first, last) == (0, len(self.dates)):
            return self
        return self._mapped(self.symbols, self.dates[first:last], lambda panel: panel[:, first:last])

    def _mapped(self, symbols: tuple[str, ...], dates: Dates, cut: Any) -> Bars:
        panels = {name: getattr(self, name) for name in (*OHLCV, *EXTRAS)}
        cut_panels: dict[str, Any] = {
            name: None if panel is None else _frozen(cut(panel)) for name, panel in panels.items()
        }
        return replace(self, symbols=symbols, dates=_frozen(dates), **cut_panels)

    @classmethod
    def from_arrays(  # noqa: PLR0913 one array a column is what OHLCV data is
        cls,
        *,
        symbols: Sequence[str],
        dates: ArrayLike,
        open: ArrayLike,
        high: ArrayLike,
        low: ArrayLike,
        close: ArrayLike,
        volume: ArrayLike,
        currency: str = "",
        delisted: Mapping[str, Any] | None = None,
        provenance: Mapping[str, Any] | None = None,
        **extras: ArrayLike | None,
    ) -> Self:
        """Build bars from arrays.

        Parameters
        ----------
        symbols
            S names.
        dates
            T days, strictly increasing.
        open, high, low, close, volume
            ``(S, T)``, or ``(T,)`` for one symbol; NaN in all of them where there is no bar.
        currency, delisted, provenance
            See the attributes.
        **extras
            ``price_factor``, ``volume_factor``, ``dividend``, ``split``, each of shape ``(S, T)``.

        Raises
        ------
        DataError
            A shape does not fit, dates are not increasing, a price is not positive, high < low, volume < 0, or a bar
            is half there.
        """
        unknown = sorted(set(extras) - set(EXTRAS))
        if unknown:
            message = f"unknown panel {unknown[0]!r}; expected one of {', '.join(EXTRAS)}"
            raise ParameterError(message)
        names = _checked_symbols(symbols)
        days = _checked_dates(dates)
        given: dict[str, Any] = {"open": open, "high": high, "low": low, "close": close, "volume": volume, **extras}
        shape = (len(names), len(days))
        panels = {name: _panel(name, values, shape) for name, values in given.items() if values is not None}
        return cls._checked(names, days, panels, currency=currency, delisted=delisted, provenance=provenance)

    @classmethod
    def from_panels(
        cls,
        *,
        symbols: Sequence[str],
        dates: Dates,
        panels: Mapping[str, Panel],
        currency: str = "",
        provenance: Mapping[str, Any] | None = None,
    ) -> Self:
        """Build bars of panels that nobody else will write to: checked as by `from_arrays`, and not copied.

        Parameters
        ----------
        symbols, dates
            S names, and T days, strictly increasing.
        panels
            ``open, high, low, close, volume`` and any of the optional panels: ``(S, T)`` float64.
        currency, provenance
            See the attributes.

        Raises
        ------
        DataError
            As `from_arrays`.
        """
        names, days = _checked_symbols(symbols), _checked_dates(dates)
        return cls._checked(names, days, panels, currency=currency, provenance=provenance)

    @classmethod
    def _checked(cls, names: tuple[str, ...], days: Dates, panels: Mapping[str, Panel], **facts: Any) -> Self:
        _check_prices(names, days, panels)
        for name in EXTRAS:
            panel = panels.get(name)
            if panel is not None and bool((panel < 0 if name == "dividend" else panel <= 0).any()):
                message = f"expected {name} values above 0 (NaN where there is none); found {np.nanmin(panel)}"
                raise DataError(message)
        frozen: dict[str, Any] = {name: _frozen(panel) for name, panel in panels.items()}
        facts |= {name: dict(facts.get(name) or {}) for name in ("delisted", "provenance")}
        return cls(symbols=names, dates=_frozen(days), **facts, **frozen)

    @classmethod
    def from_polars(
        cls, frame: pl.DataFrame, *, currency: str = "", provenance: Mapping[str, Any] | None = None
    ) -> Self:
        """Build bars from a long frame with the lake's columns.

        Parameters
        ----------
        frame
            Columns ``symbol, date, open, high, low, close, volume``, in any row order, one row per symbol and date;
            ``price_factor, volume_factor, dividend, split`` are taken along when present. Rows whose prices are all
            null are days without a bar.
        currency, provenance
            See the attributes.

        Raises
        ------
        DataError
            A column is missing or of the wrong type, or a symbol has two rows for one date.
        """
        import polars as pl

        missing = [name for name in REQUIRED_COLUMNS if name not in frame.columns]
        if missing:
            message = (
                f"expected the columns {', '.join(REQUIRED_COLUMNS)}; {', '.join(missing)} missing from {frame.columns}"
            )
            raise DataError(message)
        if frame.height == 0:
            message = "expected at least one row of prices; the frame is empty"
            raise DataError(message)
        extras = [name for name in EXTRAS if name in frame.columns]
        values = [*OHLCV, *extras]
        textual = [name for name in values if not (frame.schema[name].is_numeric() or frame.schema[name] == pl.Null)]
        if textual:
            message = f"expected numbers in column {textual[0]!r}; found {frame.schema[textual[0]]}"
            raise DataError(message)
        days = _frame_days(frame)
        symbols = frame.get_column("symbol").cast(pl.String)
        names, row = np.unique(symbols.to_numpy(), return_inverse=True)
        dates, column = np.unique(days, return_inverse=True)
        place = row * len(dates) + column
        _check_unique(place, names, dates)
        panels: dict[str, Any] = {}
        for name in values:
            panel = np.full(len(names) * len(dates), np.nan)
            panel[place] = frame.get_column(name).cast(pl.Float64).to_numpy()
            panels[name] = panel.reshape(len(names), len(dates))
        return cls.from_arrays(
            symbols=[str(n) for n in names], dates=dates, currency=currency, provenance=provenance, **panels
        )

    @classmethod
    def from_arrow(cls, table: pa.Table, *, currency: str = "") -> Self:
        """Build bars from an Arrow table with the lake's columns; see `from_polars`."""
        import polars as pl

        frame = pl.from_arrow(table)
        if not isinstance(frame, pl.DataFrame):
            message = f"expected an Arrow table with columns {', '.join(REQUIRED_COLUMNS)}; found one array"
            raise DataError(message)
        return cls.from_polars(frame, currency=currency)

    @classmethod
    def from_pandas(cls, frame: pd.DataFrame, *, symbol: str | None = None, currency: str = "") -> Self:
        """Build bars from pandas.

        Parameters
        ----------
        frame
            Either a long frame with the lake's columns, or one symbol's OHLCV with a date index (columns in any case,
            ``Open`` or ``open``); `symbol` is then required.
        symbol
            The symbol of an OHLCV frame.
        currency
            Code of the currency.

        Raises
        ------
        DataError
            The frame is neither of the two forms.
        """
        import polars as pl

        frame = frame.rename(columns=lambda name: str(name).strip().lower().replace(" ", "_"))
        if "symbol" not in frame.columns:
            if symbol is None:
                message = "expected a 'symbol' column, or symbol=\"…\" for the frame of one symbol; found neither"
                raise DataError(message)
            frame = frame.assign(symbol=symbol)
        if "date" not in frame.columns:
            frame = frame.assign(date=_session_days(frame.index))
        wanted = [name for name in (*REQUIRED_COLUMNS, *EXTRAS) if name in frame.columns]
        columns = {name: frame[name].to_numpy() for name in wanted if name != "date"}
        columns["symbol"] = columns["symbol"].astype(str)
        return cls.from_polars(pl.DataFrame({"date": _session_days(frame["date"]), **columns}), currency=currency)

    def to_polars(self) -> pl.DataFrame:
        """Return a long Polars frame, one row per present bar, sorted by symbol and date."""
        import polars as pl

        rows, columns = np.nonzero(self.present)
        data: dict[str, Any] = {
            "symbol": np.asarray(self.symbols, dtype=object)[rows],
            "date": self.dates[columns],
        }
        for name in (*OHLCV, *EXTRAS):
            panel = getattr(self, name)
            if panel is not None:
                data[name] = panel[rows, columns]
        frame = pl.DataFrame(data, schema_overrides={"symbol": pl.String, "date": pl.Date})
        return frame.with_columns(pl.col(name).fill_nan(None) for name in EXTRAS if name in data)

    def to_pandas(self) -> pd.DataFrame:
        """Return a long pandas frame; see `to_polars`."""
        return self.to_polars().to_pandas()

    def to_arrow(self) -> pa.Table:
        """Return a long Arrow table; see `to_polars`."""
        return self.to_polars().to_arrow()


def _frozen[A: np.ndarray[Any, Any]](values: A) -> A:
    """Return a contiguous read-only array; kernels are compiled for exactly this kind."""
    contiguous = np.ascontiguousarray(values).view()
    contiguous.flags.writeable = False
    return contiguous  # type: ignore[return-value]


def _day(value: Day) -> np.datetime64:
    try:
        return np.datetime64(value, "D")
    except ValueError as error:
        message = f"expected a date like 2024-01-31; found {value!r}"
        raise ParameterError(message) from error


def _checked_symbols(symbols: Sequence[str]) -> tuple[str, ...]:
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


def _checked_dates(dates: ArrayLike) -> Dates:
    try:
        days = np.asarray(dates).astype("datetime64[D]")
    except (ValueError, TypeError) as error:
        message = f"expected dates like 2024-01-31; found {np.asarray(dates)[:3]!r}"
        raise DataError(message) from error
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


def _panel(name: str, values: ArrayLike, shape: tuple[int, int]) -> Panel:
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


def _check_prices(symbols: tuple[str, ...], dates: Dates, panels: Mapping[str, Panel]) -> None:
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
            message = (
                f"{symbols[row]} on {dates[column]} has {problem} ({found}); {int(where.sum())} such bars in all. "
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


def _check_unique(place: NDArray[np.intp], names: NDArray[Any], dates: Dates) -> None:
    order = np.sort(place, kind="stable")
    twice = order[1:][order[1:] == order[:-1]]
    if len(twice):
        symbol, day = names[twice[0] // len(dates)], dates[twice[0] % len(dates)]
        message = (
            f"expected one row per symbol and date; {symbol} has several for {day}, {len(twice)} rows too many in all"
        )
        raise DataError(message)


def _frame_days(frame: pl.DataFrame) -> Dates:
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


def _session_days(values: Any) -> Dates:
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
