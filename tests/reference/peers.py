"""The same strategies run by `vectorbt` and `backtesting`, set up so that their rules are ours where they can be.

Nothing here knows stockstream. vectorbt takes a quarter of a minute to load and compile, so what it answers is kept in
`tests/fixtures/vectorbt.json`; ``python -m tests.reference.peers`` writes that file anew, and a slow test compares it.
"""

import json
import sys
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from backtesting import Backtest, Strategy

FIXTURE = Path(__file__).resolve().parents[1] / "fixtures" / "vectorbt.json"
CASH = 100_000.0


@dataclass(frozen=True)
class Scenario:
    """One strategy on one market: a cross of two averages, how it is filled, sized and guarded."""

    market: str
    reverse: bool = False
    fast: int = 10
    slow: int = 30
    fill: str = "next_open"
    commission: float = 0.001
    slippage: float = 0.0005
    stop_loss: float | None = None
    take_profit: float | None = None
    trailing: float | None = None
    sizing: tuple[str, float] = ("all_cash", 1.0)

    @property
    def guarded(self):
        """Whether positions have levels."""
        return any(level is not None for level in (self.stop_loss, self.take_profit, self.trailing))


def _scenarios():
    kinds = {
        "crossover": Scenario(""),
        "reversal": Scenario("", reverse=True),
        "reversal of a fixed value": Scenario("", reverse=True, sizing=("value", 30_000.0)),
        "stop and target": Scenario("", fill="close", slippage=0.0, stop_loss=0.04, take_profit=0.08),
        "stop of both sides": Scenario("", reverse=True, fill="close", stop_loss=0.03),
        "trailing stop": Scenario("", fill="close", trailing=0.06),
        "trailing stop of both sides": Scenario(
            "", reverse=True, fill="close", slippage=0.0, trailing=0.06, take_profit=0.5
        ),
        "fixed fraction": Scenario("", sizing=("weight", 0.3)),
    }
    single = {f"{name}, {m}": replace(kind, market=m) for name, kind in kinds.items() for m in ("GOOG", "walk", "wild")}
    shared = {
        "two symbols share the cash": Scenario("pair", sizing=("value", 70_000.0)),
        "two symbols share the cash, stopped": Scenario(
            "pair", sizing=("value", 70_000.0), fill="close", stop_loss=0.05
        ),
        "two symbols share the cash, reversing": Scenario("pair", reverse=True, sizing=("value", 30_000.0)),
    }
    return single | shared


SCENARIOS = _scenarios()

QUIET = (10.0, 10.0, 10.0, 10.0)


@dataclass(frozen=True)
class Difference:
    """Bars after a first quiet one on which the rules part: 50 shares bought by a signal on session 1."""

    rows: tuple
    theirs: tuple
    ours: tuple
    fill: str = "close"
    slippage: float = 0.0
    stop_loss: float | None = 0.1
    take_profit: float | None = 0.2

    @property
    def levels(self):
        """The levels that are there."""
        levels = {"stop_loss": self.stop_loss, "take_profit": self.take_profit}
        return {name: level for name, level in levels.items() if level}


DIFFERENCES = {
    "a gap over the target, then a fall through the stop": Difference(
        (QUIET, QUIET, (13.0, 13.0, 8.0, 8.0), QUIET), theirs=(10.0, 9.0), ours=(10.0, 13.0)
    ),
    "a stop on the bar of an open fill": Difference(
        (QUIET, (10.0, 10.0, 8.0, 10.0), QUIET), theirs=(10.0,), ours=(10.0, 9.0), fill="next_open"
    ),
    "slippage of a target": Difference(
        (QUIET, (10.0, 13.0, 10.0, 13.0), QUIET), theirs=(10.1, 12.12 * 0.99), ours=(10.1, 12.12), slippage=0.01
    ),
    "a day without a bar": Difference(
        (QUIET, None, QUIET, QUIET), theirs=(), ours=(10.0,), fill="next_open", stop_loss=None, take_profit=None
    ),
}


def market(name):
    """Return open, high, low, close (S, T) of a market: GOOG from `backtesting.test`, or walks from fixed seeds."""
    if name == "GOOG":
        from backtesting.test import GOOG

        return {column.lower(): GOOG[column].to_numpy(float)[None, :] for column in ("Open", "High", "Low", "Close")}
    seeds, step = {"walk": ([11], 0.012), "wild": ([12], 0.04), "pair": ([13, 14], 0.02)}[name]
    walks = [walk(seed, step) for seed in seeds]
    return {column: np.stack([one[column] for one in walks]) for column in walks[0]}


def walk(seed, step, bars=1500):
    """Return a walk whose opens gap away from the closes before them."""
    rng = np.random.default_rng(seed)
    close = 50.0 * np.exp(np.cumsum(rng.normal(0.0, step, bars)))
    open_ = np.concatenate([[50.0], close[:-1]]) * np.exp(rng.normal(0.0, step / 2, bars))
    high = np.maximum(open_, close) * np.exp(np.abs(rng.normal(0.0, step / 3, bars)))
    low = np.minimum(open_, close) * np.exp(-np.abs(rng.normal(0.0, step / 3, bars)))
    return {"open": open_, "high": high, "low": low, "close": close}


def crosses(close, fast, slow):
    """Return where the fast mean rises above the slow one and where it falls below, (T,) each, bar by bar."""
    up, down = np.zeros(len(close), bool), np.zeros(len(close), bool)
    side = 0
    for t in range(slow - 1, len(close)):
        difference = np.mean(close[t - fast + 1 : t + 1]) - np.mean(close[t - slow + 1 : t + 1])
        now = 0 if abs(difference) < 1e-9 * close[t] else 1 if difference > 0 else -1
        up[t], down[t] = side == -1 and now == 1, side == 1 and now == -1
        side = now or side
    return up, down


def signals(scenario, prices):
    """Return both crosses as (S, T)."""
    pairs = [crosses(row, scenario.fast, scenario.slow) for row in prices["close"]]
    return np.stack([up for up, _ in pairs]), np.stack([down for _, down in pairs])


# ---- vectorbt ----------------------------------------------------------------------------------------------------


def vectorbt_run(scenario):
    """Return the orders (session, symbol, signed size, price, fee) and the final equity that vectorbt comes to.

    Next-open fills are signals one bar later at the open. Stops start at the fill and are live from the bar after it,
    which is our rule for close fills, so guarded scenarios fill at the close.
    """
    import pandas as pd
    import vectorbt as vbt

    prices = market(scenario.market)
    frames = {name: pd.DataFrame(values.T) for name, values in prices.items()}
    up, down = (pd.DataFrame(panel.T) for panel in signals(scenario, prices))
    options = {}
    if scenario.fill == "next_open":
        up, down = up.shift(1, fill_value=False), down.shift(1, fill_value=False)
        options["price"] = frames["open"]
    if scenario.guarded:
        options |= {"stop_entry_price": "fillprice", "stop_exit_price": "stopmarket"}
        options |= {name: frames[name] for name in ("open", "high", "low")}
        options["sl_stop"] = scenario.trailing or scenario.stop_loss
        options["sl_trail"] = scenario.trailing is not None
        options["tp_stop"] = scenario.take_profit
    kind, amount = scenario.sizing
    size = {"all_cash": (np.inf, "amount"), "value": (amount, "value"), "weight": (amount, "percent")}[kind]
    if len(up.columns) > 1:
        options |= {"group_by": True, "cash_sharing": True, "call_seq": "auto"}
    portfolio = vbt.Portfolio.from_signals(
        frames["close"],
        entries=up,
        **({"short_entries": down, "upon_opposite_entry": "reverse"} if scenario.reverse else {"exits": down}),
        size=size[0],
        size_type=size[1],
        fees=scenario.commission,
        slippage=scenario.slippage,
        init_cash=CASH,
        lock_cash=True,
        **{name: value for name, value in options.items() if value is not None},
    )
    rows = portfolio.order_records
    orders = [
        [int(r["idx"]), int(r["col"]), float(r["size"]) * (1 - 2 * int(r["side"])), float(r["price"]), float(r["fees"])]
        for r in sorted(rows, key=lambda r: (r["idx"], r["id"]))
    ]
    return {"orders": orders, "equity": float(np.asarray(portfolio.value()).ravel()[-1])}


def vectorbt_difference(difference):
    """Return (session, price) of vectorbt's orders."""
    import pandas as pd
    import vectorbt as vbt

    rows = [QUIET, *((np.nan,) * 4 if row is None else row for row in difference.rows)]
    frame = pd.DataFrame(rows, columns=["open", "high", "low", "close"])
    later = difference.fill == "next_open"
    levels = {"sl_stop": difference.stop_loss, "tp_stop": difference.take_profit}
    portfolio = vbt.Portfolio.from_signals(
        frame["close"],
        entries=pd.Series(np.arange(len(frame)) == (2 if later else 1)),
        exits=pd.Series(np.zeros(len(frame), bool)),
        size=50.0,
        slippage=difference.slippage,
        init_cash=1000.0,
        stop_entry_price="fillprice",
        stop_exit_price="stopmarket",
        **({"price": frame["open"]} if later else {}),
        **{name: frame[name] for name in ("open", "high", "low")},
        **{name: level for name, level in levels.items() if level},
    )
    return [[int(row["idx"]), float(row["price"])] for row in portfolio.order_records]


# ---- backtesting -------------------------------------------------------------------------------------------------


def backtesting_run(scenario):
    """Return the closed trades (entry, exit, signed size, entry price, exit price, fees) and the final equity.

    `backtesting` trades whole shares of one symbol at the next open and charges its spread at the entry alone, so these
    scenarios have lots of one share and no slippage. Levels are attached with the price of the fill, which the real
    thing cannot know at the decision: so they are live on the bar of the entry, as ours are. An exit takes its stop and
    target away, so that the trade it closes is not taken for a stopped one, whose bar has its entries ignored.
    """
    import pandas as pd

    prices = market(scenario.market)
    index = pd.date_range("2004-01-01", periods=prices["close"].shape[1])
    frame = pd.DataFrame({name.capitalize(): values[0] for name, values in prices.items()}, index=index)
    up, down = (panel[0] for panel in signals(scenario, prices))
    test = Backtest(
        frame.assign(Volume=1.0),
        Peer,
        cash=CASH,
        commission=scenario.commission,
        exclusive_orders=scenario.reverse,
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Some trades remain open")
        stats = test.run(scenario=scenario, opens=prices["open"][0], up=up, down=down)
    columns = ["EntryBar", "ExitBar", "Size", "EntryPrice", "ExitPrice", "Commission"]
    return {"trades": stats["_trades"][columns].to_numpy(float).tolist(), "equity": float(stats["Equity Final [$]"])}


class Peer(Strategy):
    """Crosses as orders, with levels from the open at which they will be filled; `run` sets the attributes."""

    scenario = opens = up = down = None

    def init(self):
        self.best = np.nan
        self.left = set()

    def next(self):
        t = len(self.data) - 1
        self.trail(t)
        if not (self.up[t] or self.down[t]) or t + 1 == len(self.opens):
            return
        stopped = any(trade.exit_bar == t and trade.entry_bar not in self.left for trade in self.closed_trades)
        if self.up[t] and not self.position.is_long and not stopped:
            self.enter(self.buy, 1, self.opens[t + 1])
        elif self.down[t] and self.scenario.reverse and not self.position.is_short and not stopped:
            self.enter(self.sell, -1, self.opens[t + 1])
        elif self.down[t] and not self.scenario.reverse and self.position:
            self.drop_levels()
            self.position.close()

    def enter(self, side, sign, price):
        self.drop_levels()
        stop = self.scenario.trailing or self.scenario.stop_loss
        levels = {"sl": price * (1 - sign * stop)} if stop else {}
        if self.scenario.take_profit:
            levels["tp"] = price * (1 + sign * self.scenario.take_profit)
        if self.scenario.sizing[0] == "weight":
            levels["size"] = self.scenario.sizing[1]
        self.best = price
        side(**levels)

    def drop_levels(self):
        for trade in self.trades:
            self.left.add(trade.entry_bar)
            trade.sl = trade.tp = None

    def trail(self, t):
        if not self.scenario.trailing or not self.trades or self.trades[0].sl is None:
            return
        trade = self.trades[0]
        if trade.is_long:
            self.best = max(self.best, self.data.High[-1])
            trade.sl = max(trade.sl, self.best * (1 - self.scenario.trailing))
        else:
            self.best = min(self.best, self.data.Low[-1])
            trade.sl = min(trade.sl, self.best * (1 + self.scenario.trailing))


def main():
    """Write the fixture."""
    import vectorbt

    answers = {name: vectorbt_run(scenario) for name, scenario in SCENARIOS.items()}
    FIXTURE.parent.mkdir(exist_ok=True)
    differences = {name: vectorbt_difference(difference) for name, difference in DIFFERENCES.items()}
    content = {"vectorbt": vectorbt.__version__, "scenarios": answers, "differences": differences}
    FIXTURE.write_text(json.dumps(content) + "\n")
    print(f"{FIXTURE}: {sum(len(a['orders']) for a in answers.values())} orders of {len(answers)} scenarios")


if __name__ == "__main__":
    sys.exit(main())
