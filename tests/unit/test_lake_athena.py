"""The lake's SQL for Athena: parsed as Athena's, and its views run by DuckDB. Athena itself has not run it."""

import datetime as dt
import json

import boto3
import polars as pl
import pytest
import sqlglot
from botocore import validate
from botocore.exceptions import ClientError
from sqlglot import exp

from stockstream.errors import LakeError, ParameterError
from stockstream.lake import Lake, show_compaction
from stockstream.lake.athena import SHOWN, athena_sql, duckdb_views
from stockstream.lake.catalogue import compact_and_show
from stockstream.lake.curated import MANIFEST, generation
from tests.reference.athena_reader import reader

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


VIEWS = ("prices", "symbols", "dividends", "splits")
NOW = dt.timedelta(0)


def shown(lake):
    """Return what `show_compaction` sets for a lake."""
    return {SHOWN: generation(json.loads(lake.location.read_text(MANIFEST)))}


def told(lake, changed=None):
    """Return what Athena's views say of a lake."""
    with reader(lake.location, changed) as connection:
        return [connection.execute(f"FROM {view} ORDER BY ALL").fetchall() for view in VIEWS]


def test_the_views_answer_as_those_of_the_lake(lake):
    with reader(lake.location) as connection:
        for view in VIEWS:
            columns = ", ".join(connection.execute(f"FROM {view} LIMIT 0").fetchdf().columns)
            ours = lake.sql(f"SELECT {columns} FROM {view} ORDER BY ALL").fetchall()
            assert connection.execute(f"SELECT {columns} FROM {view} ORDER BY ALL").fetchall() == ours
            assert ours
        counted = connection.execute("SELECT symbol, count(*), max(close) FROM prices GROUP BY symbol ORDER BY 1")
        assert counted.fetchall() == [("A", 5, 3.0), ("B", 3, 6.0)]  # one hidden, one provisional


def test_duckdbs_rule_of_provisional_rows_is_athenas(lake):
    """The only words in which the two texts differ."""
    with reader(lake.location) as connection:
        before = connection.execute("FROM prices ORDER BY ALL").fetchall()
        connection.execute(f"CREATE OR REPLACE VIEW prices AS {duckdb_views()['prices']}")
        assert connection.execute("FROM prices ORDER BY ALL").fetchall() == before


def test_neither_a_compaction_nor_an_expiry_changes_what_the_views_say(lake):
    before = told(lake)
    lake.compact()
    assert told(lake) == before  # Athena has not been told yet
    assert told(lake, shown(lake)) == before  # rows that are in batches and compacted count once
    lake.compact(expire=True, grace=NOW, keep=0)
    assert not list(lake.location.root.glob("raw-*/*"))
    assert told(lake, shown(lake)) == before
    assert told(lake) != before  # without being told Athena would have lost them
    lake.write_rows(rows("A", 9.0), fetched_at=dt.datetime(2024, 1, 29, tzinfo=dt.UTC))
    newer = told(lake, shown(lake))
    assert newer != before
    replaced = shown(lake)
    lake.compact(expire=True, keep=0)  # replaced files and the new batch stay for a day: neither is counted twice
    assert len(list(lake.location.root.glob("curated/latest/*/*"))) == 2
    assert told(lake, replaced) == newer
    assert told(lake, shown(lake)) == newer


def test_a_verdict_on_one_answer_of_a_compacted_run_leaves_the_others(tmp_path):
    lake = Lake(tmp_path)
    for day in (25, 26, 27):  # three answers alike are one run, of which the last and then the second are struck
        lake.write_rows(rows("A", 1.0), fetched_at=dt.datetime(2024, 1, day, tzinfo=dt.UTC))
    lake.compact(expire=True, grace=NOW, keep=0)
    for day, fetched in ((27, "26"), (26, "25")):
        write_verdict(lake, day, strike("A", DAYS[0], f"2024-01-{day}T00:00:00.000000Z"))
        (first,) = [row for row in told(lake, shown(lake))[0] if row[1] == DAYS[0]]
        assert first[-1] == f"2024-01-{fetched}T00:00:00.000000Z"


def strike(symbol, day, fetched):
    return {"symbol": [symbol], "date": [day], "fetch_timestamp": [fetched]}


def write_verdict(lake, number, facts):
    more = {"reason": ["scale"], "severity": ["error"], "hides": [True], "explanation": [""]}
    frame = pl.DataFrame(facts | more | {"decided_at": [f"2024-02-{number}T00:00:00.000000Z"]})
    lake.location.publish("quarantine", DAYS[-1], frame.write_parquet)


def test_each_statement_is_athenas_and_says_where_the_files_are():
    made = athena_sql("s3://prices/asx/", "lake_of_asx")
    parsed = [sqlglot.parse(text, read="athena", error_level=sqlglot.ErrorLevel.RAISE) for text in made]
    assert [len(each) for each in parsed] == [1] * 11
    assert all(isinstance(each[0], exp.Create) for each in parsed)
    assert [line for text in made for line in text.splitlines() if "LOCATION" in line] == [
        "LOCATION 's3://prices/asx/raw-data/'",
        "LOCATION 's3://prices/asx/raw-events/'",
        "LOCATION 's3://prices/asx/quarantine/'",
        "LOCATION 's3://prices/asx/curated/'",
    ]
    for text in made[5:]:
        tables = sqlglot.parse_one(text, read="athena").expression.find_all(exp.Table)
        assert {table.db for table in tables} == {"lake_of_asx"}


@pytest.mark.parametrize(
    "arguments", [("data/lake",), ("s3://b/it's",), ("s3://",), ("s3://b/p", 'x"; DROP'), ("s3://b/p", "a b")]
)
def test_what_has_no_place_in_a_statement_is_refused(arguments):
    with pytest.raises(ParameterError, match="expected"):
        athena_sql(*arguments)


class Catalogue:
    """Glue, as far as botocore checks a request and an answer: one table, and what is to go wrong."""

    def __init__(self, monkeypatch, value="none"):
        real = boto3.client("glue", region_name="ap-southeast-2", aws_access_key_id="a", aws_secret_access_key="b")
        self.meta = real.meta
        self.table = {
            "Name": "compacted",
            "DatabaseName": "lake",
            "Description": "what was compacted",
            "PartitionKeys": [{"Name": "part", "Type": "string"}],
            "StorageDescriptor": {"Location": "s3://prices/asx/curated/"},
            "Parameters": {"projection.enabled": "true", SHOWN: value},
            "VersionId": "3",
        }
        self.refuse, self.updates, self.meanwhile = None, [], lambda: None
        monkeypatch.setattr("boto3.client", lambda service: self)

    def _checked(self, operation, given):
        if self.refuse:
            raise ClientError({"Error": {"Code": self.refuse, "Message": "No."}}, operation)
        shape = self.meta.service_model.operation_model(operation).input_shape
        assert not validate.ParamValidator().validate(given, shape).has_errors()

    def get_table(self, **given):
        self._checked("GetTable", given)
        assert (given["DatabaseName"], given["Name"]) == ("lake", "compacted")
        return {"Table": {**self.table, "Parameters": dict(self.table["Parameters"])}}

    def update_table(self, **given):
        self._checked("UpdateTable", given)
        self.meanwhile()
        self.table = {key: self.table[key] for key in ("DatabaseName", "VersionId")} | given["TableInput"]
        self.updates.append(given["TableInput"]["Parameters"][SHOWN])


def compacted(root, count=1):
    """Return a lake that was compacted so often."""
    lake = Lake(root)
    for number in range(count):
        lake.write_rows(rows("A", 1.0 + number), fetched_at=dt.datetime(2024, 1, 25 + number, tzinfo=dt.UTC))
        lake.compact()
    return lake


def test_the_table_shows_the_last_compaction_and_keeps_everything_else(tmp_path, monkeypatch):
    catalogue = Catalogue(monkeypatch)
    before = catalogue.table
    assert show_compaction(Lake(tmp_path), "lake.compacted") is False  # before the first compaction: nothing to show
    lake = compacted(tmp_path)
    assert show_compaction(lake, "lake.compacted") is True
    assert show_compaction(lake, "lake.compacted") is False
    assert catalogue.updates == [shown(lake)[SHOWN]]
    assert catalogue.table == {**before, "Parameters": before["Parameters"] | shown(lake)}


def test_a_compaction_that_comes_between_is_shown_and_one_that_never_ends_is_refused(tmp_path, monkeypatch):
    lake, catalogue = compacted(tmp_path), Catalogue(monkeypatch)
    days = iter(range(26, 32))

    def meanwhile():
        lake.write_rows(rows("A", 3.0), fetched_at=dt.datetime(2024, 1, next(days), tzinfo=dt.UTC))
        lake.compact()

    first = shown(lake)[SHOWN]
    catalogue.meanwhile = lambda: None if catalogue.updates else meanwhile()
    assert show_compaction(lake, "lake.compacted") is True
    assert catalogue.updates == [first, shown(lake)[SHOWN]]
    catalogue.meanwhile = meanwhile
    meanwhile()
    with pytest.raises(LakeError, match="was set 3 times and shows another compaction"):
        show_compaction(lake, "lake.compacted")


def test_nothing_that_athena_reads_is_deleted_while_the_catalogue_refuses(tmp_path, monkeypatch):
    catalogue = Catalogue(monkeypatch)
    lake = compacted(tmp_path)
    assert compact_and_show(lake, "lake.compacted")[1] is None
    monkeypatch.setattr("stockstream.lake.catalogue._A_DAY", NOW)
    before = told(lake, shown(lake))
    catalogue.refuse = "AccessDeniedException"
    lake.write_rows(rows("A", 1.0), fetched_at=dt.datetime(2024, 1, 27, tzinfo=dt.UTC))
    for added in (1, 0):
        done, trouble = compact_and_show(lake, "lake.compacted", expire=True)
        assert (done.added, done.expired, done.removed) == (added, 0, 0)
        assert "cannot set the table lake.compacted: access was denied" in trouble
        behind = {SHOWN: catalogue.table["Parameters"][SHOWN]}
        assert behind != shown(lake)
        assert [row[:-1] for row in told(lake, behind)[0]] == [row[:-1] for row in before[0]]
    catalogue.refuse = None
    done, trouble = compact_and_show(lake, "lake.compacted", expire=True)
    assert (done.removed, trouble) == (0, None)  # set right; who reads the files of before may go on for a day
    assert catalogue.table["Parameters"][SHOWN] == shown(lake)[SHOWN]
    assert compact_and_show(lake, "lake.compacted", expire=True)[0].removed == 5


def test_without_a_table_nobody_is_asked(tmp_path, monkeypatch):
    monkeypatch.setattr("boto3.client", lambda service: pytest.fail("asked"))
    lake = Lake(tmp_path)
    lake.write_rows(rows("A", 1.0), fetched_at=dt.datetime(2024, 1, 25, tzinfo=dt.UTC))
    assert compact_and_show(lake, None)[0].added == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda found: found.table["Parameters"].pop(SHOWN), r"expected a table with the parameter projection\.comp.*"),
        (lambda found: setattr(found, "refuse", "EntityNotFoundException"), "there is no such table"),
    ],
)
def test_a_table_that_cannot_be_set_is_said(tmp_path, monkeypatch, change, said):
    catalogue = Catalogue(monkeypatch)
    change(catalogue)
    with pytest.raises(LakeError, match=said):
        show_compaction(compacted(tmp_path), "lake.compacted")
    assert not catalogue.updates
