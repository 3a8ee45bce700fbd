"""Which compaction Athena reads: one parameter of one table of the Glue catalogue, set after each compaction.

A compaction is worth more than what Athena shows of it, so trouble with the catalogue is told and stops nothing. But
nothing that Athena reads is deleted: only files that were replaced before the last look at the catalogue, and only
when it showed then what had replaced them.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from stockstream.errors import LakeError, ParameterError
from stockstream.lake.athena import SHOWN
from stockstream.lake.bucket_errors import explained
from stockstream.lake.curated import NO_GENERATION, generation, read_manifest

if TYPE_CHECKING:
    from stockstream.lake.compact import Compacted
    from stockstream.lake.lake import Lake
    from stockstream.lake.location import Location

#: How often the table is set while others compact or change it.
_ATTEMPTS: Final = 3

_A_DAY: Final = timedelta(days=1)
_NOTHING_IS_OLD: Final = timedelta(days=36_500)


def compact_and_show(lake: Lake, table: str | None, *, expire: bool = False) -> tuple[Compacted, str | None]:
    """Compact a lake and make Athena read the result.

    Nothing is deleted when the table did not show the last compaction beforehand: Athena may still be reading the files
    of an earlier one. The table is set right first, so the next call deletes what this one left.

    Parameters
    ----------
    lake
        The lake.
    table
        Its table in the Glue catalogue, ``database.table``; None: Athena does not read this lake.
    expire
        As of `Lake.compact`.

    Returns
    -------
    tuple
        What the compaction did, and why Athena still reads an earlier one; None when it does not.

    Raises
    ------
    ParameterError
        The table's name is no name of a database and a table.
    LakeError
        As of `Lake.compact`.
    """
    if table is None:
        return lake.compact(expire=expire), None
    changed, trouble = _shown(lake, table)
    up_to_date = trouble is None and not changed
    compacted = lake.compact(expire=expire and up_to_date, grace=_A_DAY if up_to_date else _NOTHING_IS_OLD)
    return compacted, _shown(lake, table)[1]


def _shown(lake: Lake, table: str) -> tuple[bool, str | None]:
    try:
        return show_compaction(lake, table), None
    except LakeError as error:
        return False, str(error)


def show_compaction(lake: Lake, table: str) -> bool:
    """Make Athena's table ``compacted`` read the last compaction of a lake, and no other.

    Safe beside compactions and beside others who call it: what was set is compared with the lake's manifest again.
    Until it is called after a compaction Athena reads the one before, whose files stay for a day.

    Parameters
    ----------
    lake
        The lake.
    table
        Its table in the Glue catalogue, ``database.table``; `athena_sql` or the Terraform of the pipeline made it.

    Returns
    -------
    bool
        Whether the table showed another compaction before.

    Raises
    ------
    ParameterError
        The table's name is no name of a database and a table.
    LakeError
        The catalogue cannot be reached, refuses, or has no such table; the table reads what it read before.

    Examples
    --------
    >>> show_compaction(None, "compacted")
    Traceback (most recent call last):
    stockstream.errors.ParameterError: expected the name of a table as database.table; found 'compacted'
    """
    if not re.fullmatch(r"[a-z0-9_]+\.[a-z0-9_]+", table):
        message = f"expected the name of a table as database.table; found {table!r}"
        raise ParameterError(message)
    database, _, name = table.partition(".")
    with explained(f"set the table {table}", "Athena reads the compaction it read before."):
        import boto3

        client = boto3.client("glue")
        for attempt in range(_ATTEMPTS):
            found = client.get_table(DatabaseName=database, Name=name)["Table"]
            wanted = _last(lake.location)
            if _parameters(found, table)[SHOWN] == wanted:
                return attempt > 0
            client.update_table(DatabaseName=database, TableInput=_showing(client, found, wanted), SkipArchive=True)
    message = f"the table {table} was set {_ATTEMPTS} times and shows another compaction of {lake.location}. Try again."
    raise LakeError(message)


def _last(location: Location) -> str:
    found = read_manifest(location)
    return NO_GENERATION if found is None else generation(found[0])


def _parameters(found: dict[str, Any], table: str) -> dict[str, str]:
    parameters: dict[str, str] = found.get("Parameters", {})
    if SHOWN not in parameters:
        message = (
            f"expected a table with the parameter {SHOWN}, as stockstream.lake.athena_sql makes it; "
            f"{table} has none. Nothing was changed."
        )
        raise LakeError(message)
    return parameters


def _showing(client: Any, found: dict[str, Any], wanted: str) -> dict[str, Any]:
    """Return the table as it is but for the compaction; an update replaces everything that it does not name."""
    known = client.meta.service_model.shape_for("TableInput").members
    kept = {name: value for name, value in found.items() if name in known}
    return {**kept, "Parameters": {**found["Parameters"], SHOWN: wanted}}
