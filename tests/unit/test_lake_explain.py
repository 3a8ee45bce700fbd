"""What a query must read of a lake: files and row groups whose statistics exclude its rows are left alone."""

import datetime as dt
import shutil
from concurrent.futures import ThreadPoolExecutor

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest

from stockstream.errors import LakeError
from stockstream.lake import Lake
from stockstream.lake import query as query_module
from stockstream.lake.asked import symbols_asked
from stockstream.lake.write import ROW_GROUP_SIZE

JUNE_30 = dt.date(2005, 6, 30)
DAYS = [dt.date(2000, 1, 3) + dt.timedelta(days=n) for n in range(2000)]


def rows(symbols, days):
    count = len(symbols) * len(days)
    level = 10.0 + np.arange(count) % 7
    return {
        "symbol": np.repeat(np.array(symbols, dtype=object), len(days)),
        "date": np.tile(np.array(days, dtype="datetime64[D]"), len(symbols)),
        **dict.fromkeys(("open", "high", "low", "close"), level),
        "volume": np.arange(count),
    }


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    """Give a lake of one large file of sixty symbols and three small ones of a week of all of them."""
    lake = Lake(tmp_path_factory.mktemp("explain") / "lake")
    symbols = [f"S{number:02}" for number in range(60)]
    lake.write_rows(rows(symbols, DAYS), fetched_at=dt.datetime(2006, 1, 1, tzinfo=dt.UTC))
    for week in range(3):
        days = [DAYS[-1] + dt.timedelta(days=7 * week + n) for n in range(1, 8)]
        lake.write_rows(rows(symbols, days), fetched_at=dt.datetime(2006, 1, 2 + week, tzinfo=dt.UTC))
    return lake


def groups(lake):
    """Return (first symbol, last symbol, first date, last date, bytes) of every row group, as PyArrow reads them."""
    found = []
    for path in lake.location.batches("raw-data"):
        metadata = pq.ParquetFile(path).metadata
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            symbol, date = (group.column(place).statistics for place in (0, 1))
            size = sum(group.column(place).total_compressed_size for place in range(group.num_columns))
            found.append((symbol.min, symbol.max, date.min, date.max, size))
    return found


def test_all_is_all(lake):
    told = lake.explain("SELECT * FROM raw_prices")
    assert (told.files, told.all_files) == (4, 4)
    assert told.row_groups == told.all_row_groups == len(groups(lake)) == -(-60 * 2000 // ROW_GROUP_SIZE) + 3
    assert told.rows == told.all_rows == 60 * 2000 + 3 * 60 * 7
    assert told.bytes == told.all_bytes == sum(group[-1] for group in groups(lake))
    assert str(told).startswith("4 of 4 files, 7 of 7 row groups, ")


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("symbol = 'S07'", lambda s0, s1, d0, d1: s0 <= "S07" <= s1),
        ("symbol IN ('S01', 'S59')", lambda s0, s1, d0, d1: s0 <= "S01" <= s1 or s0 <= "S59" <= s1),
        ("symbol BETWEEN 'S20' AND 'S30'", lambda s0, s1, d0, d1: s0 <= "S30" and s1 >= "S20"),
        ("date > '2005-07-02'", lambda s0, s1, d0, d1: d1 > dt.date(2005, 7, 2)),
        ("symbol < 'S02' AND date = '2005-06-30'", lambda s0, s1, d0, d1: s0 < "S02" and d0 <= JUNE_30 <= d1),
        ("symbol = 'it''s' AND close > 1", lambda s0, s1, d0, d1: False),
    ],
)  # fmt: skip
def test_filters_leave_only_the_row_groups_that_can_hold_such_rows(lake, condition, holds):
    told = lake.explain(f"SELECT * FROM raw_prices WHERE {condition}")
    wanted = [group for group in groups(lake) if holds(*group[:4])]
    assert told.row_groups == len(wanted) < told.all_row_groups
    assert told.bytes == sum(group[-1] for group in wanted)


def test_values_of_parameters_and_columns_count_too(lake):
    whole = lake.explain("SELECT * FROM raw_prices WHERE symbol = $name", {"name": "S07"})
    narrow = lake.explain("SELECT max(close) FROM raw_prices WHERE symbol = ?", ["S07"])
    assert narrow.row_groups == whole.row_groups == lake.explain("FROM raw_prices WHERE symbol = 'S07'").row_groups
    assert narrow.bytes < whole.bytes / 2


def test_dates_of_an_or_leave_row_groups_only_where_duckdb_skips_them(lake):
    day, other = DAYS[-1] + dt.timedelta(days=2), DAYS[-1] + dt.timedelta(days=16)
    plain = lake.explain(f"SELECT close FROM raw_prices WHERE date = '{day}' OR date = '{other}'")
    assert (plain.files, plain.rows) == (2, 2 * 60 * 7)
    bracketed = lake.explain(f"SELECT close FROM raw_prices WHERE date IN ('{day}', '{DAYS[0]}') OR date = '{other}'")
    assert bracketed.row_groups == bracketed.all_row_groups
    assert bracketed.bytes == lake.explain("SELECT date, close FROM raw_prices").bytes


def test_a_date_beyond_the_large_file_needs_the_small_ones_alone(lake):
    told = lake.explain("SELECT * FROM raw_prices WHERE date > '2005-07-02'")
    assert (told.files, told.rows) == (2, 2 * 60 * 7)


def test_the_prices_of_few_symbols_need_a_part_of_the_bytes(lake):
    everything = lake.explain("SELECT * FROM prices")
    few = lake.explain("SELECT * FROM prices WHERE symbol = 'S07'")
    keys = lake.explain("SELECT symbol, date, fetch_timestamp FROM raw_prices")
    raw = lake.explain("SELECT * FROM raw_prices WHERE symbol = 'S07'")
    assert raw.bytes <= few.bytes <= raw.bytes + keys.bytes < everything.bytes
    assert everything.bytes <= everything.all_bytes


@pytest.fixture(scope="module")
def compacted(lake, tmp_path_factory):
    """Give that lake compacted, and a week of two symbols written since."""
    folder = tmp_path_factory.mktemp("compacted") / "lake"
    shutil.copytree(lake.location.root, folder)
    copy = Lake(folder)
    copy.compact()
    days = [DAYS[-1] + dt.timedelta(days=30 + n) for n in range(7)]
    copy.write_rows(rows(["S07", "S31"], days), fetched_at=dt.datetime(2006, 2, 2, tzinfo=dt.UTC))
    return copy


def sizes(lake, symbol, columns=None, first=None):
    """Return file and bytes of every row group of prices that can hold a symbol, and days from one on."""
    found = []
    latest = sorted(lake.location.root.glob("curated/latest/**/*.parquet"))
    batches = lake.location.batches("raw-data")
    newer = batches[-1:] if latest else batches
    for path in [*latest, *newer]:
        metadata = pq.ParquetFile(path).metadata
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            held = {group.column(place).path_in_schema: group.column(place) for place in range(group.num_columns)}
            dates, names = held["date"].statistics, held["symbol"].statistics
            if names.min <= symbol <= names.max and (first is None or dates.max >= first):
                wanted = held if columns is None else {name: held[name] for name in columns if name in held}
                found.append((path, sum(column.total_compressed_size for column in wanted.values())))
    return found


KEYS = ("symbol", "date", "fetch_timestamp")
CONTENT = ("symbol", "date", "open", "high", "low", "close", "volume", "adjusted_close", "fetch_timestamp")


@pytest.mark.parametrize("condition", ["symbol = 'S07'", "'S07' = symbol AND close > 0"])
@pytest.mark.parametrize("which", ["lake", "compacted"])
def test_the_prices_of_a_symbol_need_the_row_groups_that_can_hold_it(request, which, condition):
    place = request.getfixturevalue(which)
    wanted, told = sizes(place, "S07", CONTENT), place.explain(f"SELECT * FROM prices WHERE {condition}")
    parts = 1 if which == "compacted" else 0  # what was answered, which tells what was withdrawn
    assert told.files == len({path for path, _ in wanted}) + parts
    assert told.row_groups == len(wanted) + parts < told.all_row_groups
    extra = sum(size for _, size in sizes(place, "S07", ("first_seen",))) + (1000 if parts else 0)
    assert sum(size for _, size in wanted) <= told.bytes <= sum(size for _, size in wanted) + extra
    assert told.bytes < told.all_bytes * 0.6


@pytest.mark.parametrize("which", ["lake", "compacted"])
def test_a_symbol_and_its_last_days_need_the_content_of_those_days_alone(request, which):
    place, first = request.getfixturevalue(which), DAYS[-1] + dt.timedelta(days=1)
    whole = place.explain("FROM prices WHERE symbol = 'S07'")
    told = place.explain(f"FROM prices WHERE symbol = 'S07' AND date >= '{first}'")
    keys = sum(size for _, size in sizes(place, "S07", (*KEYS, "first_seen")))  # of all days: they tell absences
    content = sum(size for _, size in sizes(place, "S07", CONTENT, first))
    assert told.row_groups == whole.row_groups
    assert told.bytes <= keys + content + 1000
    if which == "lake":
        assert told.bytes < whole.bytes / 3


@pytest.mark.parametrize("view", ["prices", "raw_prices", "symbols", "withdrawn"])
def test_every_view_passes_a_symbol_on_to_the_files(compacted, view):
    whole, told = compacted.explain(f"FROM {view}"), compacted.explain(f"FROM {view} WHERE symbol = 'S07'")
    assert told.row_groups < whole.row_groups
    assert compacted.explain(f"FROM {view} WHERE symbol = $name", {"name": "S07"}) == told


@pytest.mark.parametrize("view", ["prices", "raw_prices", "symbols", "withdrawn", "prices_adjusted"])
@pytest.mark.parametrize("which", ["lake", "compacted"])
def test_every_view_passes_several_symbols_on_to_the_files(request, which, view):
    place = request.getfixturevalue(which)
    whole, one = place.explain(f"FROM {view}"), place.explain(f"FROM {view} WHERE symbol = 'S07'")
    assert place.explain(f"FROM {view} WHERE symbol IN ('S07', 'S08')") == one  # which lie in the same row groups
    assert place.explain(f"FROM {view} WHERE symbol IN (?, ?)", ["S07", "S08"]) == one
    apart = place.explain(f"FROM {view} WHERE symbol IN ('S07', 'S55')")
    assert one.row_groups < apart.row_groups < whole.row_groups


#: Each names S07 and S55, in every branch.
BRANCHES = (
    "symbol = 'S07' OR symbol = 'S55'",
    "'S07' = symbol OR (symbol IN ('S07', 'S55'))",
    "symbol IN ('S07') OR (symbol = 'S55' OR ((symbol = 'S07')))",
    "(symbol = 'S07' OR symbol = 'S55') AND date >= '1999-01-01'",
    "(symbol = 'S07' AND date >= '1999-01-01') OR (symbol = 'S55' AND close > 0)",
    "(symbol IN ('S07', 'S55') OR symbol = 'S07') AND (close > 0 OR symbol = 'S01')",
)


@pytest.mark.parametrize("view", ["raw_prices", "prices_adjusted"])
@pytest.mark.parametrize("which", ["lake", "compacted"])
def test_an_or_whose_branches_all_name_symbols_reads_what_a_list_of_them_reads(request, which, view):
    place, columns = request.getfixturevalue(which), "symbol, date, close"
    whole = place.explain(f"SELECT {columns} FROM {view}")
    listed = place.explain(f"SELECT {columns} FROM {view} WHERE symbol IN ('S07', 'S55')")
    for branches in BRANCHES:
        told = place.explain(f"SELECT {columns} FROM {view} WHERE {branches}")
        assert told.row_groups == listed.row_groups < whole.row_groups
        assert told.bytes == listed.bytes < whole.bytes
    by_value = f"SELECT {columns} FROM {view} WHERE symbol = $one OR symbol IN ($two, $one)"
    assert place.explain(by_value, {"one": "S07", "two": "S55"}) == listed
    last = f"SELECT * FROM {view} WHERE {BRANCHES[0]} ORDER BY date DESC, symbol LIMIT 3"
    listed_last = last.replace(BRANCHES[0], "symbol IN ('S07', 'S55')")
    assert place.explain(last).row_groups == place.explain(listed_last).row_groups


#: Each with a branch that names no symbol.
BEYOND = (
    "symbol = 'S07' OR close > 1e9",
    "symbol = 'S07' OR date = '2001-01-01'",
    "symbol = 'S07' OR symbol > 'S58'",
    "symbol = 'S07' OR symbol LIKE 'S5%'",
    "symbol = 'S07' OR upper(symbol) = 'S08'",
    "symbol = 'S07' OR symbol NOT IN ('S08')",
    "NOT (symbol <> 'S07' AND symbol <> 'S08')",
    "(symbol = 'S07' OR symbol = 'S08') IS NOT FALSE",
    "symbol = 'S07' OR (symbol = 'S08' OR volume = 0)",
    "symbol = 'S07' OR symbol = fetch_timestamp",
)


def test_an_or_with_a_branch_that_names_no_symbol_is_about_all(lake, monkeypatch):
    asked = []
    monkeypatch.setattr(query_module, "symbols_asked", lambda *args: asked.append(symbols_asked(*args)) or asked[-1])
    for condition in BEYOND:
        lake.explain(f"SELECT * FROM prices WHERE {condition}")
    assert asked == [None] * len(BEYOND)
    whole = lake.explain("SELECT * FROM prices_adjusted")
    assert lake.explain(f"SELECT * FROM prices_adjusted WHERE {BEYOND[0]}") == whole


def test_queries_of_several_threads_and_after_a_failed_one_are_about_their_own_symbols(lake, monkeypatch):
    told = {}
    monkeypatch.setattr(query_module, "symbols_asked", lambda *args: told.setdefault(args[1], symbols_asked(*args)))
    queries = {f"FROM prices WHERE symbol = 'S{n:02}' OR symbol = 'S59'": [f"S{n:02}", "S59"] for n in range(6)}
    with pytest.raises(LakeError):
        lake.explain("SELECT nothing FROM prices WHERE symbol = 'S01'")
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lake.explain, queries))
    assert told == queries


def test_conditions_hundreds_deep_read_all(lake):
    deep = "symbol = 'S07'"
    for _ in range(440):
        deep = f"symbol = 'S08' OR (symbol IN ('S07', 'S55') AND ({deep}))"
    assert lake.explain(f"FROM prices WHERE {deep}").row_groups == lake.explain("FROM prices").row_groups


def test_a_constant_of_several_lines_hides_no_symbol(tmp_path):
    lake = Lake(tmp_path)
    for number, symbol in enumerate(("A", "x\ny")):
        lake.write_rows(rows([symbol], DAYS[:1]), fetched_at=dt.datetime(2024, 2, 1 + number, tzinfo=dt.UTC))
    for value, found in (("\nsymbol = '\n", ["A"]), ("x\ny", ["A", "x\ny"]), ("\n' OR symbol = '", ["A"])):
        for query in ("symbol IN ($value, 'A')", "symbol = $value OR symbol = 'A'"):
            answer = lake.sql(f"SELECT symbol FROM prices WHERE {query} ORDER BY 1", {"value": value}).fetchall()
            assert [name for (name,) in answer] == found


def test_a_verdict_does_not_keep_a_symbol_from_the_files(lake, tmp_path):
    shutil.copytree(lake.location.root, tmp_path / "lake")
    judged = Lake(tmp_path / "lake")
    before = judged.explain("FROM prices WHERE symbol = 'S07'")
    (tmp_path / "lake" / "quarantine").mkdir()
    duckdb.sql(
        "SELECT 'S07' AS symbol, DATE '2000-01-03' AS date, NULL::VARCHAR AS fetch_timestamp, 'test' AS reason, "
        "'error' AS severity, true AS hides, '' AS explanation, '2006-01-01T00:00:00.000000Z' AS decided_at"
    ).write_parquet(str(tmp_path / "lake" / "quarantine" / "2006-01-01-batch-1.parquet"))
    assert judged.sql("SELECT min(date) FROM prices WHERE symbol = 'S07'").fetchone() == (DAYS[1],)
    assert judged.explain("FROM prices WHERE symbol = 'S07'").row_groups == before.row_groups + 1


@pytest.mark.parametrize("which", ["lake", "compacted"])
def test_adjusted_prices_are_made_of_the_symbols_that_are_asked_for(request, which):
    place = request.getfixturevalue(which)
    whole = place.explain("FROM prices_adjusted")
    for condition, params in (("symbol = 'S07'", None), ("symbol IN ('S07', 'S08')", None), ("symbol = ?", ["S07"])):
        told = place.explain(f"SELECT max(close) FROM prices_adjusted WHERE {condition}", params)
        assert told.bytes < whole.bytes * 0.6
        assert told.row_groups < whole.row_groups
    for query in (
        "SELECT max(close) FROM prices_adjusted WHERE symbol > 'S07'",
        "FROM prices_adjusted WHERE symbol = 'S07' OR date = '2001-01-01'",
        "SELECT (SELECT count(*) FROM prices), symbol FROM prices_adjusted WHERE symbol = 'S07'",
    ):
        assert place.explain(query).bytes == whole.bytes


#: Each about some symbols in a way of its own: by values, joins, subqueries, unions, and of two views at once.
ADJUSTED = (
    "SELECT * FROM prices_adjusted WHERE symbol = 'B' ORDER BY date",
    "SELECT * FROM prices_adjusted WHERE symbol IN ('A', 'C') AND date > '2024-01-05' ORDER BY symbol, date",
    "SELECT a.date, a.close, b.close FROM prices_adjusted a JOIN prices_adjusted b USING (date) "
    "WHERE a.symbol = 'A' AND b.symbol = 'B' ORDER BY 1",
    "SELECT a.date, a.close, p.close FROM prices_adjusted a JOIN prices p USING (symbol, date) WHERE symbol = 'A' "
    "ORDER BY 1",
    "SELECT symbol, count(*) FROM prices_adjusted WHERE symbol = 'A' OR close > 10 GROUP BY ALL ORDER BY 1",
    "SELECT (SELECT min(date) FROM prices_adjusted), (SELECT max(symbol) FROM prices_adjusted WHERE symbol = 'A')",
    "SELECT (SELECT count(*) FROM prices), (SELECT count(*) FROM prices_adjusted WHERE symbol = 'A')",
    "SELECT symbol FROM prices_adjusted WHERE symbol = 'A' UNION SELECT symbol FROM splits ORDER BY 1",
    "WITH w AS (SELECT * FROM prices_adjusted) SELECT count(*) FROM w WHERE symbol = 'A' OR symbol = 'C'",
    "SELECT symbol, sum(close) OVER (ORDER BY symbol, date) FROM prices_adjusted QUALIFY symbol = 'C' ORDER BY ALL",
    "SELECT count(*) FROM prices_adjusted WHERE symbol = 'nobody'",
    "SELECT count(*) FROM prices_adjusted WHERE symbol = 'A' AND symbol = 'B'",
    "SELECT count(*) FROM prices_adjusted WHERE symbol NOT IN ('A')",
    "SELECT count(*) FROM symbols s LEFT JOIN prices_adjusted p ON s.symbol = p.symbol AND p.symbol = 'A'",
    "SELECT count(*) FROM symbols s WHERE EXISTS (FROM prices_adjusted p WHERE p.symbol = s.symbol AND s.symbol = 'C')",
    "SELECT count(*) FROM prices_adjusted WHERE lower(symbol) = 'a'",
)


@pytest.mark.parametrize("view", ["prices_adjusted", "prices", "raw_prices"])
def test_a_query_about_some_symbols_answers_as_if_all_were_there(tmp_path, monkeypatch, view):
    lake = Lake(tmp_path)
    queries = [query.replace("prices_adjusted", view) for query in ADJUSTED]
    for number, symbol in enumerate("ABC"):
        days = [dt.date(2024, 1, 1) + dt.timedelta(days=n) for n in range(9)]
        event = {"dividend": [None] * 6 + [0.5, None, None], "split": [None] * 8 + [2.0 if symbol == "C" else None]}
        lake.write_rows(rows([symbol], days) | event, fetched_at=dt.datetime(2024, 2, 1 + number, tzinfo=dt.UTC))
    found = [lake.sql(query).fetchall() for query in queries]
    narrowed = []
    monkeypatch.setattr(query_module, "symbols_asked", lambda *args: narrowed.append(symbols_asked(*args)))
    assert [lake.sql(query).fetchall() for query in queries] == found
    assert narrowed[:4] == [["B"], ["A", "C"], ["A", "B"], ["A"]]
    assert narrowed[4:8] + narrowed[9:10] == [None] * 5
    assert narrowed[8] == ["A", "C"]
    assert found[10] == found[11] == [(0,)]


def test_what_cannot_be_asked_cannot_be_explained(lake):
    for query in ("DROP VIEW prices", "SELECT 1; SELECT 2", "FROM duckdb_secrets()", "SELECT nothing FROM prices"):
        with pytest.raises(LakeError):
            lake.explain(query)
