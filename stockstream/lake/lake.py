"""The lake: rows of prices in immutable files, and every way to read them."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

from stockstream.errors import LakeError, ParameterError, UnknownNameError, did_you_mean
from stockstream.lake.adjust import Adjustment, adjusted_bars, check_adjustment
from stockstream.lake.basis import check_one_scale
from stockstream.lake.listings import LISTINGS, Listings, read_listings
from stockstream.lake.location import RAW_DATA, RAW_EVENTS, Location, bucket_location, locate
from stockstream.lake.query import Files, bind, read_parquet, run
from stockstream.lake.rows import connect, first_line
from stockstream.lake.write import Written, import_file, write_rows

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping, Sequence

    import duckdb
    import polars as pl

    from stockstream.bars import Bars
    from stockstream.lake.bucket_access import BucketOptions
    from stockstream.lake.rows import Rows

type Day = date | str
type Range = tuple[date | None, date | None]

#: How many symbols a message names.
_SAMPLE: Final = 8


class Lake:
    """A lake of daily prices in a folder or in a bucket.

    Writing adds files and never changes one. Reading is a pure function of the files: of all rows of a symbol and a
    date the latest version (by ``fetch_timestamp``) counts, however often and in whatever order they were written.

    Parameters
    ----------
    path
        The lake's folder, or ``s3://bucket/prefix``. None takes the setting ``STOCKSTREAM_LAKE``, else
        ``S3_BUCKET_NAME``, else ``data/lake``; see `stockstream.settings`.
    options
        How to reach a bucket; by default as the settings say.

    Examples
    --------
    >>> import tempfile
    >>> lake = Lake(tempfile.mkdtemp())
    >>> rows = {"symbol": ["BHP", "BHP"], "date": ["2024-01-02", "2024-01-03"], "open": [50.0, 50.4],
    ...         "high": [50.9, 50.6], "low": [49.8, 50.0], "close": [50.5, 50.2], "volume": [7_000_000, 5_000_000]}
    >>> lake.write_rows(rows).file
    'raw-data/2024-01-03-batch-1.parquet'
    >>> lake.bars("BHP").close
    array([[50.5, 50.2]])
    >>> lake.sql("SELECT max(close) FROM prices WHERE symbol = $symbol", {"symbol": "BHP"}).fetchone()
    (50.5,)
    """

    def __init__(self, path: str | os.PathLike[str] | None = None, options: BucketOptions | None = None) -> None:
        self._location = locate(path, options)

    @property
    def location(self) -> Location:
        """Where the lake lives."""
        return self._location

    def __repr__(self) -> str:
        return f"Lake({str(self._location)!r})"

    @classmethod
    def in_bucket(cls, bucket: str | None = None, prefix: str = "", options: BucketOptions | None = None) -> Lake:
        """Open the lake under a prefix of a bucket; a `bucket` with a slash in it is a folder."""
        lake = cls.__new__(cls)
        lake._location = bucket_location(bucket, prefix, options)
        return lake

    def write_rows(self, rows: Rows, *, session: Day | None = None, fetched_at: datetime | None = None) -> Written:
        """Store rows as a new immutable file, all of them or none.

        Parameters
        ----------
        rows
            A Polars, pandas or Arrow table, or a mapping of columns, with ``symbol, date, open, high, low, close,
            volume`` and optionally ``adjusted_close`` (missing: the close), ``fetch_timestamp``, ``dividend`` (cash
            per share on the ex-date) and ``split`` (new / old shares).
        session
            The session that names the file; by default the last date of the rows.
        fetched_at
            When the rows without a fetch_timestamp were fetched, with a time zone; by default now.

        Raises
        ------
        DataError
            A column is missing or of the wrong type; a price is missing, NaN, infinite or not positive; high is below
            low; a volume is negative or fractional; a symbol and date occur twice. Nothing is written.
        LakeError
            The folder cannot be written.
        """
        return write_rows(self._location, rows, session=session, fetched_at=fetched_at)

    def import_file(
        self,
        path: str | os.PathLike[str],
        *,
        session: Day | None = None,
        fetched_at: datetime | None = None,
        quarantine: bool = False,
    ) -> Written:
        """Store the rows of a CSV (``.csv``, ``.csv.gz``) or Parquet file with the columns of `write_rows`.

        Symbols stay texts, whatever they look like (INF, NAN, 360, TRUE). Rows without any price are days without a
        bar: counted, not stored; their dividends and splits are. Columns a lake does not hold are named in the answer.
        Importing a file again changes no answer.

        Parameters
        ----------
        path
            The file.
        session, fetched_at
            As in `write_rows`.
        quarantine
            Set bad rows aside under ``quarantine/`` with a reason code, and store the good ones. By default one bad
            row refuses the file.

        Raises
        ------
        DataError
            The file is missing, of another kind, or holds rows that `write_rows` would refuse. Nothing is written.
        """
        return import_file(self._location, path, session=session, fetched_at=fetched_at, quarantine=quarantine)

    def scan(self) -> pl.LazyFrame:
        """Return the latest version of every row as a lazy Polars frame, sorted by symbol and date.

        Filters on ``symbol`` and ``date`` are pushed down into the files.
        """
        from stockstream.lake.scan import latest

        return latest(self._files().prices, self._location.storage_options())

    def load_all_data(self) -> pl.DataFrame:
        """Return the latest version of every row, sorted by symbol and date."""
        return self._collect(self.scan())

    def load_date_range(self, start_date: Day, end_date: Day) -> pl.DataFrame:
        """Return the rows from one date to another, both included, sorted by symbol and date.

        Raises
        ------
        ParameterError
            A date is not like 2024-01-31, or start_date is after end_date.
        LakeError
            The lake has no rows in the range.
        """
        import polars as pl

        start, end = _range(start_date, end_date)
        frame = self._collect(self.scan().filter(pl.col("date").is_between(start, end)))
        if frame.height == 0:
            raise LakeError(self._empty_range(start, end))
        return frame

    def load_symbols(self, symbols: Sequence[str]) -> pl.DataFrame:
        """Return all rows of some symbols, sorted by symbol and date.

        Raises
        ------
        UnknownNameError
            The lake has no rows of one of them; the message names the closest symbol.
        """
        import polars as pl

        wanted = _wanted(symbols)
        frame = self._collect(self.scan().filter(pl.col("symbol").is_in(wanted)))
        self._check_found(wanted, set(frame.get_column("symbol").unique()))
        return frame

    def merge_daily_batches(self, date: Day) -> pl.DataFrame:
        """Return the latest version of each row among the batch files of one session, sorted by symbol and date.

        Raises
        ------
        LakeError
            The lake has no batches of that session.
        """
        from stockstream.lake.scan import latest

        session = _day(date)
        files = self._location.batches(RAW_DATA, session)
        if not files:
            self._files()
            message = f"the lake at {self._location} has no batches of session {session}"
            raise LakeError(message)
        return self._collect(latest(files, self._location.storage_options()))

    def symbols(self) -> tuple[str, ...]:
        """Return every symbol of which the lake has a row, sorted."""
        with self._reading() as connection:
            relation = read_parquet(connection, self._files().prices)
            return tuple(row[0] for row in relation.select("symbol").distinct().order("symbol").fetchall())

    def listings(self) -> pl.DataFrame:
        """Return ``symbols/listings.csv``, one row per company and code; without the file there are no rows.

        ``bars_symbol`` is what `bars` calls the listing, ``delisted`` its last day when it is known to have ended.

        Raises
        ------
        LakeError
            A line of the file cannot be read, or contradicts another.
        """
        return read_listings(self._location).frame()

    def sql(self, query: str, params: Sequence[Any] | Mapping[str, Any] | None = None) -> duckdb.DuckDBPyRelation:
        """Answer one SELECT over the lake.

        Views: ``prices`` (latest version of each row), ``prices_adjusted`` (for splits and dividends), ``raw_prices``
        (all versions), ``symbols`` (symbol, first_date, last_date, bars), ``dividends`` and ``splits`` (symbol,
        ex_date, value). Adjusted prices are NULL where the factor cannot be known; `bars` raises there.

        The query can read nothing but this lake and write nothing.

        Parameters
        ----------
        query
            One SELECT in DuckDB's dialect (also FROM, WITH, DESCRIBE, SUMMARIZE, SHOW TABLES).
        params
            Values of the placeholders: a sequence for ``?``, a mapping for ``$name``. Never write values into the text.

        Returns
        -------
        duckdb.DuckDBPyRelation
            With ``.pl()``, ``.df()``, ``.arrow()``, ``.fetchall()``.

        Raises
        ------
        LakeError
            The query fails, or is not one SELECT.
        """
        return run(self._files(), query, params, prepare=self._location.prepare)

    def bars(
        self,
        symbols: str | Sequence[str] | None = None,
        start: Day | None = None,
        end: Day | None = None,
        *,
        adjust: Adjustment = "total",
        currency: str = "",
    ) -> Bars:
        """Read bars, adjusted for what happened to the shares.

        With ``symbols/listings.csv`` in the lake, ``bars.delisted`` holds what had ended by `end`, and a reused code is
        split: the code is its latest company, an earlier one has its listing_id for a name (see `listings`).

        Parameters
        ----------
        symbols
            One symbol or several, in the order of the result; None takes all, sorted.
        start, end
            First and last date, both included; None is open.
        adjust
            ``"total"``: for splits and dividends, so that the price path is that of the holder's wealth. ``"splits"``:
            for splits only; dividends are in ``bars.dividend``. ``"none"``: recorded splits undone (approximately as
            traded), with ``bars.dividend`` and ``bars.split``. Prices of a date range are those of the whole history:
            later events count even when they lie after `end`.
        currency
            Code of the prices' currency.

        Returns
        -------
        Bars
            With ``price_factor`` and ``volume_factor``; the provenance says what the adjustment rests on.

        Raises
        ------
        UnknownNameError
            The lake has no rows of a symbol.
        LakeError
            The lake is missing, the range is empty, the rows of a symbol come from fetches on different scales, the
            adjustment cannot be known, or the listings are malformed.
        DataError
            A dividend is not below the close before it.
        """
        check_adjustment(adjust)
        wanted = None if symbols is None else _wanted(symbols)
        first, last = _range(start, end)
        files, listings = self._files(), read_listings(self._location)
        known = {"listings": LISTINGS} if listings else {}
        provenance = {"lake": str(self._location), "files": len(files.all), **known}
        until = None if files.events else last
        with self._reading() as connection:
            # Prices after the end are read only where the closes before later ex-dates are needed.
            bind(connection, files, symbols=wanted, start=first, end=until, stored=True, listings=listings)
            self._check_range(connection, wanted, (first, last), listings)
            check_one_scale(connection)
            bars = adjusted_bars(connection, end=last, adjust=adjust, currency=currency, provenance=provenance)
        bars = replace(bars, delisted=listings.delisted(bars.symbols, last))
        return bars if wanted is None else bars.select(wanted)

    def _check_range(
        self, connection: duckdb.DuckDBPyConnection, wanted: Sequence[str] | None, days: Range, listings: Listings
    ) -> None:
        query = "SELECT DISTINCT symbol FROM prices WHERE date <= coalesce($until, DATE '9999-12-31')"
        found = {row[0] for row in connection.execute(query, {"until": days[1]}).fetchall()}
        missing = [] if wanted is None else [name for name in wanted if name not in found]
        if missing:
            self._check_found([name for name in missing if not listings.is_earlier(name)], set(self.symbols()))
            raise LakeError(f"{', '.join(missing)}: " + self._empty_range(*days))
        if not found:
            raise LakeError(self._empty_range(*days))

    def _check_found(self, wanted: Sequence[str], found: set[str]) -> None:
        missing = [name for name in wanted if name not in found]
        if missing:
            held = self.symbols()
            sample = ", ".join(held[:_SAMPLE]) + (f", … ({len(held)} in all)" if len(held) > _SAMPLE else "")
            message = (
                f"the lake at {self._location} has no symbol {missing[0]!r}; it holds {sample}."
                f"{did_you_mean(missing[0], held)}"
            )
            raise UnknownNameError(message)

    def _empty_range(self, start: date | None, end: date | None) -> str:
        with self._reading() as connection:
            relation = read_parquet(connection, self._files().prices)
            first, last = relation.aggregate("min(date), max(date)").fetchone() or (None, None)
        return (
            f"no prices between {start or 'the beginning'} and {end or 'the end'}; "
            f"the lake at {self._location} runs from {first} to {last}"
        )

    @contextmanager
    def _reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        import duckdb

        connection = connect()
        try:
            self._location.prepare(connection)
            yield connection
        except duckdb.Error as error:
            message = f"cannot read the lake at {self._location}: {first_line(error)}"
            raise LakeError(message) from error
        finally:
            connection.close()

    def _collect(self, frame: pl.LazyFrame) -> pl.DataFrame:
        import polars as pl

        try:
            return frame.collect()
        except (pl.exceptions.PolarsError, OSError) as error:
            message = f"cannot read the lake at {self._location}: {first_line(error)}"
            raise LakeError(message) from error

    def _files(self) -> Files:
        prices = self._location.batches(RAW_DATA)
        if not prices:
            message = (
                f"there is no lake at {self._location}: no price files in it. "
                "Type `stockstream import FILE` to fill it (CSV or Parquet), or `stockstream demo` to see one."
            )
            raise LakeError(message)
        return Files(prices=prices, events=self._location.batches(RAW_EVENTS))


def _wanted(symbols: str | Sequence[str]) -> list[str]:
    names = [symbols] if isinstance(symbols, str) else list(symbols)
    if not names or len(set(names)) != len(names) or not all(isinstance(name, str) for name in names):
        message = f"expected at least one symbol, each once; found {names!r}"
        raise ParameterError(message)
    return names


def _day(value: Day) -> date:
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value))
    except ValueError as error:
        message = f"expected a date like 2024-01-31; found {value!r}"
        raise ParameterError(message) from error


def _range(start: Day | None, end: Day | None) -> Range:
    first, last = (None if day is None else _day(day) for day in (start, end))
    if first is not None and last is not None and first > last:
        message = f"expected start on or before end; found {first} after {last}. Swap the two dates."
        raise ParameterError(message)
    return first, last
