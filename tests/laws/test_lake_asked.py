"""A law of the lake: a query answers the same whether the views are made of the symbols it asks about or of all."""

import datetime as dt
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stockstream.lake import Lake
from stockstream.lake import query as query_module
from stockstream.lake.asked import symbols_asked

SYMBOLS = ("A", "B", "C", "it's", "x\ny")  # of the lake; the last two are hard to tell from a text
OTHERS = ("nobody", "", "symbol = 'A'", "optional: ", "A' OR 'B", "\nsymbol = '\n")
DAYS = [dt.date(2024, 1, 1) + dt.timedelta(days=number) for number in range(4)]
VIEWS = ("prices", "raw_prices", "prices_adjusted")


@dataclass(frozen=True)
class Condition:
    """A condition in SQL, the same in Python, and the symbols that a row must have one of: None where it may be any."""

    sql: str
    holds: object
    names: frozenset[str] | None


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def equal(name):
    return Condition(f"symbol = {quoted(name)}", lambda row: row[0] == name, frozenset([name]))


def turned(name):
    return Condition(f"{quoted(name)} = symbol", lambda row: row[0] == name, frozenset([name]))


def member(names):
    return Condition(f"symbol IN ({', '.join(map(quoted, names))})", lambda row: row[0] in names, frozenset(names))


def above(name):
    return Condition(f"symbol > {quoted(name)}", lambda row: row[0] > name, None)


def different(name):
    return Condition(f"symbol <> {quoted(name)}", lambda row: row[0] != name, None)


def since(day):
    return Condition(f"date >= DATE '{day}'", lambda row: row[1] >= day, None)


def dearer(price):
    return Condition(f"close > {price}", lambda row: row[2] > price, None)


def negated(one):
    return Condition(f"NOT ({one.sql})", lambda row: not one.holds(row), None)


def joined(word, parts):
    texts = [f"({part.sql})" for part in parts]
    known = [part.names for part in parts if part.names is not None]
    if word == "OR":
        names = frozenset().union(*known) if len(known) == len(parts) else None
        return Condition(" OR ".join(texts), lambda row: any(part.holds(row) for part in parts), names)
    names = frozenset.intersection(*known) if known else None
    return Condition(" AND ".join(texts), lambda row: all(part.holds(row) for part in parts), names)


symbols = st.sampled_from(SYMBOLS) | st.sampled_from(OTHERS)
naming = symbols.map(equal) | symbols.map(turned) | st.lists(symbols, min_size=1, max_size=3).map(member)
others = st.sampled_from(DAYS).map(since) | st.sampled_from([5.0, 10.0, 12.5]).map(dearer)
leaves = naming | symbols.map(above) | symbols.map(different) | others


def trees(of):
    return st.recursive(
        of,
        lambda inner: (
            st.tuples(st.sampled_from(["OR", "AND"]), st.lists(inner, min_size=2, max_size=3)).map(
                lambda pair: joined(*pair)
            )
            | inner.map(negated)
        ),
        max_leaves=8,
    )


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    lake = Lake(tmp_path_factory.mktemp("asked") / "lake")
    count = len(SYMBOLS) * len(DAYS)
    level = [8.0 + number % 5 for number in range(count)]
    columns = {
        "symbol": [name for name in SYMBOLS for _ in DAYS],
        "date": DAYS * len(SYMBOLS),
        **dict.fromkeys(("open", "high", "low", "close"), level),
        "volume": [1] * count,
    }
    lake.write_rows(columns, fetched_at=dt.datetime(2024, 2, 1, tzinfo=dt.UTC))
    return lake


@pytest.fixture(scope="module")
def rows(lake):
    """Give symbol, date and close of all rows of each view."""
    found = {view: lake.sql(f"SELECT symbol, date, close FROM {view} ORDER BY ALL").fetchall() for view in VIEWS}
    assert [len(each) for each in found.values()] == [len(SYMBOLS) * len(DAYS)] * len(VIEWS)
    return found


def answers_as_if_all_were_there(lake, rows, condition, view):
    asked = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(query_module, "symbols_asked", lambda *args: asked.append(symbols_asked(*args)) or asked[-1])
        found = lake.sql(f"SELECT symbol, date, close FROM {view} WHERE {condition.sql} ORDER BY ALL").fetchall()
    assert found == [row for row in rows[view] if condition.holds(row)]
    assert asked[-1] is None or {row[0] for row in found} <= set(asked[-1])
    return asked[-1]


@settings(max_examples=12)
@given(trees(leaves), st.sampled_from(VIEWS))
def test_a_condition_gives_the_rows_that_it_holds_for(lake, rows, condition, view):
    answers_as_if_all_were_there(lake, rows, condition, view)


@pytest.mark.slow
@settings(max_examples=600)
@given(trees(leaves), st.sampled_from(VIEWS))
def test_a_condition_gives_the_rows_that_it_holds_for_at_length(lake, rows, condition, view):
    answers_as_if_all_were_there(lake, rows, condition, view)


@settings(max_examples=8)
@given(st.lists(naming, min_size=2, max_size=4), st.lists(others, max_size=2), st.sampled_from(VIEWS))
def test_where_every_branch_names_symbols_these_are_read_alone(lake, rows, branches, more, view):
    nested = joined("OR", [branches[0], joined("OR", branches[1:])])
    asked = answers_as_if_all_were_there(lake, rows, joined("AND", [nested, *more]), view)
    lines = any("\n" in name for name in nested.names)  # a plan shows them as lines, of which nothing is concluded
    assert asked == (None if lines else sorted(nested.names))
