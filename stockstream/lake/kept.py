"""What a lake does over time: tidy its files, and tell what it says differently now."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from stockstream.lake.arguments import Day, day_range, wanted_symbols
from stockstream.lake.listings import read_listings
from stockstream.lake.soundness import forgiving

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from stockstream.lake.as_of import Instant
    from stockstream.lake.compact import Compacted
    from stockstream.lake.contents import Contents
    from stockstream.lake.location import Location


class Kept:
    """The part of `stockstream.lake.Lake` that keeps a lake over the years."""

    _location: Location
    _contents: Contents

    def changes(
        self,
        since: Instant,
        until: Instant | None = None,
        *,
        symbols: str | Sequence[str] | None = None,
        start: Day | None = None,
        end: Day | None = None,
    ) -> pl.DataFrame:
        """Return the bars that the lake told differently at two instants.

        Parameters
        ----------
        since, until
            The instants, as `as_of` elsewhere; `until` None is now.
        symbols, start, end
            As in `bars`.

        Returns
        -------
        polars.DataFrame
            symbol, date, change (``new``, ``changed``, ``gone``), old_close, new_close and so on for every price,
            old_fetch_timestamp and fetch_timestamp of the two versions; sorted by symbol and date.
        """
        from stockstream.lake.revisions import compare

        wanted = None if symbols is None else wanted_symbols(symbols)
        files = self._contents.files()
        older = self._contents.reading(since, provisional=False, files=files)
        newer = self._contents.reading(until, provisional=False, files=files)
        days, listings = day_range(start, end), read_listings(self._location)
        return compare(self._contents, files, (older, newer), symbols=wanted, days=days, listings=listings)

    def affected(self, result: object) -> pl.DataFrame:
        """Return the bars under a result that the lake tells differently now; none: it would come out the same.

        Parameters
        ----------
        result
            Bars of this lake, the result of a backtest on them, or a mapping with ``through`` or ``as_of``,
            ``symbols``, ``start`` and ``end``.

        Returns
        -------
        polars.DataFrame
            As of `changes`.
        """
        from stockstream.lake.revisions import slice_of

        since, symbols, start, end = slice_of(result)
        return self.changes(since, symbols=symbols, start=start, end=end)

    @forgiving
    def compact(self, *, expire: bool = False, grace: timedelta = timedelta(days=1), keep: int = 20) -> Compacted:
        """Turn many small batches into few large sorted files; no answer of any reading changes.

        Safe beside readers and writers. Only one compaction at a time succeeds; a killed one leaves the lake as it was.
        Where a file of the last compaction is damaged, it is made anew from the batches, if all of them are there.

        Parameters
        ----------
        expire
            Also delete batches whose rows were verified in compacted files at least `grace` ago. `merge_daily_batches`
            no longer knows their sessions then.
        grace
            How long replaced files and expired batches stay for those who began to read before.
        keep
            How many of the last sessions keep their batches, with which the daily run compares what it fetches.

        Raises
        ------
        LakeError
            There is nothing to compact, the new files fail their verification, another compaction was faster, or a
            file of the last one is damaged and batches that it was made of are gone.
        """
        from stockstream.lake.compact import compact

        return compact(self._contents, expire=expire, grace=grace, keep=keep)
