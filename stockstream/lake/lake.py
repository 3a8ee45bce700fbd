"""The lake: rows of prices in immutable files, and every way to read them."""

from __future__ import annotations

from dataclasses import replace
from html import escape
from typing import TYPE_CHECKING, Any

from stockstream.errors import LakeError
from stockstream.lake.adjust import Adjustment, check_adjustment
from stockstream.lake.arguments import Day, day, day_range, wanted_symbols
from stockstream.lake.as_of import Instant, check_exchange
from stockstream.lake.bars_reading import read_bars
from stockstream.lake.contents import Contents
from stockstream.lake.kept import Kept
from stockstream.lake.listings import LISTINGS, read_listings
from stockstream.lake.location import Location, bucket_location, locate
from stockstream.lake.quality.checked import Checked
from stockstream.lake.query import Files, cost, run
from stockstream.lake.soundness import Problem, forgiving
from stockstream.lake.universe import listed
from stockstream.lake.write import Written, import_file, write_rows

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import duckdb
    import polars as pl

    from stockstream.bars import Bars
    from stockstream.lake.as_of import Reading
    from stockstream.lake.bucket_access import BucketOptions
    from stockstream.lake.explain import Explanation
    from stockstream.lake.rows import Rows


class Lake(Checked, Kept):
    """A lake of daily prices in a folder or in a bucket.

    Writing adds files and never changes one. Reading is a pure function of the files: of all rows of a symbol and a
    date the latest version (by ``fetch_timestamp``) counts, however often and in whatever order they were written.

    Every reading takes ``as_of`` (a date, which means its end in the exchange's zone, a moment with a time zone, or
    either as ISO text): answers and verdicts that came later do not exist, and an instant before the first answer is
    refused. Rows fetched before their session had settled (two hours after the close) are left out unless
    ``provisional=True``; so are versions that a verdict of the quality checks hides, and bars that the source has
    withdrawn: absent from five later answers that cover their date.

    Parameters
    ----------
    path
        The lake's folder, or ``s3://bucket/prefix``. None takes the setting ``STOCKSTREAM_LAKE``, else
        ``S3_BUCKET_NAME``, else ``data/lake``; see `stockstream.settings`.
    options
        How to reach a bucket; by default as the settings say.
    exchange
        Code of the exchange that the bars are of, for its time zone and close.
    strict
        Refuse an answer from which a file would be missing because it is corrupt or of another kind. By default such a
        file is left out with a `LakeWarning`; see `problems`.

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

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        options: BucketOptions | None = None,
        *,
        exchange: str = "XASX",
        strict: bool = False,
    ) -> None:
        self._location = locate(path, options)
        self._contents = Contents(self._location, check_exchange(exchange), strict=strict)

    @property
    def location(self) -> Location:
        """Where the lake lives."""
        return self._location

    def __repr__(self) -> str:
        return f"Lake({str(self._location)!r})"

    def _repr_html_(self) -> str:
        return f"<code>{escape(repr(self))}</code>"

    @classmethod
    def in_bucket(cls, bucket: str | None = None, prefix: str = "", options: BucketOptions | None = None) -> Lake:
        """Open the lake under a prefix of a bucket; a `bucket` with a slash in it is a folder."""
        lake = cls.__new__(cls)
        lake._location = bucket_location(bucket, prefix, options)
        lake._contents = Contents(lake._location, "XASX")
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

    def scan(self, *, as_of: Instant | None = None, provisional: bool = False) -> pl.LazyFrame:
        """Return the row that counts of every bar as a lazy Polars frame, sorted by symbol and date.

        Filters on ``symbol`` and ``date`` are pushed down into the files.
        """
        files, reading = self._source(as_of, provisional=provisional)
        return self._contents.scan(files, reading)

    @forgiving
    def load_all_data(self, *, as_of: Instant | None = None, provisional: bool = False) -> pl.DataFrame:
        """Return the row that counts of every bar, sorted by symbol and date."""
        files, reading = self._source(as_of, provisional=provisional)
        return self._contents.collect(self._contents.rows(files, reading))

    @forgiving
    def load_date_range(
        self, start_date: Day, end_date: Day, *, as_of: Instant | None = None, provisional: bool = False
    ) -> pl.DataFrame:
        """Return the rows from one date to another, both included, sorted by symbol and date.

        Raises
        ------
        ParameterError
            A date is not like 2024-01-31, or start_date is after end_date.
        LakeError
            The lake has no rows in the range.
        """
        import polars as pl

        start, end = day_range(start_date, end_date)
        files, reading = self._source(as_of, provisional=provisional)
        rows = self._contents.rows(files, reading).filter(pl.col("date").is_between(start, end))
        frame = self._contents.collect(rows)
        if frame.height == 0:
            raise LakeError(self._contents.empty_range(start, end, files))
        return frame

    @forgiving
    def load_symbols(
        self, symbols: Sequence[str], *, as_of: Instant | None = None, provisional: bool = False
    ) -> pl.DataFrame:
        """Return all rows of some symbols, sorted by symbol and date.

        Raises
        ------
        UnknownNameError
            The lake has no rows of one of them; the message names the closest symbol.
        """
        import polars as pl

        wanted = wanted_symbols(symbols)
        files, reading = self._source(as_of, provisional=provisional)
        rows = self._contents.rows(files, reading, wanted).filter(pl.col("symbol").is_in(wanted))
        frame = self._contents.collect(rows)
        held = frame.get_column("symbol")
        if held.n_unique() < len(wanted):
            self._contents.check_found(wanted, set(held.unique()), files, reading)
        return frame

    @forgiving
    def merge_daily_batches(
        self, date: Day, *, as_of: Instant | None = None, provisional: bool = False
    ) -> pl.DataFrame:
        """Return the row that counts of each bar in the batch files of one session, sorted by symbol and date.

        Answers of other sessions do not exist for it, older or newer: it is what that session's run said. What no
        reading returns is not returned here either: versions that a verdict hides, whichever session decided it, and
        rows whose own session had not settled. Of a bar whose latest version is hidden, the version before it in the
        same files counts; where all rows are hidden, the answer has none.

        Parameters
        ----------
        date
            The session that names the files.
        as_of, provisional
            As in every reading.

        Raises
        ------
        LakeError
            The lake has no batches of that session, or none any more: a compaction may have expired them.
        """
        session = day(date)
        own = self._contents.session_files(session)
        reading = self._contents.reading(as_of, provisional=provisional, files=own, about=f" of session {session}")
        return self._contents.collect(self._contents.scan(own, reading))

    @forgiving
    def symbols(self, *, as_of: Instant | None = None, provisional: bool = False) -> tuple[str, ...]:
        """Return every symbol of which the lake has a row that counts, sorted."""
        return self._contents.symbols(*self._source(as_of, provisional=provisional))

    def universe(self, as_of: Instant | None = None) -> tuple[str, ...]:
        """Return who was listed on a day, sorted: what a study of that day may choose from without hindsight.

        The names are those of `bars`: a code, or the listing_id of an earlier company under a code that was reused.
        The day is that of `as_of` at the exchange; None is the day of the last list. The answer comes from
        ``symbols/listings.csv`` and, without that file, from the last list of companies up to that day.

        Raises
        ------
        LakeError
            The lake has neither, or the day is before the first list.
        """
        return listed(self._location, as_of, self._contents.exchange)

    def listings(self) -> pl.DataFrame:
        """Return ``symbols/listings.csv``, one row per company and code; without the file there are no rows.

        ``bars_symbol`` is what `bars` calls the listing, ``delisted`` its last day when it is known to have ended.

        Raises
        ------
        LakeError
            A line of the file cannot be read, or contradicts another.
        """
        return read_listings(self._location).frame()

    @forgiving
    def sql(
        self,
        query: str,
        params: Sequence[Any] | Mapping[str, Any] | None = None,
        *,
        as_of: Instant | None = None,
        provisional: bool = False,
    ) -> duckdb.DuckDBPyRelation:
        """Answer one SELECT over the lake.

        Views: ``prices`` (the row that counts of each bar), ``prices_adjusted`` (for splits and dividends),
        ``raw_prices`` (all versions), ``symbols`` (symbol, first_date, last_date, bars), ``dividends`` and ``splits``
        (symbol, ex_date, value), ``withdrawn`` (bars absent from later answers that cover their date, and the instant
        of the tombstone that hides them), ``verdicts`` of the quality checks. Adjusted prices are NULL where the
        factor cannot be known; `bars` raises there.

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
        files, reading = self._source(as_of, provisional=provisional)
        return run(files, query, params, reading=reading, prepare=self._location.prepare)

    @forgiving
    def explain(
        self,
        query: str,
        params: Sequence[Any] | Mapping[str, Any] | None = None,
        *,
        as_of: Instant | None = None,
        provisional: bool = False,
    ) -> Explanation:
        """Say how many files, row groups and bytes of the lake a query must read, without running it; see `sql`."""
        files, reading = self._source(as_of, provisional=provisional)
        return cost(files, query, params, reading=reading, prepare=self._location.prepare)

    @forgiving
    def bars(
        self,
        symbols: str | Sequence[str] | None = None,
        start: Day | None = None,
        end: Day | None = None,
        *,
        adjust: Adjustment = "total",
        currency: str = "",
        as_of: Instant | None = None,
        provisional: bool = False,
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
        wanted = None if symbols is None else wanted_symbols(symbols)
        first, last = day_range(start, end)
        files, reading = self._source(as_of, provisional=provisional)
        listings = read_listings(self._location)
        provenance = {
            "lake": str(self._location),
            "files": len(files.all),
            **({"as_of": reading.until} if reading.until else {}),
            **({"listings": LISTINGS} if listings else {}),
        }
        bars = read_bars(
            self._contents, (files, reading), symbols=wanted, days=(first, last), adjust=adjust, listings=listings,
            currency=currency, provenance=provenance,
        )  # fmt: skip
        bars = replace(bars, delisted=listings.delisted(bars.symbols, last))
        return bars if wanted is None else bars.select(wanted)

    def problems(self) -> tuple[Problem, ...]:
        """Return the files that are left out of every answer, each with the reason; all files are read whole."""
        self._files()
        self._contents.find_undecodable()
        return self._contents.problems()

    def _files(self) -> Files:
        return self._contents.files()

    def _source(self, as_of: Instant | None, *, provisional: bool) -> tuple[Files, Reading]:
        files = self._files()
        return files, self._contents.reading(as_of, provisional=provisional, files=files)
