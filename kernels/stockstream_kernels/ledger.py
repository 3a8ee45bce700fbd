"""What a run is made of: records of positions, orders, fills and trades, the account, and every code.

Plain data, shared by the kernels, the event loop and the reports. Bars are numbered by session index; -1 means never.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

type Series = NDArray[np.float64]
type Records = NDArray[Any]

NEVER: Final[int] = np.int64(-1)  # type: ignore[assignment]


def codes(count: int) -> tuple[int, ...]:
    """Return 0 … count - 1 as np.int64: Numba would compile a function again for each literal int it is called with."""
    return tuple(np.int64(number) for number in range(count))  # type: ignore[misc]


# ---- codes -------------------------------------------------------------------------------------------------------

STATUSES: Final = ("waiting", "filled", "partly filled", "cancelled", "expired", "rejected")
WAITING, FILLED, PARTLY_FILLED, CANCELLED, EXPIRED, REJECTED = codes(6)

KINDS: Final = ("market", "limit", "stop", "stop-limit")
MARKET, LIMIT, STOP, STOP_LIMIT = codes(4)

#: How the size of an order is meant.
SIZES: Final = ("all cash", "shares", "value", "weight", "risk", "close", "target weight", "target shares")
ALL_CASH, SHARES, VALUE, WEIGHT, RISK, CLOSE, TARGET_WEIGHT, TARGET_SHARES = codes(8)

REASONS: Final = (
    "",
    "entry signal",
    "exit signal",
    "reversal",
    "rebalance",
    "stop loss",
    "take profit",
    "trailing stop",
    "time exit",
    "margin call",
    "delisted",
    "not filled before the end of the data",
    "no cash left",
    "below the minimum parcel",
    "below one lot",
    "no trade within the waiting time",
    "superseded by a newer decision",
    "cancelled by the strategy",
    "maximum number of positions reached",
    "entry long and short on the same bar",
    "account stopped after ruin",
    "stopped out on this bar",
    "no position to close",
    "price level not reached",
    "size is not a positive number",
    "risk sizing needs a stop",
    "day order ended",
    "position closed",
    "strategy order",
    "volume cap",
    "weights beyond the leverage",
    "dividend reinvested",
    "consolidation fraction",
    "cut to the cash",
    "target already met",
)
(
    NO_REASON,
    ENTRY,
    EXIT,
    REVERSAL,
    REBALANCE,
    STOP_LOSS,
    TAKE_PROFIT,
    TRAILING_STOP,
    TIME_EXIT,
    MARGIN_CALL,
    DELISTED,
    END_OF_DATA,
    NO_CASH,
    BELOW_PARCEL,
    BELOW_LOT,
    NO_TRADE,
    SUPERSEDED,
    CANCELLED_BY_STRATEGY,
    MAX_POSITIONS,
    CONFLICT,
    RUINED,
    STOPPED_TODAY,
    NO_POSITION,
    LEVEL_NOT_REACHED,
    BAD_SIZE,
    NO_STOP,
    DAY_ENDED,
    POSITION_CLOSED,
    BY_STRATEGY,
    VOLUME_CAP,
    BEYOND_LEVERAGE,
    REINVESTED,
    FRACTION_PAID,
    CUT_TO_CASH,
    NOTHING_TO_DO,
) = codes(35)

#: What an order does to a position on the other side: net against it, only reduce it, or close it and open its own.
NET, REDUCE_ONLY, ENTRY_ORDER = codes(3)

#: When in its bar a position was filled; decides which of its levels are live on that bar.
NOT_TODAY, AT_OPEN, BY_LIMIT, BY_STOP, AT_CLOSE = codes(5)

# ---- records -----------------------------------------------------------------------------------------------------

POSITION: Final = np.dtype(
    [
        ("quantity", "f8"),  # shares, negative for a short
        ("mark", "f8"),  # last known price
        ("entry_price", "f8"),  # average fill price of the shares that opened it
        ("entry_notional", "f8"),
        ("exit_notional", "f8"),
        ("entry_shares", "f8"),
        ("exit_shares", "f8"),
        ("fees", "f8"),
        ("income", "f8"),  # dividends and fractions received, negative when paid
        ("stop", "f8"),  # level, NaN without
        ("target", "f8"),
        ("trail", "f8"),  # distance of the trailing stop, NaN without
        ("trail_extreme", "f8"),  # best price since the fill, of completed bars
        ("highest", "f8"),
        ("lowest", "f8"),
        ("opened", "i8"),
        ("bars", "i8"),  # own bars held
        ("most_bars", "i8"),  # time exit after that many own bars, 0 without
        ("filled", "i8"),  # NOT_TODAY, AT_OPEN, …
        ("stopped_on", "i8"),  # session on which an attachment closed it
        ("entry_reason", "i8"),
        ("trail_relative", "i8"),  # 1: trail is a fraction of the extreme
        ("pending", "i8"),  # waiting order of the last decision, NEVER without
        ("traded", "f8"),  # shares filled in session traded_on, for the volume cap
        ("traded_on", "i8"),
        ("tested_stop", "f8"),  # levels that the bar of session tested_on was tested against
        ("tested_target", "f8"),
        ("tested_on", "i8"),
    ],
    align=True,
)

ORDER: Final = np.dtype(
    [
        ("symbol", "i8"),
        ("created", "i8"),
        ("kind", "i8"),
        ("side", "i8"),  # 1 buy, -1 sell, 0 whatever the target needs
        ("size_kind", "i8"),
        ("size", "f8"),
        ("limit", "f8"),
        ("stop", "f8"),
        ("stop_loss", "f8"),  # distance below the fill (fraction or money), NaN without
        ("take_profit", "f8"),
        ("trailing", "f8"),
        ("relative", "i8"),  # bits: 1 stop_loss, 2 take_profit, 4 trailing are fractions of the fill price
        ("most_bars", "i8"),
        ("life", "i8"),  # own bars it may wait, 0 until cancelled
        ("waited", "i8"),
        ("rank", "f8"),  # smaller goes first
        ("effect", "i8"),  # NET, REDUCE_ONLY, ENTRY_ORDER
        ("triggered", "i8"),
        ("status", "i8"),
        ("cause", "i8"),  # why it was made
        ("reason", "i8"),  # why it ended as it did, 0 when simply filled
        ("remaining", "f8"),  # signed shares still to do, without a reversal's way back; NaN until the size is resolved
        ("asked", "f8"),  # signed shares the size came to
        ("filled", "f8"),  # signed shares
        ("fill_price", "f8"),
        ("filled_on", "i8"),
        ("cash", "f8"),  # what could be spent when it was tried
    ],
    align=True,
)

FILL: Final = np.dtype(
    [
        ("order", "i8"),
        ("session", "i8"),
        ("symbol", "i8"),
        ("quantity", "f8"),
        ("price", "f8"),
        ("fee", "f8"),
        ("slippage", "f8"),  # money lost to slippage
        ("reason", "i8"),
    ],
    align=True,
)

TRADE: Final = np.dtype(
    [
        ("symbol", "i8"),
        ("side", "i8"),
        ("entry", "i8"),
        ("exit", "i8"),
        ("entry_price", "f8"),
        ("exit_price", "f8"),
        ("quantity", "f8"),
        ("pnl", "f8"),
        ("fees", "f8"),
        ("income", "f8"),
        ("bars_held", "i8"),
        ("mae", "f8"),
        ("mfe", "f8"),
        ("entry_reason", "i8"),
        ("exit_reason", "i8"),
    ],
    align=True,
)

# ---- market: places of the panels --------------------------------------------------------------------------------

OPEN, HIGH, LOW, PRICE, VOLUME = codes(5)
PRICE_FACTOR, VOLUME_FACTOR, DIVIDEND, SPLIT = codes(4)
HAS_VOLUME, DELISTED_ON = codes(2)

# ---- account and counts: places in small arrays ------------------------------------------------------------------

CASH, LONG_VALUE, SHORT_VALUE, OVERNIGHT_CASH, OVERNIGHT_SHORT, FEES, SLIPPAGE, INTEREST, BORROW, TURNOVER = codes(10)
ACCOUNT_SIZE: Final = 16
UNSETTLED: Final = 10  # proceeds of this session and of the one before, at UNSETTLED and UNSETTLED + 1

#: GUARDED is an upper bound of the positions with a stop or target; RESTING of the waiting orders with a level.
ORDERS, FILLS, TRADES, ACTIVE, HELD, AMBIGUOUS, RUIN, GUARDED, RESTING, EVENTFUL = codes(10)
COUNTS_SIZE: Final = 12


class Book(NamedTuple):
    """Everything that changes during a run."""

    account: Series
    counts: NDArray[np.int64]
    positions: Records
    orders: Records
    active: NDArray[np.int64]
    held: NDArray[np.int64]
    fills: Records
    trades: Records


class Market(NamedTuple):
    """Everything that does not. Few arrays, because every step is handed all of them by value."""

    prices: Series  # (5, S, T): OPEN … VOLUME
    extras: Series  # (4, S, T): PRICE_FACTOR … SPLIT, NaN where there is none; (0, 0, 0) without any
    days: NDArray[np.int64]  # (T,) days since 1970
    listing: NDArray[np.int64]  # (2, S): HAS_VOLUME (0 or 1), DELISTED (session on which a holding ends, or NEVER)


#: Costs, limits and switches of a run, as one record: steps get a pointer to it instead of twenty numbers. Money is in
#: the currency of the bars, rates are fractions, unused rows of the tables have no bound.
TERMS: Final = np.dtype(
    [
        ("tiers", "f8", (12, 3)),  # up to notional, fixed fee, rate of notional
        ("tier_count", "i8"),
        ("ticks", "f8", (12, 2)),  # below price, tick
        ("tick_count", "i8"),
        ("per_share", "f8"),
        ("minimum_fee", "f8"),
        ("slippage", "f8"),
        ("slippage_ticks", "f8"),
        ("lot", "f8"),  # 0 is fractional
        ("parcel", "f8"),  # least notional of a first purchase
        ("participation", "f8"),  # largest share of the day's volume, 0 without
        ("borrow_rate", "f8"),
        ("cash_rate", "f8"),
        ("leverage", "f8"),
        ("maintenance", "f8"),  # least equity / gross exposure
        ("delist_loss", "f8"),
        ("optimistic", "i8"),
        ("settle", "i8"),
        ("reinvest", "i8"),
        ("close_fills", "i8"),
        ("at_decision", "i8"),  # sizes are resolved with the close of the decision
        ("max_positions", "i8"),
    ],
    align=True,
)

type Terms = Any


class Record(NamedTuple):
    """What is kept of every session: (T,) each, and where they are asked for positions (T, S) and levels (2, S, T).

    Levels are the stop and the target that a bar was tested against, NaN without.
    """

    equity: Series
    cash: Series
    long_value: Series
    short_value: Series
    positions: Series  # or (0, 0)
    levels: Series  # or (0, 0, 0); here and not in the book, which every step is handed by value
