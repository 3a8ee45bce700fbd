"""Checks of a lake: what readers see is judged, nothing is changed, verdicts have a time, corrections an author."""

import json
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest
from typer.testing import CliRunner

from stockstream.cli import app
from stockstream.errors import DataError, ParameterError, UnknownNameError
from stockstream.lake import Lake
from stockstream.lake.quality.judge import DETECTORS, judge_rows
from stockstream.lake.quality.verdicts import write_verdicts
from stockstream.sessions import sessions

DAYS = sessions(date(2024, 1, 2), date(2024, 6, 28))
FETCHED = datetime(2024, 7, 1, tzinfo=UTC)
WRONG = DAYS[40]


def frame(symbol="BHP", days=DAYS, price=40.0, **changed):
    """Make plain bars on the steps of the exchange; `changed` gives closes of days by their place."""
    closes = [round(price + 0.01 * (place * 7 % 23), 2) for place in range(len(days))]
    rows = {
        "symbol": [symbol] * len(days),
        "date": list(days),
        "open": closes,
        "high": [close + 0.05 for close in closes],
        "low": [close - 0.05 for close in closes],
        "close": closes,
        "volume": [1000 + place for place in range(len(days))],
    }
    for name, values in changed.items():
        for place, value in values.items():
            rows[name][place] = value
    return pl.DataFrame(rows)


def hundredfold(place=40):
    wrong = frame()
    prices = [pl.when(pl.col("date") == DAYS[place]).then(pl.col(name) * 100).otherwise(pl.col(name)).alias(name)
              for name in ("open", "high", "low", "close")]  # fmt: skip
    return wrong.with_columns(prices)


@pytest.fixture
def lake(tmp_path):
    """Give a lake whose BHP has one price in cents, beside a CBA without a fault."""
    lake = Lake(tmp_path / "lake")
    lake.write_rows(pl.concat([hundredfold(), frame("CBA", price=90.0)]), fetched_at=FETCHED)
    return lake


def contents(lake):
    root = Path(str(lake.location))
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_wrong_price_is_named_and_nothing_is_changed(lake):
    before = contents(lake)
    quality = lake.quality()
    row = quality.findings.row(0, named=True)
    assert (row["symbol"], row["date"], row["reason"], row["severity"], row["hides"]) == (
        "BHP", WRONG, "unit_error", "error", True,
    )  # fmt: skip
    assert "99.6 times the 40.2 before" in row["explanation"]
    assert json.loads(row["figures"])["times"] == pytest.approx(100, rel=0.01)
    assert (quality.rows, quality.symbols, quality.hidden) == (2 * len(DAYS), 2, 0)
    assert quality.findings.filter(symbol="CBA").is_empty()
    assert contents(lake) == before


def test_findings_are_those_of_the_symbols_and_days_asked_for(lake):
    assert lake.quality("CBA").findings.is_empty()
    assert lake.quality(start=WRONG, end=WRONG).findings["reason"].to_list() == ["unit_error"]
    assert lake.quality(end=WRONG - timedelta(days=1)).findings.is_empty()
    assert lake.quality(only=["high_below_low"]).findings.is_empty()
    with pytest.raises(UnknownNameError, match="Did you mean 'BHP'"):
        lake.quality("BPH")
    with pytest.raises(UnknownNameError, match="Did you mean 'unit_error'"):
        lake.quality(only=["unit_eror"])


def test_a_verdict_hides_the_row_from_its_own_time_on(lake):
    decided = datetime(2024, 8, 1, tzinfo=UTC)
    written = lake.quarantine(lake.quality(), decided_at=decided)
    assert (written.file, written.rows, written.symbols) == ("quarantine/2024-08-01-batch-1.parquet", 1, 1)
    assert WRONG not in lake.load_symbols(["BHP"])["date"].to_list()
    assert lake.bars("BHP").close.max() < 50
    highest = "SELECT max(close) FROM prices WHERE symbol = 'BHP'"
    assert lake.sql(highest, as_of="2024-07-31").fetchone()[0] > 4000, (
        "readers as of before the decision see what was known then"
    )
    again = lake.quality()
    assert again.hidden == 1
    assert again.findings["reason"].to_list() == ["missing_session"], "what is hidden is not judged again"
    assert lake.quality(as_of="2024-07-31").findings["reason"].to_list() == ["unit_error"]


def test_a_verdict_file_has_the_row_and_the_reason(lake):
    file = lake.quarantine(lake.quality()).file
    verdict = pl.read_parquet(lake.location.url(file))
    assert verdict.columns == [
        "symbol", "date", "open", "high", "low", "close", "volume", "adjusted_close", "dividend", "split",
        "fetch_timestamp", "reason", "severity", "hides", "explanation", "decided_at",
    ]  # fmt: skip
    row = verdict.row(0, named=True)
    assert row["close"] == pytest.approx(hundredfold()["close"][40])
    assert row["fetch_timestamp"] == "2024-07-01T00:00:00.000000Z"
    assert (row["reason"], row["severity"], row["hides"]) == ("unit_error", "error", True)
    assert len(row["decided_at"]) == len(row["fetch_timestamp"])


def test_a_repaired_price_is_seen_though_the_wrong_one_was_hidden(lake):
    lake.quarantine(lake.quality(), decided_at=datetime(2024, 8, 1, tzinfo=UTC))
    lake.write_rows(frame(), fetched_at=datetime(2024, 8, 2, tzinfo=UTC))
    prices = lake.load_symbols(["BHP"])
    assert prices.height == len(DAYS)
    assert prices["close"].max() < 50
    assert lake.quality().findings.is_empty()


def test_the_same_wrong_price_answered_again_is_found_again(lake):
    lake.quarantine(lake.quality(), decided_at=datetime(2024, 8, 1, tzinfo=UTC))
    lake.write_rows(hundredfold(), fetched_at=datetime(2024, 8, 2, tzinfo=UTC))
    assert lake.quality().findings["reason"].to_list() == ["unit_error"]
    assert lake.quarantine(lake.quality()).rows == 1
    assert lake.load_symbols(["BHP"])["close"].max() < 50


def test_an_answer_that_was_wrong_and_repaired_is_hidden_for_readers_of_then(lake):
    lake.write_rows(frame(), fetched_at=datetime(2024, 8, 2, tzinfo=UTC))
    quality = lake.quality()
    assert quality.findings["reason"].to_list() == ["unit_error_repaired"]
    assert quality.findings["versions"].to_list() == [["2024-07-01T00:00:00.000000Z"]]
    lake.quarantine(quality)
    assert lake.load_symbols(["BHP"]).height == len(DAYS)


def test_a_verdict_can_be_withdrawn(lake):
    lake.quarantine(lake.quality(), decided_at=datetime(2024, 8, 1, tzinfo=UTC))
    verdicts = lake.sql("SELECT * FROM verdicts WHERE reason = 'unit_error'").pl()
    written = lake.quarantine(verdicts, hides=False, decided_at=datetime(2024, 8, 2, tzinfo=UTC))
    assert written.rows == 1
    assert lake.load_symbols(["BHP"])["close"].max() > 4000
    assert lake.quality().findings["reason"].to_list() == ["unit_error"]


def test_rows_can_be_hidden_by_hand(lake):
    mine = pl.DataFrame({"symbol": ["CBA"], "date": [DAYS[3]], "explanation": ["a trade at no market price"]})
    assert lake.quarantine(mine).rows == 1
    assert lake.load_symbols(["CBA"]).height == len(DAYS) - 1
    said = lake.sql("SELECT reason, explanation FROM verdicts").fetchall()
    assert said == [("by_hand", "a trade at no market price")]
    with pytest.raises(ParameterError, match="date missing"):
        lake.quarantine(mine.drop("date"))


def test_nothing_certain_nothing_decided(tmp_path):
    lake = Lake(tmp_path)
    lake.write_rows(frame(), fetched_at=FETCHED)
    quality = lake.quality()
    assert quality.findings.is_empty()
    assert repr(quality) == f"Quality: 0 errors, 0 warnings, 0 notes in {len(DAYS)} rows of 1 symbol"
    written = lake.quarantine(quality)
    assert (written.file, written.rows) == (None, 0)
    assert not (tmp_path / "quarantine").exists()


def test_a_correction_is_an_answer_of_its_own_with_an_author(lake):
    right = frame().filter(date=WRONG)
    with pytest.raises(ParameterError, match="expected why"):
        lake.correct(right, by="Ada", why=" ")
    written = lake.correct(right, by="Ada", why="cents for dollars, see the exchange's own file")
    assert written.rows == 1
    assert lake.load_symbols(["BHP"])["close"].max() < 50
    record = lake.sql("SELECT * FROM verdicts").pl().row(0, named=True)
    assert (record["symbol"], record["date"], record["reason"], record["hides"]) == ("BHP", WRONG, "correction", False)
    assert record["explanation"] == "corrected by Ada: cents for dollars, see the exchange's own file"
    answers = lake.sql("SELECT fetch_timestamp FROM raw_prices WHERE symbol = 'BHP' AND date = ?", [WRONG]).fetchall()
    assert len(answers) == 2
    assert lake.sql("SELECT max(close) FROM prices", as_of="2024-07-31").fetchone()[0] > 4000


def test_rows_refused_at_the_border_are_findings(tmp_path):
    lake = Lake(tmp_path)
    bad = tmp_path / "bad.csv"
    frame(low={5: -1.0}).write_csv(bad)
    lake.import_file(bad, quarantine=True, fetched_at=FETCHED)
    row = lake.quality().findings.filter(reason="price_not_positive").row(0, named=True)
    assert (row["symbol"], row["date"], row["severity"], row["hides"]) == ("BHP", DAYS[5], "error", False)
    assert row["explanation"] == f"BHP on {DAYS[5]}: not stored: the row has a price that is not positive."
    assert row["decided_at"] is not None
    assert lake.quality("BHP", start=DAYS[6]).findings.is_empty()


def test_a_listing_is_judged_under_its_name_and_hidden_under_its_code(tmp_path):
    lake = Lake(tmp_path)
    later = sessions(date(2026, 1, 5), date(2026, 5, 29))
    lake.write_rows(
        pl.concat([hundredfold(), frame(days=later, price=3.0)]), fetched_at=datetime(2026, 6, 1, tzinfo=UTC)
    )
    listings = tmp_path / "symbols" / "listings.csv"
    assert lake.quality(only=["code_reused"]).symbols == 1
    assert lake.quality(only=["code_reused"]).findings.height == 1
    listings.parent.mkdir()
    listings.write_text(
        "listing_id,symbol,name,listing_date,first_seen,last_seen\n"
        "BHP-old,BHP,Old,2000-01-01,2000-01-01,2024-07-01\nBHP-new,BHP,New,2026-01-05,2026-01-05,2026-06-01\n"
    )
    quality = lake.quality()
    assert quality.findings.filter(reason="code_reused").is_empty()
    found = quality.findings.filter(reason="unit_error").row(0, named=True)
    assert found["symbol"] != "BHP"
    lake.quarantine(quality)
    assert pl.read_parquet(tmp_path / "quarantine" / "*.parquet")["symbol"].to_list() == ["BHP"]
    assert lake.sql("SELECT max(close) FROM prices").fetchone()[0] < 50


def test_a_second_source_is_a_table_or_a_file(lake, tmp_path):
    second = frame(price=40.0).select("symbol", "date", close=pl.col("close") * 1.05)
    assert set(lake.quality("CBA").skipped) == {"hidden_factor", "off_second_source", "sources_disagree"}
    for source in (second, write(second, tmp_path / "second.csv"), write(second, tmp_path / "second.parquet")):
        quality = lake.quality("BHP", second_source=source)
        assert "off_second_source" in quality.findings["reason"].to_list()
        assert not quality.skipped
    with pytest.raises(DataError, match="symbol, date and close"):
        lake.quality(second_source=second.drop("close"))
    with pytest.raises(DataError, match="there is no file"):
        lake.quality(second_source=tmp_path / "absent.csv")


def write(table, path):
    (table.write_csv if path.suffix == ".csv" else table.write_parquet)(path)
    return path


def test_the_exchange_of_the_lake_says_which_days_are_sessions(tmp_path):
    days = sessions(date(2024, 1, 2), date(2024, 6, 28), "XNYS")
    Lake(tmp_path).write_rows(frame("IBM", days=days), fetched_at=FETCHED)
    assert Lake(tmp_path, exchange="XNYS").quality().findings.is_empty()
    found = Lake(tmp_path).quality().findings
    assert found.filter(reason="other_listing")["explanation"][0].startswith(f"The {len(days)} bars of IBM keep the")


def test_days_before_the_calendar_begins_are_no_fault(tmp_path):
    days = [date(1985, 3, 4) + timedelta(days=place) for place in range(60) if place % 7 < 5]
    Lake(tmp_path).write_rows(frame(days=days), fetched_at=FETCHED)
    assert Lake(tmp_path).quality().findings.is_empty()


def test_without_calendars_what_needs_them_is_skipped_and_named(lake, monkeypatch):
    monkeypatch.setattr("stockstream.lake.quality.tables.find_spec", lambda name: None)
    quality = lake.quality()
    assert {"missing_session", "day_shift", "not_a_session", "other_listing"} <= set(quality.skipped)
    assert "exchange-calendars is not installed" in quality.skipped["day_shift"]
    assert quality.findings["reason"].to_list() == ["unit_error"]


def test_the_daily_run_judges_new_rows_among_stored_ones_without_frames(lake):
    """As in a function in the cloud: DuckDB alone, and the verdict goes where readers obey it."""
    connection = duckdb.connect()
    files = {"files": lake.location.batches("raw-data")}
    connection.execute("CREATE TABLE rows AS SELECT * FROM read_parquet($files)", files)
    judged = judge_rows(connection)
    certain = [found for found in judged.findings if found.hides]
    assert [found.reason for found in certain] == ["unit_error"]
    assert write_verdicts(lake.location, connection, certain).rows == 1
    assert write_verdicts(lake.location, connection, []).file is None
    assert lake.load_symbols(["BHP"])["close"].max() < 50


def test_checks_are_declared_in_full():
    for code, detector in DETECTORS.items():
        assert detector.code == code
        sentences = (detector.meaning, detector.explanation, detector.remedy)
        assert all(text.strip().endswith(".") for text in sentences), code
        assert not detector.title.endswith(".")
        assert not detector.hides or detector.severity == "error", "only an error hides"


def test_words_for_notebooks_are_escaped(tmp_path):
    lake = Lake(tmp_path)
    evil = "<script>alert(1)</script>"
    lake.write_rows(hundredfold().with_columns(symbol=pl.lit(evil)), fetched_at=FETCHED)
    quality = lake.quality()
    assert "1 error, 0 warnings" in repr(quality)
    assert "unit_error" in quality._repr_html_()
    page = quality.report(tmp_path / "page.html").read_text()
    assert evil not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page


def run(*arguments, code=0):
    outcome = CliRunner().invoke(app, ["quality", *arguments])
    assert outcome.exit_code == code, outcome.output
    return outcome.stdout


def test_the_command_prints_writes_and_decides(lake, tmp_path, monkeypatch):
    place = ["--lake", str(lake.location)]
    text = run(*place)
    assert "1 error, 0 warnings, 0 notes" in text
    assert "unit_error" in text
    assert "Prices in another unit" in text
    rows = json.loads(run(*place, "--format", "json"))
    assert [row["reason"] for row in rows] == ["unit_error"]
    assert run(*place, "--format", "csv").splitlines()[0].startswith("symbol,date,last_date,rows,reason,severity,hides")
    assert "1 row in" in run(*place, "--output", str(tmp_path / "out.parquet"))
    assert run(*place, "--symbols", "CBA", "--format", "csv").count("\n") == 1
    assert "Report:" in run(*place, "--report", str(tmp_path / "page.html"))
    assert "Prices in another unit" in (tmp_path / "page.html").read_text()
    run(*place, "--fail-on", "error", code=3)
    assert ": 1 version of rows of 1 symbol." in run(*place, "--quarantine")
    run(*place, "--fail-on", "error")
    run(*place, "--fail-on", "warning", code=3)  # the session that is missing now
    assert "unit_error" in run(*place, "--as-of", "2024-07-31")
    assert "Nothing is certain enough" in run(*place, "--quarantine")


@pytest.mark.parametrize("width", [80, 200])
def test_the_table_fits_the_terminal(lake, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    assert max(map(len, run("--lake", str(lake.location)).splitlines())) <= width


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--fail-on", "grave"], "expected --fail-on error, warning or info; found 'grave'"),
        (["--as-of", "2020-01-01"], "knew nothing"),
        (["--only", "unit"], "there is no check 'unit'"),
        (["--exchange", "ASX"], "XASX"),
        (["--report", "page.txt"], ".html"),
        (["--start-date", "2024-02-01", "--end-date", "2024-01-01"], "Swap the two dates"),
    ],
)
def test_what_cannot_be_served_is_refused(lake, flags, words):
    outcome = CliRunner().invoke(app, ["quality", "--lake", str(lake.location), *flags])
    assert outcome.exit_code == 2
    assert words in outcome.stderr.replace("\n", " ")


def test_a_batch_of_the_daily_run_is_judged_within_a_second():
    """A hundred symbols with forty days each, as a function in the cloud judges them between two requests."""
    together = pl.concat([frame(f"S{place:02}", days=DAYS[:40], price=10.0 + place) for place in range(100)])
    rows = together.with_columns(adjusted_close=pl.col("close"), fetch_timestamp=pl.lit("2024-03-01T00:00:00.000000Z"))
    connection = duckdb.connect()
    connection.register("given", rows)
    connection.execute("CREATE TABLE rows AS SELECT * FROM given")
    judge_rows(connection)  # loads the calendar
    started = time.process_time()
    assert judge_rows(connection).rows == 4000
    assert time.process_time() - started < 1.0
