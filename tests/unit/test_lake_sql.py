"""SQL over a lake: what it answers, and that a question can neither read nor write anything else."""

import datetime as dt

import duckdb
import pandas as pd
import polars as pl
import pytest

from stockstream.errors import LakeError
from stockstream.lake import Lake

DAYS = [dt.date(2024, 1, day) for day in (2, 3, 4)]


@pytest.fixture
def lake(tmp_path):
    lake = Lake(tmp_path / "lake")
    flat = dict.fromkeys(("open", "high", "low", "close"), (10.0, 10.0, 5.0))
    events = {"dividend": [None, 1.0, None], "split": [None, None, 2.0]}
    lake.write_rows({"symbol": ["A"] * 3, "date": DAYS, **flat, "volume": [1, 2, 3], **events})
    return lake


def test_the_views(lake):
    names = [name for (name,) in lake.sql("SHOW TABLES").fetchall()]
    assert names == [
        "dividends", "prices", "prices_adjusted", "raw_events", "raw_prices", "splits", "symbols", "verdicts",
        "withdrawn",
    ]  # fmt: skip
    assert lake.sql("FROM symbols").fetchall() == [("A", DAYS[0], DAYS[2], 3)]
    assert lake.sql("SELECT symbol, ex_date, dividend FROM dividends").fetchall() == [("A", DAYS[1], 1.0)]
    assert lake.sql("SELECT symbol, ex_date, split FROM splits").fetchall() == [("A", DAYS[2], 2.0)]
    assert lake.sql("SELECT close, price_factor FROM prices_adjusted ORDER BY date").fetchall() == [
        (9.0, 0.9),
        (10.0, 1.0),
        (5.0, 1.0),
    ]


def test_a_lake_without_events_has_empty_views(tmp_path):
    lake = Lake(tmp_path)
    lake.write_rows(
        {"symbol": ["A"], "date": DAYS[:1], "open": [1], "high": [1], "low": [1], "close": [1], "volume": [1]}
    )
    assert lake.sql("FROM dividends UNION ALL FROM splits").fetchall() == []
    assert lake.sql("SELECT close FROM prices_adjusted").fetchall() == [(1.0,)]


def test_answers_in_every_form_more_than_once(lake):
    answer = lake.sql("SELECT symbol, sum(volume)::BIGINT AS volume FROM prices GROUP BY symbol")
    assert isinstance(answer.df(), pd.DataFrame)
    assert answer.pl().equals(pl.DataFrame({"symbol": ["A"], "volume": [6]}))
    assert answer.arrow().read_all().to_pydict() == {"symbol": ["A"], "volume": [6]}


def test_parameters_are_values_and_never_text(lake):
    assert lake.sql("SELECT count(*) FROM prices WHERE symbol = ? AND volume > ?", ["A", 1]).fetchone() == (2,)
    assert lake.sql("SELECT count(*) FROM prices WHERE symbol = $s", {"s": "A' OR 'x' = 'x"}).fetchone() == (0,)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        (
            "SELECT * FROM price",
            "Table with name price does not exist!?.*The lake has the views prices, prices_adjusted",
        ),
        ("SELECT clos FROM prices", 'column "clos" not found'),
        ("SELEC 1", 'Parser Error: syntax error at or near "SELEC"'),
        ("SELECT symbol::INTEGER FROM prices", "Conversion Error: Could not convert string 'A'"),
        ("", "expected one SELECT; found no statements"),
        ("SELECT 1; SELECT 2", "expected one SELECT; found 2 statements"),
        ("SELECT $x", "x"),
    ],
)
def test_a_failing_query_says_why_in_one_line(lake, query, words):
    with pytest.raises(LakeError, match=words) as caught:
        lake.sql(query)
    assert "\n" not in str(caught.value)


def stored(lake):
    return {path: path.read_bytes() for path in lake.location.root.parent.rglob("*") if path.is_file()}


ORDERS = [
    "COPY (SELECT 1) TO '{folder}/out.csv'",
    "COPY (SELECT 1 AS symbol) TO '{file}' (FORMAT parquet, USE_TMP_FILE false)",
    "EXPLAIN ANALYZE COPY (SELECT 1 AS symbol) TO '{file}' (FORMAT parquet, USE_TMP_FILE false)",
    "ATTACH '{folder}/new.db'",
    "EXPORT DATABASE '{folder}/export'",
    "CREATE OR REPLACE VIEW prices AS SELECT 1",
    "DROP VIEW prices",
    "INSERT INTO prices SELECT * FROM prices",
    "SET enable_external_access = true",
    "INSTALL httpfs",
    "LOAD '{folder}/x.duckdb_extension'",
    "SELECT 1; COPY (SELECT 1) TO '{folder}/out.csv'",
    "SELECT * FROM query('COPY (SELECT 1) TO ''{folder}/out.csv''')",
]


@pytest.mark.parametrize("order", ORDERS)
def test_a_query_cannot_write(lake, order):
    before = stored(lake)
    file = lake.location.batches("raw-data")[0]
    with pytest.raises(LakeError):
        lake.sql(order.format(folder=lake.location.root.parent, file=file))
    assert stored(lake) == before


@pytest.mark.parametrize(
    "source",
    [
        "'{other}'",
        "read_parquet('{other}')",
        "read_text('{other}')",
        "read_blob('{other}')",
        "glob('{folder}/*')",
        "read_csv('/etc/passwd')",
        "read_parquet('{folder}/lake/raw-data/*.parquet')",
        "parquet_metadata('{other}')",
        "secret",
    ],
)
def test_a_query_cannot_read_anything_else(lake, source):
    folder = lake.location.root.parent
    other = folder / "other.parquet"
    duckdb.sql("SELECT 42 AS answer").write_parquet(str(other))
    secret = pl.DataFrame({"answer": [42]})
    with pytest.raises(LakeError):
        lake.sql(f"SELECT * FROM {source.format(other=other, folder=folder)}")
    assert secret.height == 1


@pytest.mark.parametrize(
    "query",
    [
        "FROM duckdb_secrets()",
        'SUMMARIZE FROM system.main."DUCKDB_SECRETS"()',
        "SELECT (SELECT count(*) FROM which_secret('s3://b', 's3'))",
        "FROM query('SELECT * FROM duckdb_' || 'secrets()')",
        "FROM json_execute_serialized_sql(json_serialize_sql('FROM duckdb_secrets()'))",
        "WITH a AS (FROM enable_logging(storage='file', storage_path='logs')) FROM a",
        "FROM enable_profiling()",
        "SELECT write_log('x')",
        "FROM duckdb_logs()",
        "PIVOT query ('FROM prices') ON symbol IN ('A') USING count(*)",
    ],
)
def test_a_query_cannot_call_what_acts_or_tells_of_credentials(lake, query):
    with pytest.raises(LakeError, match="a query over a lake may not call"):
        lake.sql(query)


def test_a_query_may_mention_what_it_may_not_call(lake):
    assert lake.sql("SELECT 'duckdb_secrets()' AS query, log(10.0) AS secret").fetchall() == [("duckdb_secrets()", 1.0)]
    assert len(lake.sql("PIVOT prices ON symbol IN ('A') USING count(*)").fetchall()) > 0


def test_an_answer_cannot_write_the_lake_it_came_from(lake):
    before = stored(lake)
    with pytest.raises(duckdb.PermissionException):
        lake.sql("FROM prices").write_csv(str(lake.location.root / "out.csv"))
    assert stored(lake) == before
