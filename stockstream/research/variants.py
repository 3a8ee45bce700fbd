"""Settings that a sweep may vary beside the parameters of the strategy: costs, sizing, leverage."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import polars as pl
    from numpy.typing import NDArray

    from stockstream.backtesting.engine import Settings


def _cost(name: str) -> Callable[[Settings, float], Settings]:
    """Return the change of one figure of the costs; a commission is its rate, slippage its rate, parts by a dot."""
    part, _, figure = name.partition(".")

    def change(settings: Settings, value: float) -> Settings:
        changes: dict[str, Any] = {part: value}
        if part in ("commission", "slippage", "venue"):
            held: Any = getattr(settings.costs, part)
            changes = {part: replace(held, **{figure or "rate": value})}
        return replace(settings, costs=replace(settings.costs, **changes))

    return change


def _setting(name: str) -> Callable[[Settings, float], Settings]:
    def change(settings: Settings, value: float) -> Settings:
        whole: Any = int(value) if name == "max_positions" and float(value).is_integer() else value
        return replace(settings, **{name: whole})

    return change


def _sizing(name: str) -> Callable[[Settings, float], Settings]:
    def change(settings: Settings, value: float) -> Settings:
        made: Any = int(value) if name == "window" else value
        return replace(settings, sizing=replace(settings.sizing, **{name: made}))

    return change


COSTS: Final = (
    "commission",
    "commission.minimum",
    "commission.per_share",
    "slippage",
    "slippage.ticks",
    "borrow_rate",
    "cash_rate",
    "participation",
    "venue.lot",
    "venue.parcel",
)
PLAIN: Final = ("cash", "leverage", "maintenance", "max_positions", "delist_loss", "risk_free")

#: Key of a grid -> how it changes settings.
OPTIONS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    **{f"costs.{name}": _cost(name) for name in COSTS},
    **{f"sizing.{name}": _sizing(name) for name in ("amount", "window")},
    **{f"settings.{name}": _setting(name) for name in PLAIN},
}


def variants(
    table: pl.DataFrame, names: Sequence[str], settings: Settings
) -> tuple[list[Settings | str], NDArray[np.int64]]:
    """Return the distinct settings of a table of combinations, and ``(C,)``: which of them each combination has.

    Settings that cannot be are a text, the reason.
    """
    if not names:
        return [settings], np.zeros(table.height, dtype=np.int64)
    distinct = table.select(names).unique(maintain_order=True).with_row_index("_variant")
    which = table.select(names).join(distinct, on=list(names), how="left", maintain_order="left")["_variant"]
    made = [_changed(settings, row) for row in distinct.drop("_variant").iter_rows(named=True)]
    return made, which.to_numpy().astype(np.int64)


def _changed(settings: Settings, values: dict[str, Any]) -> Settings | str:
    from stockstream.errors import StockstreamError

    try:
        for name, value in values.items():
            settings = OPTIONS[name](settings, value)
    except StockstreamError as error:
        return str(error)
    return settings


def with_options(settings: Settings, values: dict[str, Any]) -> Settings:
    """Return settings with some of the options changed.

    Raises
    ------
    ParameterError
        A value that makes no sense.

    Examples
    --------
    >>> from stockstream.backtesting.engine import settings_of
    >>> with_options(settings_of(), {"costs.commission": 0.002}).costs.commission.rate
    0.002
    """
    for name, value in values.items():
        settings = OPTIONS[name](settings, value)
    return settings
