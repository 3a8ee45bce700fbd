"""Names, types and keys of the rows in a lake: written once, used by every reader and writer."""

from __future__ import annotations

from typing import Final

OHLCV: Final = ("open", "high", "low", "close", "volume")
PRICES: Final = ("open", "high", "low", "close")

#: Column name -> DuckDB type of one price row, in file order.
ROW_TYPES: Final[dict[str, str]] = {
    "symbol": "VARCHAR",
    "date": "DATE",
    "open": "DOUBLE",
    "high": "DOUBLE",
    "low": "DOUBLE",
    "close": "DOUBLE",
    "volume": "BIGINT",
    "adjusted_close": "DOUBLE",
    "fetch_timestamp": "VARCHAR",
}

#: Columns an imported file may carry besides.
EVENT_COLUMNS: Final = ("dividend", "split")

#: The least a file must carry to become rows.
REQUIRED_COLUMNS: Final = ("symbol", "date", "open", "high", "low", "close", "volume")

#: What identifies one bar; versions of it differ by fetch_timestamp.
KEY: Final = ("symbol", "date")

#: What a row says of its bar.
CONTENT: Final = tuple(name for name in ROW_TYPES if name not in (*KEY, "fetch_timestamp"))
