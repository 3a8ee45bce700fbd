"""Checks of recorded dividends and splits against the prices."""

from __future__ import annotations

from typing import Final

from stockstream.lake.quality.detector import Detector

#: How the source adjusted at each ex-date, beside what the dividend asks for; comparable only within one answer.
_STEPS: Final = """
steps AS (
    SELECT d.symbol, d.ex_date AS date, d.dividend, b.p_close AS before, d.dividend / b.p_close AS yield,
        1 - d.dividend / b.p_close AS asked,
        (b.p_adjusted_close / b.p_close) / (b.adjusted_close / b.close) AS found,
        b.fetch_timestamp = b.p_fetch_timestamp AND b.adjusted_close > 0 AND b.p_adjusted_close > 0 AS comparable,
        b.applied_adjustment
    FROM quality.dividends AS d
    JOIN (
        SELECT *, bool_or(abs(adjusted_close / close - 1) > 1e-6) OVER (PARTITION BY symbol) AS applied_adjustment
        FROM quality.bars
    ) AS b ON d.symbol = b.symbol AND d.applied = b.date
    WHERE b.p_close IS NOT NULL
)
"""

DETECTORS: Final = (
    Detector(
        code="split_twice",
        title="The same split twice",
        severity="error",
        meaning=(
            "Two splits of one ratio within 30 days: one of them is a copy, and the prices before are scaled twice."
        ),
        explanation="{symbol} has a split of {split:.6g} on {first} and the same again on {date}.",
        remedy="Find out which date is right and withdraw the other event.",
        sql="""
            SELECT symbol, ex_date AS date, split, earlier AS first FROM (
                SELECT *, lag(ex_date) OVER w AS earlier, lag(split) OVER w AS before
                FROM quality.splits WINDOW w AS (PARTITION BY symbol ORDER BY ex_date)
            ) WHERE abs(split / before - 1) < 1e-3 AND ex_date - earlier <= 30
        """,
    ),
    Detector(
        code="bad_split",
        title="A split ratio that cannot be",
        severity="error",
        meaning="A ratio is a positive number: new shares for one old share.",
        explanation="{symbol} has a split of {split:g} on {date}.",
        remedy="Withdraw the event.",
        sql="SELECT symbol, ex_date AS date, split FROM quality.splits WHERE split <= 0 OR NOT isfinite(split)",
    ),
    Detector(
        code="split_ignored",
        title="A recorded split that the prices ignore",
        severity="error",
        needs=("ticks",),
        meaning=(
            "Stored prices are on the basis of all recorded splits; multiplied by the ratio they are those of the "
            "day, whole steps of the price. Here they are whole steps as stored (most of them) and not when "
            "multiplied: the source recorded a split and did not apply it, or it never happened."
        ),
        explanation=(
            "{symbol} has a split of {split:.6g} on {date}, but of the {bars} traded closes before it {stored:.0%} "
            "are whole steps as they stand and {multiplied:.0%} when the split is undone: the prices ignore it."
        ),
        remedy="Withdraw the event if it did not happen; else fetch the whole history again.",
        sql="""
            SELECT s.symbol, s.ex_date AS date, s.split, count(*) AS bars, avg(t.stored_on_step::INTEGER) AS stored,
                avg(t.traded_on_step::INTEGER) AS multiplied
            FROM quality.splits AS s JOIN quality.ticks AS t ON s.symbol = t.symbol AND t.date < s.ex_date
                AND t.date >= s.ex_date - 120
            WHERE s.split > 0
            GROUP BY s.symbol, s.ex_date, s.split
            HAVING count(DISTINCT t.close) >= 3 AND multiplied < 0.2 AND stored > multiplied + 0.5
        """,
    ),
    Detector(
        code="dividend_not_below_price",
        title="A dividend not below the price",
        severity="error",
        meaning="A dividend comes out of the price: it cannot be as large. Usually cents were taken for dollars.",
        explanation="{symbol} has a dividend of {dividend:g} on {date}; the close before is {before:g}.",
        remedy="Correct the event, or withdraw it.",
        sql="""
            SELECT d.symbol, d.ex_date AS date, d.dividend, b.p_close AS before
            FROM quality.dividends AS d JOIN quality.bars AS b ON d.symbol = b.symbol AND d.applied = b.date
            WHERE d.dividend >= b.p_close OR d.dividend < 0
        """,
    ),
    Detector(
        code="dividend_out_of_line",
        title="A dividend unlike the others",
        severity="warning",
        meaning="More than 40 times, or less than a fortieth, of the median yield of the symbol's other dividends.",
        explanation="{symbol} has a dividend of {dividend:g} on {date}, {times:.3g} times what is usual for it.",
        remedy="Check it for a wrong unit; a special dividend is true.",
        sql="""
            WITH yields AS (
                SELECT d.symbol, d.ex_date, d.dividend, d.dividend / b.p_close AS yield
                FROM quality.dividends AS d JOIN quality.bars AS b ON d.symbol = b.symbol AND d.applied = b.date
                WHERE b.p_close > 0 AND d.dividend > 0 AND d.dividend < b.p_close
            ), usual AS (SELECT symbol, median(yield) AS usual FROM yields GROUP BY symbol HAVING count(*) >= 4)
            SELECT y.symbol, y.ex_date AS date, y.dividend, y.yield, y.yield / u.usual AS times
            FROM yields AS y JOIN usual AS u ON y.symbol = u.symbol WHERE abs(ln(y.yield / u.usual)) > ln(40)
        """,
    ),
    Detector(
        code="dividend_not_adjusted",
        title="The adjusted close does not contain a dividend",
        severity="error",
        meaning=(
            "At an ex-date the ratio of adjusted to stored close must step by 1 - dividend / close before. It does not "
            "step, or by another amount: the adjustment or the dividend is wrong."
        ),
        explanation=(
            "{symbol} paid {dividend:g} on {date} ({yield:.2%} of {before:g}); the adjusted close steps by "
            "{stepped:.2%} instead."
        ),
        remedy="Trust neither before you know which is wrong. Adjustment by recorded dividends does not use it.",
        sql=f"""
            WITH {_STEPS}
            SELECT symbol, date, dividend, before, yield, 1 - found AS stepped
            FROM steps
            WHERE comparable AND yield < 1 AND abs(found - asked) > greatest(0.1 * yield, 5e-4)
                AND (applied_adjustment OR yield > 0.002)
        """,
    ),
)
