"""What a lake holds at the moment it is read: its files, a connection to them, and words for what is missing."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NoReturn

from stockstream.errors import LakeError, UnknownNameError, did_you_mean
from stockstream.lake.as_of import Instant, Reading, instant
from stockstream.lake.curated import Curated, key, not_covered, read_manifest
from stockstream.lake.location import QUARANTINE, RAW_DATA, RAW_EVENTS, Location
from stockstream.lake.parts import check_content, sound_parts, stored_parts
from stockstream.lake.query import EVENT_TYPES, Files, bind
from stockstream.lake.rows import connect, first_line
from stockstream.lake.soundness import Problem, Soundness
from stockstream.lake.sources import read_parquet
from stockstream.lake.versions import VERDICT_TYPES
from stockstream.schema import ROW_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import date

    import duckdb
    import polars as pl

    from stockstream.lake.listings import Listings
    from stockstream.lake.location import Stored

#: What a file of verdicts must say; the others are words for people.
_DECIDING: Final = {name: kind for name, kind in VERDICT_TYPES.items() if name not in {"severity", "explanation"}}

#: How many symbols a message names.
_SAMPLE: Final = 8


class Contents:
    """The files of a lake, seen through one exchange's clock.

    Parameters
    ----------
    location
        Where the lake lives.
    exchange
        Code of its exchange.
    strict
        Refuse an answer from which a bad file would be missing.
    """

    def __init__(self, location: Location, exchange: str, *, strict: bool = False) -> None:
        self.location = location
        self.exchange = exchange
        self.soundness = Soundness(location, strict=strict)

    def listed(self) -> dict[str, list[Stored]]:
        """Return the batch files by folder."""
        return {folder: self.location.batch_files(folder) for folder in (RAW_DATA, RAW_EVENTS, QUARANTINE)}

    def files(self, listed: Mapping[str, list[Stored]] | None = None) -> Files:
        """Return the files, listed now.

        The manifest is read after the batches are listed: a batch that a compaction deletes meanwhile is in its files.

        Raises
        ------
        LakeError
            There are none.
        """
        listed = listed or self.listed()
        found = read_manifest(self.location)
        parts = None if found is None else sound_parts(self.location, self.soundness, found[0], listed)
        manifest = None if found is None or parts is None else found[0]
        covered = {} if manifest is None else manifest["raw"]
        tail = {folder: not_covered(listed[folder], covered) for folder in (RAW_DATA, RAW_EVENTS)}
        prices = self.soundness.readable(tail[RAW_DATA], ROW_TYPES, exact=True)
        if not prices and manifest is None:
            self._refuse_empty()
        return Files(
            prices=prices,
            events=self.soundness.readable(tail[RAW_EVENTS], EVENT_TYPES, exact=True),
            verdicts=self._verdicts(listed[QUARANTINE]),
            curated=None if manifest is None or parts is None else self._curated(manifest, parts, listed, tail),
        )

    def _refuse_empty(self) -> NoReturn:
        if problems := self.problems():
            raise LakeError(self.soundness.refusal(problems))
        message = (
            f"there is no lake at {self.location}: no price files in it. "
            "Type `stockstream import FILE` to fill it (CSV or Parquet), or `stockstream demo` to see one."
        )
        raise LakeError(message)

    def _curated(
        self,
        manifest: dict[str, Any],
        parts: Mapping[str, Stored],
        listed: Mapping[str, list[Stored]],
        tail: Mapping[str, list[Stored]],
    ) -> Curated:
        paths = self.location.readable(list(parts.values()))
        judged = {file.name: key(file) for file in listed[QUARANTINE]}
        known = {name: stamp for name, (stamp, _) in manifest["verdicts"].items()}
        based = manifest["complete"] and manifest["exchange"] == self.exchange and known.items() <= judged.items()
        return Curated(
            parts=dict(zip(parts, paths, strict=True)),
            first=manifest["first"],
            through=manifest["through"],
            whole=based and not tail[RAW_DATA] and not tail[RAW_EVENTS] and judged == known,
            based=based,
        )

    def session_files(self, session: date) -> Files:
        """Return the sound files of prices of one session, and all verdicts.

        Raises
        ------
        LakeError
            There are no such files of prices.
        """
        batches = self.location.batch_files(RAW_DATA, session)
        prices = self.soundness.readable(batches, ROW_TYPES, exact=True)
        if not prices:
            files = self.files()
            message = f"the lake at {self.location} has no batches of session {session}"
            if bad := self.soundness.problems(batches):
                message += f" that can be read: {bad[0].file} {bad[0].reason}. Restore it or move it away."
            elif files.curated is not None:
                message += ". If a compaction expired them, load_all_data(as_of=…) still tells their rows."
            raise LakeError(message)
        return Files(prices=prices, verdicts=self._verdicts(self.location.batch_files(QUARANTINE)))

    def _verdicts(self, files: Sequence[Stored]) -> list[str]:
        return self.soundness.readable(files, _DECIDING)

    def find_undecodable(self) -> bool:
        """Read every file by itself, and return whether bad ones were found that will be left out from now on."""
        return self.soundness.find_undecodable(self._all_files())

    def parts_changed(self) -> bool:
        """Read the files of the last compaction whole, and return whether one is not as it was written."""
        manifest = read_manifest(self.location)
        if manifest is None:
            return False
        parts = stored_parts(self.location, self.soundness, manifest[0])
        return any(check_content(self.location, self.soundness, manifest[0], file) for file in parts.values())

    def problems(self) -> tuple[Problem, ...]:
        """Return the files that are known to be bad."""
        return self.soundness.problems(self._all_files())

    def _all_files(self) -> list[Stored]:
        return [*(file for found in self.listed().values() for file in found), *self._parts()]

    def _parts(self) -> list[Stored]:
        manifest = read_manifest(self.location)
        return [] if manifest is None else [*stored_parts(self.location, self.soundness, manifest[0]).values()]

    def reading(self, as_of: Instant | None, *, provisional: bool, files: Files, about: str = "") -> Reading:
        """Return what counts as of an instant; `about` says in a message what the files are about, if not about all.

        Raises
        ------
        ParameterError
            The instant cannot be understood.
        LakeError
            Nothing had been fetched by then.
        """
        until = None if as_of is None else instant(as_of, self.exchange)
        if until is not None:
            first = self._first_answer(files)
            if first is not None and first > until:
                message = (
                    f"as of {until} the lake at {self.location} knew nothing{about}: its first answer was fetched "
                    f"{first}. Ask for a later as_of."
                )
                raise LakeError(message)
        return Reading(exchange=self.exchange, until=until, provisional=provisional)

    def _first_answer(self, files: Files) -> str | None:
        known = [] if files.curated is None else [files.curated.first]
        if files.prices:
            with self.connection() as connection:
                found = read_parquet(connection, files.prices).aggregate("min(fetch_timestamp)").fetchone()
            known += [found[0]] if found else []
        return min(known, default=None)

    @contextmanager
    def connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Give a private connection; what DuckDB cannot read becomes a `LakeError`."""
        import duckdb

        connection = connect()
        try:
            self.location.prepare(connection)
            yield connection
        except duckdb.Error as error:
            message = f"cannot read the lake at {self.location}: {first_line(error)}"
            raise LakeError(message) from error
        finally:
            connection.close()

    def scan(self, files: Files, reading: Reading, symbols: Sequence[str] | None = None) -> pl.LazyFrame:
        """Return the rows that count, lazily, sorted by symbol and date."""
        import polars as pl

        from stockstream.lake.scan import latest, row_schema

        options = self.location.storage_options()
        shortcut = files.shortcut(reading)
        if shortcut is not None:
            path = shortcut.parts["latest"]
            return pl.scan_parquet(
                path,
                glob=False,
                schema=row_schema(),
                extra_columns="ignore",
                storage_options=options if "://" in path else None,
            )
        with self.connection() as connection:
            bind(connection, files, reading, symbols=symbols)
            if files.curated is not None:
                return connection.sql("FROM prices ORDER BY symbol, date").pl().lazy()
            excluded = connection.sql(
                "SELECT symbol, date, fetch_timestamp FROM derived.versions WHERE stored AND NOT counts"
            ).pl()
            gone = connection.sql("SELECT symbol, date FROM withdrawn WHERE tombstone IS NOT NULL").pl()
        return latest(files.prices, options, until=reading.until, excluded=excluded, gone=gone)

    def rows(self, files: Files, reading: Reading, symbols: Sequence[str] | None = None) -> pl.LazyFrame:
        """Return the rows of `scan`, of some symbols or all, for a caller who is about to collect them."""
        from stockstream.lake.merged import counting_rows

        if files.shortcut(reading) is None:
            found = counting_rows(self, files, reading, symbols)
            if found is not None:
                return found.lazy()
        return self.scan(files, reading, symbols)

    def collect(self, frame: pl.LazyFrame) -> pl.DataFrame:
        """Run a lazy frame over the files."""
        import polars as pl

        try:
            return frame.collect()
        except (pl.exceptions.PolarsError, OSError) as error:
            message = f"cannot read the lake at {self.location}: {first_line(error)}"
            raise LakeError(message) from error

    def holds_events(self, files: Files) -> bool:
        """Whether there are dividends or splits in the files, compacted or not."""
        if files.events or files.curated is None:
            return bool(files.events)
        with self.connection() as connection:
            return read_parquet(connection, [files.curated.parts["events"]]).limit(1).fetchone() is not None

    def symbols(self, files: Files, reading: Reading) -> tuple[str, ...]:
        """Return the symbols that have a row that counts, sorted."""
        with self.connection() as connection:
            bind(connection, files, reading)
            return tuple(row[0] for row in connection.sql("SELECT DISTINCT symbol FROM prices ORDER BY 1").fetchall())

    def check_found(self, wanted: Sequence[str], found: set[str], files: Files, reading: Reading) -> None:
        """Refuse symbols that were not found.

        Raises
        ------
        UnknownNameError
            Names the first of them and the closest symbol that the lake holds.
        """
        missing = [name for name in wanted if name not in found]
        if missing:
            held = self.symbols(files, reading)
            sample = ", ".join(held[:_SAMPLE]) + (f", … ({len(held)} in all)" if len(held) > _SAMPLE else "")
            message = (
                f"the lake at {self.location} has no symbol {missing[0]!r}; it holds {sample}."
                f"{did_you_mean(missing[0], held)}"
            )
            raise UnknownNameError(message)

    def empty_range(self, start: date | None, end: date | None, files: Files) -> str:
        """Say that there is nothing between two days, and between which there is."""
        with self.connection() as connection:
            paths = [*files.prices, *([files.curated.parts["latest"]] if files.curated else [])]
            relation = read_parquet(connection, paths, alike=False)
            first, last = relation.aggregate("min(date), max(date)").fetchone() or (None, None)
        return (
            f"no prices between {start or 'the beginning'} and {end or 'the end'}; "
            f"the lake at {self.location} runs from {first} to {last}"
        )

    def check_range(
        self,
        connection: duckdb.DuckDBPyConnection,
        wanted: Sequence[str] | None,
        days: tuple[date | None, date | None],
        listings: Listings,
        source: tuple[Files, Reading],
    ) -> None:
        """Refuse a range in which ``prices`` has no rows, or none of a wanted symbol.

        Raises
        ------
        UnknownNameError
            The lake has no such symbol at all.
        LakeError
            The range is empty.
        """
        query = "SELECT DISTINCT symbol FROM prices WHERE date <= coalesce($until, DATE '9999-12-31')"
        found = {row[0] for row in connection.execute(query, {"until": days[1]}).fetchall()}
        missing = [] if wanted is None else [name for name in wanted if name not in found]
        if missing:
            codes = [name for name in missing if not listings.is_earlier(name)]
            self.check_found(codes, set(self.symbols(*source)), *source)
            raise LakeError(f"{', '.join(missing)}: " + self.empty_range(*days, source[0]))
        if not found:
            raise LakeError(self.empty_range(*days, source[0]))
