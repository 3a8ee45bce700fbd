"""A naive twin of the backtest engine: plain objects, one step of a session per method, no speed at all.

Written from the description of the execution model. `Twin(bars, settings).run(decide)` simulates; after the close of
every session `decide(twin, t)` calls `signal`, `weigh`, `order` or `cancel`.
"""

from dataclasses import dataclass, field
from math import inf, isfinite, isnan, nan

from tests.reference.engine_costs import affordable, fee, slipped, volume_cap, whole_lots

LIFE = 5  # own bars that a decision waits
DUST = 1e-9  # of equity, of a quantity: what rounding leaves behind
SIZES = {"volatility": "weight"}


@dataclass
class Order:
    """One order; statuses and reasons are the texts that results show."""

    number: int
    symbol: int
    created: int
    side: int  # 1 buy, -1 sell, 0 whichever its target needs
    size_kind: str
    size: float
    effect: str  # net, reduce, entry
    cause: str
    kind: str = "market"
    limit: float = nan
    stop: float = nan
    stop_loss: float = nan
    take_profit: float = nan
    trailing: float = nan
    fractions: dict = field(default_factory=dict)
    max_bars: int = 0
    life: int = 0
    rank: float = 0.0
    status: str = "waiting"
    reason: str = ""
    waited: int = 0
    triggered: bool = False
    remaining: float = nan
    filled: float = 0.0
    filled_on: int = -1


@dataclass
class Holding:
    """One symbol's position and what hangs on it."""

    quantity: float = 0.0
    mark: float = nan
    stop: float = nan
    target: float = nan
    trail: float = nan
    trail_is_fraction: bool = False
    extreme: float = nan
    opened: int = -1
    opened_by: str = ""  # open, limit, stop, close
    bars: int = 0
    max_bars: int = 0
    left_on: int = -1  # session on which an attachment closed it
    traded: float = 0.0  # today
    pending: Order | None = None

    @property
    def side(self):
        return (self.quantity > 0.0) - (self.quantity < 0.0)


@dataclass
class Fill:
    """One fill."""

    order: int
    session: int
    symbol: int
    quantity: float
    price: float
    fee: float
    reason: str


class Twin:
    """One run."""

    def __init__(self, bars, settings):
        self.bars, self.settings, self.costs = bars, settings, settings.costs
        self.count, self.sessions = bars.shape
        self.prices = {n: getattr(bars, n).tolist() for n in ("open", "high", "low", "close", "volume")}
        self.has_volume = [any(v > 0.0 for v in row) for row in self.prices["volume"]]
        self.days = bars.dates.astype(int).tolist()
        self.cash, self.t, self.ruined, self.ambiguous = settings.cash, 0, False, 0
        self.held = [Holding() for _ in range(self.count)]
        self.orders, self.fills, self.equities, self.cashes = [], [], [], []
        self.proceeds = [0.0] * self.sessions  # of sold holdings, by session
        self.overnight = (settings.cash, 0.0)  # cash that earns (or is borrowed), value of shorts

    def run(self, decide):
        for t in range(self.sessions):
            self.t = t
            for holding in self.held:
                holding.traded = 0.0
            self.events()
            self.at_open()
            self.inside()
            self.accrue()
            self.grow_old()
            self.mark_at("close")
            if not self.ruined:
                decide(self, self.t)
            self.at_close()
            self.margin()
            self.finish()
        for order in self.waiting():
            self.end(order, "expired", "not filled before the end of the data")
        return self

    # ---- reading ---------------------------------------------------------------------------------------------------

    def bar(self, name, s):
        return self.prices[name][s][self.t]

    def present(self, s):
        return not isnan(self.bar("close", s))

    def tradable(self, s):
        return self.present(s) and (not self.has_volume[s] or self.bar("volume", s) > 0.0)

    def panel(self, name, s, otherwise):
        values = getattr(self.bars, name)
        return otherwise if values is None or isnan(values[s, self.t]) else float(values[s, self.t])

    def factor(self, s):
        return self.panel("price_factor", s, 1.0)

    def equity(self):
        return self.cash + sum(h.quantity * h.mark for h in self.held if h.quantity)

    def gross(self):
        return sum(abs(h.quantity) * h.mark for h in self.held if h.quantity)

    def shorts(self):
        return sum(-h.quantity * h.mark for h in self.held if h.quantity < 0.0)

    def waiting(self):
        return [o for o in self.orders if o.status == "waiting"]

    def queue(self):
        return sorted(self.waiting(), key=lambda o: (o.rank, o.symbol, o.number))

    def mark_at(self, name):
        for s, holding in enumerate(self.held):
            if self.present(s) and holding.quantity:
                holding.mark = self.bar(name, s)

    # ---- (1) events ------------------------------------------------------------------------------------------------

    def events(self):
        for s, holding in enumerate(self.held):
            ratio, dividend = self.panel("split", s, 1.0), self.panel("dividend", s, 0.0)
            if ratio != 1.0:
                self.split(s, ratio)
            if dividend and holding.quantity:
                self.pay(holding, dividend)
        for s, holding in enumerate(self.held):
            last = self.bars.delisted.get(self.bars.symbols[s])
            later = [] if last is None else [i for i, d in enumerate(self.bars.dates) if str(d) > last]
            if not later or later[0] != self.t:
                continue
            if holding.quantity:
                self.close_outside(s, holding.mark * (1.0 - self.settings.delist_loss), "delisted")
            for order in [o for o in self.waiting() if o.symbol == s]:
                self.end(order, "cancelled", "delisted")

    def split(self, s, ratio):
        holding = self.held[s]
        holding.quantity *= ratio
        for name in ("mark", "stop", "target", "extreme"):
            setattr(holding, name, getattr(holding, name) / ratio)
        if not holding.trail_is_fraction:
            holding.trail /= ratio
        for order in [o for o in self.waiting() if o.symbol == s]:
            order.limit, order.stop, order.remaining = order.limit / ratio, order.stop / ratio, order.remaining * ratio
            if order.size_kind in ("shares", "target shares"):
                order.size *= ratio
            for name in ("stop_loss", "take_profit", "trailing"):
                if not order.fractions.get(name):
                    setattr(order, name, getattr(order, name) / ratio)
        if self.costs.venue.lot > 0.0:  # an account of whole shares: parts of a share are paid out
            whole = int(abs(holding.quantity) + 1e-9) * holding.side
            if whole == 0 and holding.quantity:
                self.close_outside(s, holding.mark, "consolidation fraction")
            elif abs(holding.quantity - whole) > 1e-9:
                self.cash += (holding.quantity - whole) * holding.mark
                holding.quantity = float(whole)

    def pay(self, holding, dividend):
        if self.settings.dividends == "reinvest" and holding.mark > dividend:
            holding.quantity *= 1.0 + dividend / (holding.mark - dividend)
        else:
            self.cash += holding.quantity * dividend

    def close_outside(self, s, price, reason):
        order = self.submit(s, -self.held[s].side, "close", 0.0, "reduce", reason)
        self.book(order, -self.held[s].quantity, price, price, 0.0)
        self.end(order, "filled", "")

    # ---- (2) the open ----------------------------------------------------------------------------------------------

    def at_open(self):
        self.gaps()
        self.mark_at("open")
        for side in (-1, 1):
            for order in self.queue():
                s = order.symbol
                ready = order.status == "waiting" and order.created < self.t and self.tradable(s)
                if ready and self.direction(order, self.bar("open", s)) == side and self.reached(order, side):
                    self.fill(order, self.bar("open", s), "open")
        for order in self.queue():
            ready = order.side == 0 and order.created < self.t and self.tradable(order.symbol)
            if ready and self.direction(order, self.bar("open", order.symbol)) == 0:
                self.nothing_to_do(order)

    def gaps(self):
        for s, holding in enumerate(self.held):
            if not holding.quantity or not self.tradable(s):
                continue
            price, (level, reason) = self.bar("open", s), self.stop_of(holding)
            if holding.side * (level - price) >= 0.0:
                self.leave(s, price, reason)
            elif holding.side * (price - holding.target) >= 0.0:
                self.leave(s, price, "take profit")

    def reached(self, order, side):
        price = self.bar("open", order.symbol)
        if "stop" in order.kind and not order.triggered:
            if side * (price - order.stop) < 0.0:
                return False
            order.triggered = True
        return "limit" not in order.kind or side * (order.limit - price) >= 0.0

    # ---- (3) inside the bar ----------------------------------------------------------------------------------------

    def inside(self):
        self.attachments(fresh=False)
        for side in (-1, 1):
            for order in self.queue():
                level = order.limit if order.kind == "limit" else order.stop
                if order.kind == "market" or order.created >= self.t or not self.tradable(order.symbol):
                    continue
                if order.status == "waiting" and self.direction(order, level) == side:
                    self.rest(order, side)
        self.attachments(fresh=True)

    def rest(self, order, side):
        s = order.symbol
        low, high = self.bar("low", s), self.bar("high", s)
        best, worst = (low, high) if side > 0 else (high, low)
        if order.kind == "limit" or (order.kind == "stop-limit" and order.triggered):
            if side * (order.limit - best) >= 0.0:
                self.fill(order, order.limit, "limit")
        elif not order.triggered and side * (worst - order.stop) >= 0.0:
            order.triggered = True
            if order.kind == "stop" or side * (order.limit - order.stop) >= 0.0:
                self.fill(order, order.stop, "stop")
            elif side * (order.limit - self.bar("close", s)) >= 0.0:
                self.fill(order, order.limit, "limit")  # the close came after the trigger

    def attachments(self, *, fresh):
        for s, holding in enumerate(self.held):
            is_fresh = holding.opened == self.t and holding.opened_by in ("limit", "stop")
            if holding.quantity and is_fresh == fresh and self.tradable(s):
                self.touch(s, holding, holding.opened_by if is_fresh else "")

    def touch(self, s, holding, opened_by):
        low, high = self.bar("low", s), self.bar("high", s)
        level, reason = self.stop_of(holding)
        stopped = low <= level if holding.side > 0 else high >= level
        aimed = high >= holding.target if holding.side > 0 else low <= holding.target
        aimed = aimed and opened_by != "limit"
        if stopped and (aimed or opened_by == "stop"):
            self.ambiguous += 1
            stopped = self.settings.intrabar == "pessimistic"
        if stopped:
            self.leave(s, level, reason)
        elif aimed:
            self.leave(s, holding.target, "take profit")

    def stop_of(self, holding):
        """Nearer of the two stops, and its name."""
        distance = holding.trail * (holding.extreme if holding.trail_is_fraction else 1.0)
        trailing = holding.extreme - holding.side * distance
        if isnan(trailing) or holding.side * (holding.stop - trailing) >= 0.0:
            return holding.stop, "stop loss"
        return trailing, "trailing stop"

    def leave(self, s, price, reason):
        holding = self.held[s]
        order = self.submit(s, -holding.side, "close", 0.0, "reduce", reason)
        order.kind = {"take profit": "limit", "margin call": "market"}.get(reason, "stop")
        order.created = holding.opened
        holding.left_on = self.t
        self.fill(order, price, "open")
        if holding.quantity:  # the cap on the volume left some: the rest goes at the market
            order.kind = "market"
            holding.stop = holding.target = holding.trail = nan

    # ---- (4) interest ----------------------------------------------------------------------------------------------

    def accrue(self):
        if self.t == 0:
            return
        years = (self.days[self.t] - self.days[self.t - 1]) / 365.0
        cash, shorts = self.overnight
        self.cash += cash * years * (self.costs.cash_rate if cash > 0.0 else self.costs.borrow_rate)
        self.cash -= shorts * years * self.costs.borrow_rate

    # ---- own bars count --------------------------------------------------------------------------------------------

    def grow_old(self):
        for s, holding in enumerate(self.held):
            if not holding.quantity or not self.present(s):
                continue
            if holding.opened < self.t or holding.opened_by == "open":
                holding.bars += 1
                best = max if holding.side > 0 else min
                holding.extreme = best(holding.extreme, self.bar("high" if holding.side > 0 else "low", s))
            if 0 < holding.max_bars <= holding.bars and holding.pending is None:
                holding.pending = self.submit(s, -holding.side, "close", 0.0, "reduce", "time exit")
        for order in self.queue():
            if order.created == self.t or not self.present(order.symbol):
                continue
            order.waited += 1
            if 0 < order.life <= order.waited:
                self.expire(order)

    def expire(self, order):
        tried = not isnan(order.remaining) and self.tradable(order.symbol) and order.kind == "market"
        if order.filled or tried:
            self.end(order, "expired", "volume cap")
        elif order.kind != "market" and self.tradable(order.symbol):
            self.end(order, "expired", "day order ended" if order.life == 1 else "price level not reached")
        else:
            self.end(order, "expired", "no trade within the waiting time")

    # ---- (5) decisions ---------------------------------------------------------------------------------------------

    def signal(self, s, code, levels=None, *, fractions=None, rank=0.0, max_bars=0, size=None):
        """Act on the signals of one bar: 1 enter long, 2 exit long, 4 enter short, 8 exit short."""
        holding = self.held[s]
        long_in, long_out, short_in, short_out = (bool(code & bit) for bit in (1, 2, 4, 8))
        kind = SIZES.get(self.settings.sizing.kind, self.settings.sizing.kind).replace("_", " ")
        size = self.settings.sizing.amount if size is None else size
        if (long_in and short_in) or ((long_in or short_in) and holding.left_on == self.t):
            order = self.submit(s, 1 if long_in else -1, kind, size, "entry", "entry signal")
            conflict = long_in and short_in
            reason = "entry long and short on the same bar" if conflict else "stopped out on this bar"
            self.end(order, "rejected", reason)
            long_in = short_in = False
        heading = holding.side
        if holding.pending is not None:
            heading = 0 if holding.pending.size_kind == "close" else holding.pending.side
        goals = {1: long_in and heading <= 0, -1: short_in and heading >= 0}
        goals[0] = (long_out and heading > 0) or (short_out and heading < 0)
        goal = next((side for side, asked in goals.items() if asked), heading)
        if goal == heading:
            return
        if holding.pending is not None:
            self.end(holding.pending, "cancelled", "superseded by a newer decision")
        if goal == holding.side:
            return
        if goal == 0:
            order = self.submit(s, -holding.side, "close", 0.0, "reduce", "exit signal")
        else:
            order = self.submit(s, goal, kind, size, "entry", "reversal" if holding.side else "entry signal")
        for name, value in (levels or {}).items():
            setattr(order, name, value)
        order.fractions, order.rank, order.max_bars, order.life = fractions or {}, rank, max_bars, LIFE
        holding.pending = order
        if self.settings.sizing.at == "decision" and goal:
            self.size_now(order)

    def size_now(self, order):
        """Resolve a size with the close of the decision; only all cash looks at the cash already."""
        price = self.bar("close", order.symbol)
        order.remaining = self.wanted(order, price, price)
        if not isfinite(order.remaining):
            order.remaining = self.within_cash(order, order.remaining, price)
        order.remaining -= self.way_back(order)
        if order.remaining == 0.0:
            order.remaining = nan

    def weigh(self, s, weight, threshold, equity):
        """Order the way to a weight, unless it is near enough."""
        holding = self.held[s]
        if holding.pending is not None:
            self.end(holding.pending, "cancelled", "superseded by a newer decision")
        now = holding.quantity * holding.mark / equity if holding.quantity else 0.0
        if weight == now or (weight != 0.0 and abs(weight - now) <= threshold):
            return
        holding.pending = self.submit(s, 0, "target weight", weight, "net", "rebalance")
        holding.pending.life = LIFE

    def order(self, s, side, size_kind, size, **details):
        """Order as an event strategy does."""
        effect = "reduce" if size_kind == "close" else "net"
        order = self.submit(s, side, size_kind, size, effect, "strategy order")
        order.life = LIFE
        for name, value in details.items():
            setattr(order, name, value)

    def cancel(self, s):
        for order in [o for o in self.queue() if o.symbol == s]:
            self.end(order, "cancelled", "cancelled by the strategy")

    def submit(self, s, side, size_kind, size, effect, cause):
        self.orders.append(Order(len(self.orders), s, self.t, side, size_kind, size, effect, cause))
        return self.orders[-1]

    def end(self, order, status, reason):
        order.status = "partly filled" if order.filled and status != "filled" else status
        order.reason = reason
        if self.held[order.symbol].pending is order:
            self.held[order.symbol].pending = None

    # ---- (6) the close, (7) the mark -------------------------------------------------------------------------------

    def at_close(self):
        if self.settings.fill != "close":
            return
        for side in (-1, 1):
            for order in self.queue():
                s = order.symbol
                ready = order.status == "waiting" and order.kind == "market" and self.tradable(s)
                if ready and self.direction(order, self.bar("close", s)) == side:
                    self.fill(order, self.bar("close", s), "close")

    def margin(self):
        gross = self.gross()
        if gross > 0.0 and self.equity() < self.settings.maintenance * gross:
            for s, holding in enumerate(self.held):
                if holding.quantity and self.tradable(s):
                    self.leave(s, self.bar("close", s), "margin call")

    def finish(self):
        equity = self.equity()
        self.equities.append(equity)
        self.cashes.append(self.cash)
        self.ruined = self.ruined or equity <= 0.0
        free = self.cash - self.shorts()
        if free > 0.0 and self.costs.venue.settlement:
            free = max(free - sum(self.proceeds[max(self.t - 1, 0) : self.t + 1]), 0.0)
        self.overnight = (free, self.shorts())

    # ---- a fill ----------------------------------------------------------------------------------------------------

    def fill(self, order, clean, when):
        """Fill an order at a price, as far as size, cash, lots and the cap on the volume allow."""
        s, factor = order.symbol, self.factor(order.symbol)
        if self.ruined and order.effect != "reduce":
            self.end(order, "rejected", "account stopped after ruin")
            return
        side = self.direction(order, clean)
        if side == 0:
            self.nothing_to_do(order)
            return
        price = slipped(self.costs, clean, side, factor) if order.kind in ("market", "stop") else clean
        quantity = self.resolved(order, price, clean, side)
        if order.status != "waiting":
            return
        cap = self.room(s)
        if abs(quantity) > cap * (1.0 + DUST):
            done = side * whole_lots(self.costs, cap, factor)
            order.remaining = quantity - done - self.way_back(order, done)
            if done == 0.0:
                return
            self.execute(order, done, price, clean, when)
            return
        self.execute(order, quantity, price, clean, when)
        self.end(order, "filled", order.reason)

    def nothing_to_do(self, order):
        if isnan(order.size):
            self.end(order, "rejected", "size is not a positive number")
        else:
            self.end(order, "cancelled", "target already met")

    def room(self, s):
        """Shares that the cap on the volume leaves today; what rounding leaves is nothing."""
        if self.costs.participation == 0.0 or not self.has_volume[s]:
            return inf
        cap = volume_cap(self.costs, self.bar("volume", s), self.factor(s), self.panel("volume_factor", s, 1.0))
        left = cap - self.held[s].traded
        return left if left > DUST * cap else 0.0

    def direction(self, order, price):
        if order.side:
            return order.side
        quantity = self.wanted(order, price, price) if isnan(order.remaining) else order.remaining
        return (quantity > 0.0) - (quantity < 0.0)

    def wanted(self, order, price, clean):
        """Signed shares that the size comes to, before cash, lots and caps."""
        held, equity = self.held[order.symbol].quantity, self.equity()
        if order.size_kind in ("close", "target shares", "target weight"):
            goal = {"close": 0.0, "target shares": order.size, "target weight": order.size * equity / price}
            return goal[order.size_kind] - held
        quantity = {
            "all cash": inf,
            "shares": order.size,
            "value": order.size / clean,
            "weight": order.size * equity / price,
            "risk": order.size * equity / (order.stop_loss * (price if order.fractions.get("stop_loss") else 1.0)),
        }[order.size_kind]
        return order.side * quantity + self.way_back(order)

    def way_back(self, order, done=0.0):
        """Shares that a reversal needs to leave the other side; what remains of an order never counts them."""
        held = self.held[order.symbol].quantity + done
        return -held if order.effect == "entry" and held * order.side < 0.0 else 0.0

    def resolved(self, order, price, clean, side):
        """Signed shares to trade now; 0 after ending the order."""
        holding = self.held[order.symbol]
        held = holding.quantity
        quantity = order.remaining + self.way_back(order)
        if isnan(quantity) or order.size_kind == "close":
            quantity = self.wanted(order, price, clean)
        sized = order.size_kind in ("shares", "value", "weight", "risk")
        if isnan(quantity) or (sized and not order.size > 0.0):
            stopless = order.size_kind == "risk"
            self.end(order, "rejected", "risk sizing needs a stop" if stopless else "size is not a positive number")
        elif order.effect == "reduce" and held * quantity >= 0.0:
            self.end(order, "cancelled", "no position to close")
        elif quantity * side <= 0.0:  # slippage alone is more than the way to the target
            self.end(order, "cancelled", "no position to close" if order.side else "target already met")
        elif held == 0.0 and sum(h.quantity != 0.0 for h in self.held) >= (self.settings.max_positions or inf):
            self.end(order, "rejected", "maximum number of positions reached")
        else:
            if order.effect == "reduce":
                quantity = side * min(abs(quantity), abs(held))
            return self.fitted(order, quantity, price, side)
        return 0.0

    def fitted(self, order, quantity, price, side):
        held, factor = self.held[order.symbol].quantity, self.factor(order.symbol)
        paid = self.within_cash(order, quantity, price)
        if paid == 0.0:
            self.end(order, "rejected", "no cash left")
            return 0.0
        if abs(paid) < abs(quantity) * (1.0 - DUST) and isfinite(quantity) and "weight" not in order.size_kind:
            order.reason = "cut to the cash"
        if paid == -held:
            return paid
        whole = side * whole_lots(self.costs, abs(paid), factor)
        if whole == 0.0:
            self.end(order, "rejected", "below one lot")
        elif held == 0.0 and side > 0 and whole * price < self.costs.venue.parcel:
            self.end(order, "rejected", "below the minimum parcel")
        return whole

    def within_cash(self, order, quantity, price):
        """Cut what adds exposure to the buying power, and to the budget of a weight; the fee is part of the cost."""
        held = self.held[order.symbol]
        side = 1.0 if quantity > 0.0 else -1.0
        closing = min(abs(held.quantity), abs(quantity)) if held.quantity * quantity < 0.0 else 0.0
        if abs(quantity) <= closing:
            return quantity
        equity, gross = self.equity(), self.gross()
        if closing:  # the account once the old side is gone
            equity += side * closing * (held.mark - price)
            gross -= closing * held.mark
        power = equity * self.settings.leverage - gross
        if order.size_kind == "weight":
            power = min(power, order.size * equity)
        if order.size_kind == "target weight":
            power = min(power, abs(order.size) * equity - (0.0 if closing else abs(held.quantity) * price))
        if power <= DUST * max(self.equity(), 0.0):
            return -held.quantity if closing else 0.0
        most = affordable(self.costs, power + closing * price, price, self.factor(order.symbol))
        return side * max(min(abs(quantity), most), closing)

    def execute(self, order, quantity, price, clean, when):
        """Trade, and give a new position the levels of its order."""
        holding = self.held[order.symbol]
        opened = holding.quantity == 0.0 or holding.quantity * (holding.quantity + quantity) < 0.0
        self.book(order, quantity, price, clean, fee(self.costs, abs(quantity), price, self.factor(order.symbol)))
        if not opened:
            return
        side = holding.side
        distance = {
            n: getattr(order, n) * (price if order.fractions.get(n) else 1.0) for n in ("stop_loss", "take_profit")
        }
        holding.stop, holding.target = price - side * distance["stop_loss"], price + side * distance["take_profit"]
        holding.trail, holding.trail_is_fraction = order.trailing, bool(order.fractions.get("trailing"))
        holding.extreme, holding.max_bars = price, order.max_bars
        holding.opened, holding.opened_by, holding.bars = self.t, when, 0

    def book(self, order, quantity, price, clean, charge):
        """Move cash and shares; a position that is gone takes the orders that only reduce it along."""
        s = order.symbol
        holding = self.held[s]
        self.cash -= quantity * price + charge
        if holding.quantity > 0.0 > quantity:
            sold = min(-quantity, holding.quantity)
            self.proceeds[self.t] += max(sold * price - charge * sold / -quantity, 0.0)
        self.fills.append(Fill(order.number, self.t, s, quantity, price, charge, order.cause))
        order.filled, order.filled_on = order.filled + quantity, self.t
        before = holding.side
        holding.quantity += quantity
        holding.traded += abs(quantity)
        if before == 0 or holding.side == -before:
            holding.mark = clean
        if before and holding.side != before:
            for other in [o for o in self.queue() if o.symbol == s and o.effect == "reduce" and o is not order]:
                self.end(other, "cancelled", "position closed")
