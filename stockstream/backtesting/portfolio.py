"""The view of a running account that strategies get: reads only, and always of this instant."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from stockstream_kernels import ledger

from stockstream.errors import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date


@dataclass(frozen=True)
class Position:
    """Shares of one symbol that are held; a short has a negative quantity."""

    symbol: str
    quantity: float
    entry_price: float
    entry_date: date


@dataclass(frozen=True)
class ClosedPosition:
    """A round trip; pnl is net of both fees."""

    symbol: str
    quantity: float
    entry_price: float
    entry_date: date
    exit_price: float
    exit_date: date
    pnl: float


@dataclass(frozen=True)
class Transaction:
    """One fill; a sale has a negative quantity."""

    date: date
    symbol: str
    quantity: float
    price: float
    fee: float
    reason: str


@dataclass(frozen=True)
class Order:
    """An order as `Strategy.on_order_filled` sees it."""

    number: int
    symbol: str
    created: date
    kind: str
    quantity: float
    price: float
    status: str
    reason: str


class Portfolio:
    """Cash, equity, open and closed positions and transactions at this instant.

    Everything but the equity changes only with a fill, so it is read once and kept until the next one.
    """

    def __init__(
        self, books: list[ledger.Book], symbols: tuple[str, ...], days: list[date], sync: Callable[[], None]
    ) -> None:
        self._books = books
        self._symbols = symbols
        self._days = days
        self._sync = sync
        self._fresh()

    @property
    def _book(self) -> ledger.Book:
        return self._books[0]

    def _fresh(self) -> None:
        """Forget what was read: something was filled."""
        self._positions: Mapping[str, Position] | None = None

    def _end(self) -> None:
        """Stay with what is there: the run is over."""
        self._sync = _nothing_to_do

    @property
    def cash(self) -> float:
        """Cash, proceeds of shorts included."""
        return float(self._book.account[ledger.CASH])

    @property
    def equity(self) -> float:
        """Cash plus positions at their last known prices."""
        self._sync()
        account = self._book.account
        return float(account[ledger.CASH] + account[ledger.LONG_VALUE] - account[ledger.SHORT_VALUE])

    @property
    def positions(self) -> Mapping[str, Position]:
        """Open positions by symbol; read only."""
        if self._positions is None:
            rows = self._book.held[: self._book.counts[ledger.HELD]].tolist()
            self._positions = MappingProxyType({self._symbols[row]: self._position(row) for row in rows})
        return self._positions

    def _position(self, row: int) -> Position:
        held = self._book.positions[row]
        return Position(
            self._symbols[row], float(held["quantity"]), float(held["entry_price"]), self._days[held["opened"]]
        )

    @property
    def closed_positions(self) -> list[ClosedPosition]:
        """Round trips, oldest first."""
        return [
            ClosedPosition(
                self._symbols[trade["symbol"]],
                float(trade["side"] * trade["quantity"]),
                float(trade["entry_price"]),
                self._days[trade["entry"]],
                float(trade["exit_price"]),
                self._days[trade["exit"]],
                float(trade["pnl"]),
            )
            for trade in self._book.trades[: self._book.counts[ledger.TRADES]]
        ]

    @property
    def transactions(self) -> list[Transaction]:
        """Fills, oldest first."""
        return [
            Transaction(
                self._days[fill["session"]],
                self._symbols[fill["symbol"]],
                float(fill["quantity"]),
                float(fill["price"]),
                float(fill["fee"]),
                ledger.REASONS[fill["reason"]],
            )
            for fill in self._book.fills[: self._book.counts[ledger.FILLS]]
        ]

    def order(self, number: int) -> Order:
        """Return an order by its number."""
        row = self._book.orders[number]
        return Order(
            number,
            self._symbols[row["symbol"]],
            self._days[row["created"]],
            ledger.KINDS[row["kind"]],
            float(row["filled"]),
            float(row["fill_price"]),
            ledger.STATUSES[row["status"]],
            ledger.REASONS[row["cause"]],
        )

    def __repr__(self) -> str:
        held = counted(len(self.positions), "position")
        return f"Portfolio: equity {self.equity:,.2f}, cash {self.cash:,.2f}, {held}"


def _nothing_to_do() -> None:
    """Bring nothing up to date."""
