"""Athena as its documentation says it reads, by DuckDB: tables over folders, projected partitions, views.

A table is every file below its location; with partition projection it is the files in the folders that the template
and the lists of values name, whether they are there or not, and in none besides. Columns are found by name.
"""

import itertools
import re
from pathlib import Path

import sqlglot
from sqlglot import exp

from stockstream.lake.athena import athena_sql
from stockstream.lake.rows import connect

ADDRESS = "s3://prices/asx"
TYPES = {"string": "VARCHAR", "date": "DATE", "double": "DOUBLE", "bigint": "BIGINT", "boolean": "BOOLEAN"}


def projected(parameters, partitions):
    """Return the folders of a table with their values of the partition columns."""
    assert parameters["projection.enabled"] == "true"
    assert all(parameters[f"projection.{name}.type"] == "enum" for name in partitions)
    values = [parameters[f"projection.{name}.values"].split(",") for name in partitions]
    for each in itertools.product(*values):
        folder = parameters["storage.location.template"]
        for name, value in zip(partitions, each, strict=True):
            folder = folder.replace(f"${{{name}}}", value)
        yield folder, dict(zip(partitions, each, strict=True))


def table(statement, root, changed):
    """Return the query of a table's rows, of the statement that makes it."""
    head, _, tail = statement.partition(")\n")
    columns = {name: TYPES[kind] for name, kind in re.findall(r"^ +`(\w+)` (\w+)", head, re.MULTILINE)}
    (location,) = re.findall(r"LOCATION '(.+)'", tail)
    partitions = re.findall(r"`(\w+)` string", tail)
    parameters = dict(re.findall(r"'([\w.]+)' = '([^']+)'", tail)) | changed
    folders = projected(parameters, partitions) if partitions else [(location, {})]
    found = []
    for folder, values in folders:
        inside = Path(str(root) + folder.removeprefix(ADDRESS))
        files = sorted(inside.glob("*.parquet") if partitions else inside.rglob("*.parquet"))
        literals = "".join(f", '{value}' AS {name}" for name, value in values.items())
        found += [f"SELECT *{literals} FROM read_parquet('{file}')" for file in files]
    nothing = ", ".join(
        f"NULL::{kind} AS {name}" for name, kind in (columns | dict.fromkeys(partitions, "VARCHAR")).items()
    )
    whole = " UNION ALL BY NAME ".join([f"SELECT {nothing} WHERE false", *found])
    return f"SELECT {', '.join([*columns, *partitions])} FROM ({whole})"


def reader(root, changed=None):
    """Return a connection to a lake in a folder, in which the statements of `athena_sql` have been run.

    Parameters
    ----------
    root
        The folder.
    changed
        Parameters of the table ``compacted`` that were changed since it was made.
    """
    connection = connect()
    for name in ("with_timezone", "at_timezone"):
        connection.execute(f"CREATE MACRO {name}(moment, zone) AS timezone(zone, moment)")
    for statement in athena_sql(ADDRESS):
        if "EXTERNAL TABLE" in statement:
            name = re.findall(r"`(\w+)` \(", statement)[0]
            query = table(statement, root, (changed or {}) if name == "compacted" else {})
            connection.execute(f"CREATE VIEW {name} AS {query}")
        elif "VIEW" in statement:
            view = sqlglot.parse_one(statement, read="athena")
            connection.execute(f"CREATE VIEW {view.this.name} AS {in_duckdb(view.expression)}")
    return connection


def in_duckdb(query):
    """Translate a query of Athena's, whose tables stand in the schema that is set."""
    for each in query.find_all(exp.Table):
        each.set("db", None)
    return query.sql(dialect="duckdb")
