"""Bars: the validated panel of prices that every kernel reads.

The border of the library. Frames and arrays of any origin come in here, are checked once, and leave as C-contiguous
float64 rows, one per symbol, on one shared calendar. Kernels trust what they get from here.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from stockstream.errors import DataError, ParameterError, UnknownNameError, counted, did_you_mean
from stockstream.panels import (
    Dates,
    Day,
    Panel,
    check_prices,
    check_unique,
    checked_dates,
    checked_panel,
    checked_symbols,
    day_of,
    frame_days,
    frozen,
    session_days,
)
from stockstream.schema import OHLCV, REQUIRED_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pandas as pd
    import polars as pl
    import pyarrow as pa
    from numpy.typing import ArrayLike, NDArray

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
        more = f"<small>and {counted(left, 'more symbol')}</small>" if left else ""
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
        first = 0 if start is None else int(np.searchsorted(self.dates, day_of(start), side="left"))
        last = len(self.dates) if end is None else int(np.searchsorted(self.dates, day_of(end), side="right"))
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
            name: None if panel is None else frozen(cut(panel)) for name, panel in panels.items()
        }
        return replace(self, symbols=symbols, dates=frozen(dates), **cut_panels)

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
        names = checked_symbols(symbols)
        days = checked_dates(dates)
        given: dict[str, Any] = {"open": open, "high": high, "low": low, "close": close, "volume": volume, **extras}
        shape = (len(names), len(days))
        panels = {name: checked_panel(name, values, shape) for name, values in given.items() if values is not None}
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
        names, days = checked_symbols(symbols), checked_dates(dates)
        return cls._checked(names, days, panels, currency=currency, provenance=provenance)

    @classmethod
    def _checked(cls, names: tuple[str, ...], days: Dates, panels: Mapping[str, Panel], **facts: Any) -> Self:
        check_prices(names, days, panels)
        for name in EXTRAS:
            panel = panels.get(name)
            if panel is None:
                continue
            wrong = np.isinf(panel) | (panel < 0 if name == "dividend" else panel <= 0)
            if wrong.any():
                message = f"expected finite {name} values above 0 (NaN where there is none); found {panel[wrong][0]}"
                raise DataError(message)
        kept: dict[str, Any] = {name: frozen(panel) for name, panel in panels.items()}
        facts |= {name: dict(facts.get(name) or {}) for name in ("delisted", "provenance")}
        for day in facts["delisted"].values():
            day_of(day)
        return cls(symbols=names, dates=frozen(days), **facts, **kept)

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
        days = frame_days(frame)
        symbols = frame.get_column("symbol").cast(pl.String)
        if symbols.null_count():
            message = f"expected a symbol in every row; {symbols.null_count():,} of {frame.height:,} have none"
            raise DataError(message)
        names, row = np.unique(symbols.to_numpy(), return_inverse=True)
        dates, column = np.unique(days, return_inverse=True)
        place = row * len(dates) + column
        check_unique(place, names, dates)
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
        import pandas as pd
        import polars as pl

        frame = frame.rename(columns=lambda name: str(name).strip().lower().replace(" ", "_"))
        twice = frame.columns[frame.columns.duplicated()]
        if len(twice):
            message = f"expected each column once, upper and lower case being the same; {twice[0]!r} is there twice"
            raise DataError(message)
        if "symbol" not in frame.columns:
            if symbol is None:
                message = "expected a 'symbol' column, or symbol=\"…\" for the frame of one symbol; found neither"
                raise DataError(message)
            frame = frame.assign(symbol=symbol)
        if "date" not in frame.columns:
            frame = frame.assign(date=session_days(frame.index))
        wanted = [name for name in (*REQUIRED_COLUMNS, *EXTRAS) if name in frame.columns]
        columns: dict[str, Any] = {name: frame[name].to_numpy() for name in wanted if name not in ("date", "symbol")}
        columns["symbol"] = [None if pd.isna(name) else str(name) for name in frame["symbol"]]
        return cls.from_polars(pl.DataFrame({"date": session_days(frame["date"]), **columns}), currency=currency)

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
