"""The built-in step of the pipeline: the lake's quality checks over the rows that a batch is about to store.

Each answer holds weeks of its symbol, so that a price in another unit is seen as soon as prices are back; what only
several answers together tell is the business of `stockstream.ingest.stored_verdicts`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from stockstream.errors import DataError
from stockstream.ingest.sources import Checked, Finding
from stockstream.lake.quality.judge import DETECTORS, judge_rows
from stockstream.lake.rows import columns_of, connect, first_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from stockstream.lake.quality.detector import Finding as Judged

#: Rows judged at once, whole symbols each: all the histories of a batch together would not fit a small function.
ROWS_AT_ONCE: Final = 60_000

#: Reasons for which an answer is not stored at all: its days are not the symbol's.
REFUSED: Final = frozenset({"day_shift", "other_listing"})

#: Told by the border of the lake, which looks at each row by itself; by the run, which knows what it asked for; by
#: several answers only; or true and of no interest to a manifest.
LEFT_OUT: Final = frozenset(
    {
        *("missing_price", "price_not_positive", "adjusted_close_not_positive", "high_below_low", "bad_volume"),
        *("duplicate_row", "source_gap", "missing_session", "provisional"),
        *("unit_error_repaired", "rescaled", "flipped", "two_series", "filled_later"),
        *("no_trade", "range_rounded"),
    }
)

CHECKS: Final = tuple(code for code in DETECTORS if code not in LEFT_OUT)

_TABLES: Final = """
CREATE TABLE answered AS
SELECT symbol, date::DATE AS date, nullif(open, 'nan') AS open, nullif(high, 'nan') AS high, nullif(low, 'nan') AS low,
    nullif(close, 'nan') AS close, try_cast(nullif(volume, 'nan') AS BIGINT) AS volume,
    nullif(adjusted_close, 'nan') AS adjusted_close, fetch_timestamp, nullif(dividend, 'nan') AS dividend,
    nullif(split, 'nan') AS split
FROM given;
CREATE VIEW rows AS SELECT * EXCLUDE (dividend, split) FROM answered WHERE close IS NOT NULL;
CREATE VIEW paid AS SELECT symbol, date AS ex_date, dividend FROM answered WHERE dividend > 0;
CREATE VIEW divided AS SELECT symbol, date AS ex_date, split FROM answered WHERE split > 0 AND split <> 1;
"""


class QualityChecks:
    """The pipeline step `quality`: refuses days that are not the symbol's, hides prices that are certainly wrong.

    Parameters
    ----------
    exchange
        Code of the exchange whose sessions and price steps count.
    """

    def __init__(self, *, exchange: str = "XASX") -> None:
        self._exchange = exchange

    def __repr__(self) -> str:
        return f"{type(self).__name__}(exchange={self._exchange!r})"

    def __call__(self, rows: Mapping[str, NDArray[Any]]) -> Checked:
        """Return the rows as they are, with what was found.

        Raises
        ------
        DataError
            A column is missing or of the wrong type.
        """
        count = len(rows["symbol"])
        texts = {name: np.full(count, "", dtype=object) for name in ("refused", "hidden", "explanations")}
        findings: list[Finding] = []
        for part in _parts(rows["symbol"]):
            some = {name: column[part] for name, column in rows.items()}
            for judged in self._judge(some):
                kind = "refused" if judged.reason in REFUSED else "hidden" if judged.hides else ""
                if kind:
                    about = part[_is_about(judged, some)]
                    texts[kind][about], texts["explanations"][about] = judged.reason, judged.explanation
                elif judged.severity != "info" or judged.reason == "large_jump":
                    findings.append(as_finding(judged))
        return Checked(
            rows=rows,
            reasons=texts["refused"],
            hidden=np.where(texts["refused"] == "", texts["hidden"], ""),
            explanations=texts["explanations"],
            findings=tuple(findings),
        )

    def _judge(self, rows: Mapping[str, NDArray[Any]]) -> tuple[Judged, ...]:
        import duckdb

        connection = connect()
        try:
            connection.register("given", columns_of(rows))
            connection.execute(_TABLES)
            return judge_rows(
                connection, dividends="paid", splits="divided", exchange=self._exchange, only=CHECKS
            ).findings
        except duckdb.Error as error:
            message = f"cannot check the rows of a batch: {first_line(error)}. Nothing was stored."
            raise DataError(message) from error
        finally:
            connection.close()


def as_finding(judged: Judged) -> Finding:
    """Return a finding of the checks as a manifest holds it."""
    return Finding(
        symbol=judged.symbol,
        kind=judged.reason,
        days=judged.rows,
        first_day=judged.date,
        message=judged.explanation,
    )


def _parts(symbols: NDArray[Any]) -> Iterator[NDArray[np.intp]]:
    """Give the places of so many rows at a time, those of one symbol together."""
    _, which, counts = np.unique(symbols.astype(str), return_inverse=True, return_counts=True)
    part = np.cumsum(counts) // ROWS_AT_ONCE
    for number in np.unique(part):
        yield np.flatnonzero(part[which] == number)


def _is_about(judged: Judged, rows: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_]:
    """Return which rows a finding is about: those between its days that have prices; events of other days stay.

    An answer that is refused is refused as a whole, events too: the weeks at its ends may hold too few days to tell.
    """
    same: NDArray[np.bool_] = rows["symbol"] == judged.symbol
    if judged.reason in REFUSED:
        return same
    days = rows["date"].astype("datetime64[D]")
    between = (days >= np.datetime64(judged.date)) & (days <= np.datetime64(judged.last_date))
    return same & between & ~np.isnan(rows["close"])
