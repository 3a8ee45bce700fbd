"""The lake's SQL for Athena: parsed as Athena's, and its views run by DuckDB. Athena itself has not run it."""

import datetime as dt

import polars as pl
import pytest
import sqlglot
from sqlglot import exp

from stockstream.errors import ParameterError
from stockstream.lake import Lake
from stockstream.lake.athena import TABLES, athena_sql, duckdb_views
from stockstream.lake.query import bind
from stockstream.lake.rows import connect

DAYS = [dt.date(2024, 1, 15) + dt.timedelta(days=n) for n in range(5)]


def rows(symbol, level, **more):
    prices = {name: [level] * len(DAYS) for name in ("open", "high", "low", "close")}
    return {"symbol": [symbol] * len(DAYS), "date": DAYS, **prices, "volume": [7] * len(DAYS), **more}


@pytest.fixture
def lake(tmp_path):
    """Give a lake with revised rows, events, and rows fetched before their session had settled."""
    lake = Lake(tmp_path / "lake")
    moments = [dt.datetime(2024, 1, day, hour, tzinfo=dt.UTC) for day, hour in ((19, 6), (19, 8), (25, 8))]
    for level, moment in enumerate(moments, start=1):
        lake.write_rows(rows("A", float(level), dividend=[None, None, level / 10, None, None]), fetched_at=moment)
    lake.write_rows(rows("B", 5.0, split=[None, 2.0, None, None, None]), fetched_at=moments[0])
    lake.write_rows(rows("B", 6.0), fetched_at=moments[0])
    verdicts = {
        "symbol": ["A", "A", "A", "B"],
        "date": [DAYS[0], DAYS[1], DAYS[1], DAYS[2]],
        "fetch_timestamp": ["2024-01-25T08:00:00.000000Z"] * 3 + [None],
        "reason": ["scale"] * 4,
        "severity": ["error"] * 4,
        "hides": [True, True, False, True],
        "explanation": [""] * 4,
        "decided_at": [f"2024-02-0{day}T00:00:00.000000Z" for day in (1, 1, 2, 1)],
    }
    frame = pl.DataFrame(verdicts, schema_overrides={"fetch_timestamp": pl.String})
    lake.location.publish("quarantine", DAYS[-1], frame.write_parquet)
    return lake


def in_duckdb(query):
    """Translate a query of Athena's, whose tables stand in the schema that is set."""
    for table in query.find_all(exp.Table):
        table.set("db", None)
    return query.sql(dialect="duckdb")


@pytest.mark.parametrize("text", ["ours", "athena's"])
def test_the_views_answer_as_those_of_the_lake(lake, text):
    queries = duckdb_views()
    if text == "athena's":
        queries = {
            statement.this.name: statement.expression
            for statement in (sqlglot.parse_one(made, read="athena") for made in athena_sql("s3://prices/asx")[4:])
        }
    connection = connect()
    bind(connection, lake._contents.files())
    connection.execute("CREATE SCHEMA athena")
    for table in TABLES:
        connection.execute(f"CREATE VIEW athena.{table} AS FROM main.{table}")
    for name in ("with_timezone", "at_timezone"):
        connection.execute(f"CREATE MACRO athena.{name}(moment, zone) AS timezone(zone, moment)")
    connection.execute("SET schema = 'athena'")
    for view, query in queries.items():
        connection.execute(f"CREATE VIEW athena.{view} AS {query if isinstance(query, str) else in_duckdb(query)}")
    for view in ("prices", "symbols", "dividends", "splits"):
        columns = ", ".join(connection.execute(f"FROM athena.{view} LIMIT 0").fetchdf().columns)
        ours = lake.sql(f"SELECT {columns} FROM {view} ORDER BY ALL").fetchall()
        assert connection.execute(f"SELECT {columns} FROM athena.{view} ORDER BY ALL").fetchall() == ours
        assert ours
    counted = connection.execute("SELECT symbol, count(*), max(close) FROM athena.prices GROUP BY ALL ORDER BY 1")
    assert counted.fetchall() == [("A", 5, 3.0), ("B", 3, 6.0)]  # one hidden, one provisional


def test_each_statement_is_athenas_and_says_where_the_files_are():
    made = athena_sql("s3://prices/asx/", "lake_of_asx")
    parsed = [sqlglot.parse(text, read="athena", error_level=sqlglot.ErrorLevel.RAISE) for text in made]
    assert [len(each) for each in parsed] == [1] * 9
    assert all(isinstance(each[0], exp.Create) for each in parsed)
    assert [line for text in made for line in text.splitlines() if "LOCATION" in line] == [
        "LOCATION 's3://prices/asx/raw-data/'",
        "LOCATION 's3://prices/asx/raw-events/'",
        "LOCATION 's3://prices/asx/quarantine/'",
    ]
    for text in made[4:]:
        tables = sqlglot.parse_one(text, read="athena").expression.find_all(exp.Table)
        assert {table.db for table in tables} == {"lake_of_asx"}


@pytest.mark.parametrize(
    "arguments", [("data/lake",), ("s3://b/it's",), ("s3://",), ("s3://b/p", 'x"; DROP'), ("s3://b/p", "a b")]
)
def test_what_has_no_place_in_a_statement_is_refused(arguments):
    with pytest.raises(ParameterError, match="expected"):
        athena_sql(*arguments)
