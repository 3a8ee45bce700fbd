"""What a lake does about the quality of its rows: check them, decide on them, correct them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stockstream.lake.arguments import Day, day_range, wanted_symbols

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from datetime import datetime

    import polars as pl

    from stockstream.lake.as_of import Instant
    from stockstream.lake.contents import Contents
    from stockstream.lake.location import Location
    from stockstream.lake.quality.result import Quality
    from stockstream.lake.quality.verdicts import Verdicts
    from stockstream.lake.rows import Rows
    from stockstream.lake.write import Written


class Checked:
    """The part of `stockstream.lake.Lake` that judges its own rows."""

    _location: Location
    _contents: Contents

    def quality(
        self,
        symbols: str | Sequence[str] | None = None,
        start: Day | None = None,
        end: Day | None = None,
        as_of: Instant | None = None,
        *,
        second_source: str | os.PathLike[str] | Rows | None = None,
        only: Sequence[str] | None = None,
    ) -> Quality:
        """Check the rows that readers see, and say what is wrong with which; nothing is changed.

        Parameters
        ----------
        symbols, start, end
            As in `bars`. Findings about the days between are answered; days around are read with them.
        second_source
            Prices as traded from elsewhere, with symbol, date and close: a table, a CSV or a Parquet file. It tells
            hidden factors, ignored splits, and days on which one of the two is wrong.
        only
            Codes of the checks to run; None: all of `stockstream.lake.quality.judge.DETECTORS`.
        """
        from stockstream.lake.quality.of_lake import judge_lake

        wanted = None if symbols is None else wanted_symbols(symbols)
        files = self._contents.files()
        reading = self._contents.reading(as_of, provisional=True, files=files)
        if wanted is not None:
            self._contents.check_found(wanted, set(self._contents.symbols(files, reading)), files, reading)
        source, days = (self._location, files, reading), day_range(start, end)
        with self._contents.connection() as connection:
            return judge_lake(connection, source, symbols=wanted, days=days, second_source=second_source, only=only)

    def quarantine(
        self, findings: Quality | pl.DataFrame, *, hides: bool = True, decided_at: datetime | None = None
    ) -> Verdicts:
        """Write verdicts: from their time on, readers do not see the versions of rows that some findings are about.

        Parameters
        ----------
        findings
            What `quality` answered, or some of its findings; those that do not hide are passed over. Or rows with
            symbol and date, optionally last_date, fetch_timestamp, reason, explanation, such as those of ``verdicts``.
        hides
            False withdraws the verdicts on these versions instead.
        decided_at
            The time of the decision, with a time zone; by default now.
        """
        from stockstream.lake.quality.of_lake import decide

        with self._contents.connection() as connection:
            return decide(
                connection, (self._location, self._contents.files()), findings, hides=hides, decided_at=decided_at
            )

    def correct(self, rows: Rows, *, by: str, why: str) -> Written:
        """Store a correction: an answer of its own, fetched now, and a record in ``verdicts`` of who and why.

        It counts until the source answers again; what it replaces stays where it was, for readers as of before.
        """
        from stockstream.lake.quality.of_lake import correct

        return correct(self._location, rows, by=by, why=why)[0]
