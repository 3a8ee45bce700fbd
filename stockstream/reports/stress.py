"""A stress test as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stockstream.research.stress import Stress


def stress_table(stress: Stress) -> dict[str, Any]:
    """Return the verdict, the rows as texts and the notes."""
    return {"verdict": stress.verdict, "rows": [_row(row) for row in stress.frame.to_dicts()], "notes": stress.notes}


def _row(row: dict[str, Any]) -> dict[str, str]:
    if row["profitable"] is None:
        return {"change": row["change"], "note": f"could not be run: {row['note']}"}
    return {
        "change": row["change"],
        "note": "",
        "total_return": f"{row['total_return']:+.2%}",
        "sharpe": f"{row['sharpe']:.2f}" if row["sharpe"] == row["sharpe"] else "n/a",
        "max_drawdown": f"{row['max_drawdown']:.2%}",
        "trades": f"{row['trades']:,}",
        "left": "yes" if row["profitable"] else "no",
        "sign": "up" if row["total_return"] > 0 else "down" if row["total_return"] < 0 else "",
    }
