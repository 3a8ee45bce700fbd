"""Functions that a user's query may not call: those that act instead of answering, and those that tell of credentials.

A SELECT can call functions that switch logging to a file (which ends the process when files are out of reach), run a
text as another query, or list the secrets by which a bucket is read. DuckDB masks the secret key itself, but neither
the id of the key nor the address.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from stockstream.errors import LakeError

if TYPE_CHECKING:
    import duckdb

_NAMES: Final = (
    r"\w*secret\w*|(?:en|dis)able_\w+|duckdb_log\w*|\w+_duckdb_logs|write_log|(?:force_)?checkpoint|query|"
    r"json_execute_serialized_sql|read_duckdb"
)
_NAME: Final = re.compile(_NAMES, re.IGNORECASE)
_CALLED: Final = re.compile(r'"function_name":"([^"]*)"')
_CALL: Final = re.compile(rf'\b({_NAMES})"?\s*\(', re.IGNORECASE)


def refuse_forbidden(connection: duckdb.DuckDBPyConnection, query: str) -> None:
    """Refuse a query that calls a function which acts, or which tells of credentials.

    Parameters
    ----------
    connection
        Any connection: the query is taken apart there and not run.
    query
        One statement.

    Raises
    ------
    LakeError
        It calls such a function; the message names it.
    """
    tree = connection.execute("SELECT json_serialize_sql($query)", {"query": query}).fetchone()
    text = "" if tree is None else str(tree[0])
    # A PIVOT has no such tree; there the names are looked for in the text, so a text that merely holds one is refused.
    called = _CALLED.findall(text) if text.startswith('{"error":false') else _CALL.findall(query)
    found = next((name for name in called if _NAME.fullmatch(name)), None)
    if found is not None:
        message = f"a query over a lake may not call {found}: it answers nothing about prices. See SHOW TABLES."
        raise LakeError(message)
