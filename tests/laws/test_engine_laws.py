"""Laws of the engine: money is neither made nor lost, the future changes nothing, and three paths agree."""

import itertools
import warnings

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from stockstream_kernels import ledger

import stockstream as ss
from stockstream.backtesting.costs import Commission
from stockstream.indicators import ATR, EMA, RSI, SMA
from tests.reference.engine_cases import commissions, costs, panels

BITS = {"enter_long": 1, "exit_long": 2, "enter_short": 4, "exit_short": 8}


def run(strategy, bars, **options):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="no volume for")
        return ss.backtest(strategy, bars, **options)


@st.composite
def code_panels(draw, bars, allowed=(0, 1, 2, 4, 8)):
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return np.where(
        random.random(bars.shape) < draw(st.sampled_from([0.3, 0.8])), 0, random.choice(allowed, bars.shape)
    )


def signals(codes, **levels):
    return ss.SignalStrategy(**{name: (codes & bit) != 0 for name, bit in BITS.items()}, **levels)


def replayed(result, *, reinvest=False):
    """Cash, quantities and marks of every session, from fills, splits and dividends alone."""
    bars, fills = result.bars, result.ledgers["fills"]
    cash, held, mark = result.settings.cash, np.zeros(bars.shape[0]), np.zeros(bars.shape[0])
    for t in range(bars.shape[1]):
        if bars.split is not None:
            ratio = np.where(np.isnan(bars.split[:, t]), 1.0, bars.split[:, t])
            paid = np.where(np.isnan(bars.dividend[:, t]), 0.0, bars.dividend[:, t])
            held, mark = held * ratio, mark / ratio
            bought = reinvest & (mark > paid)
            cash += (held * paid)[~bought].sum()
            held = held + np.where(bought, held * paid / np.where(bought, mark - paid, 1.0), 0.0)
        for fill in fills[fills["session"] == t]:
            held[fill["symbol"]] += fill["quantity"]
            cash -= fill["quantity"] * fill["price"] + fill["fee"]
        mark = np.where(bars.present[:, t], bars.close[:, t], mark)
        yield cash, held, mark


@settings(max_examples=60)
@given(st.data())
def test_cash_and_positions_are_the_equity_at_every_bar(data):
    bars = data.draw(panels(events=True))
    strategy = signals(data.draw(code_panels(bars)), stop_loss=0.05, trailing_stop=0.08)
    reinvest = data.draw(st.booleans())
    result = run(
        strategy,
        bars,
        cash=1000.0,
        costs=ss.Costs(commission=data.draw(commissions()), slippage=0.002),
        leverage=data.draw(st.sampled_from([1.0, 2.0])),
        dividends="reinvest" if reinvest else "cash",
        keep_positions=True,
    )
    for t, (cash, held, mark) in enumerate(replayed(result, reinvest=reinvest)):
        assert result.account.cash[t] == pytest.approx(cash, rel=1e-9, abs=1e-6)
        assert result.account.equity[t] == pytest.approx(cash + held @ mark, rel=1e-9, abs=1e-6)
        np.testing.assert_allclose(result.account.positions[t], held, rtol=1e-9, atol=1e-9)


@settings(max_examples=60)
@given(st.data())
def test_profits_of_all_trades_and_interest_are_the_change_of_equity(data):
    bars = data.draw(panels(events=True))
    chosen = data.draw(costs())
    result = run(signals(data.draw(code_panels(bars))), bars, cash=1000.0, costs=chosen, leverage=1.7)
    profit = sum(float(result.ledgers[name]["pnl"].sum()) for name in ("trades", "open"))
    earned = result.totals.interest - result.totals.borrow
    assert result.account.equity[-1] == pytest.approx(1000.0 + profit + earned, rel=1e-9, abs=1e-6)


def scrambled(bars, t, random):
    """The same bars up to t, something else after it."""
    panels_now, places = {}, t + 1 + random.permutation(bars.shape[1] - t - 1)
    for name in ("open", "high", "low", "close", "volume", "dividend", "split"):
        panel = getattr(bars, name)
        if panel is not None:
            panel = panel.copy()
            panel[:, t + 1 :] = panel[:, places]
            panels_now[name] = panel
    factor = random.uniform(0.5, 2.0)
    for name in ("open", "high", "low", "close"):
        panels_now[name][:, t + 1 :] *= factor
    return ss.Bars.from_arrays(symbols=bars.symbols, dates=bars.dates, **panels_now)


def past(result, t):
    """Everything that is known of a run at the end of session t."""
    orders, fills = result.ledgers["orders"], result.ledgers["fills"]
    decided = np.isin(orders["cause"], (ledger.ENTRY, ledger.EXIT, ledger.REVERSAL))
    made = orders[decided & (orders["created"] <= t)]
    done = fills[fills["session"] <= t]
    return (
        result.account.equity[: t + 1].tobytes(),
        result.account.cash[: t + 1].tobytes(),
        done[["session", "symbol", "quantity", "price", "fee", "reason"]].tolist(),
        made[["symbol", "created", "side", "size_kind", "cause"]].tolist(),
    )


class Some(ss.RuleStrategy):
    """Rules of many kinds, by number."""

    def __init__(self, kind=0, length=3, slow=5, level=40.0):
        self.kind, self.length, self.slow, self.level = kind, length, slow, level

    def rules(self):
        fast, slow, rsi = SMA(self.length), EMA(self.slow), RSI(self.length)
        return [
            ss.Rules(enter_long=fast.crosses_above(slow), exit_long=fast.crosses_below(slow)),
            ss.Rules(enter_long=rsi < self.level, exit_long=rsi > 60, stop_loss=0.04, take_profit=0.06),
            ss.Rules(enter_long=ss.close > fast, enter_short=ss.close < slow, trailing_stop=0.05),
            ss.Rules(enter_short=~(rsi < self.level), exit_short=ss.close < ss.low.shift(1), max_bars=3),
            ss.Rules(enter_long=ss.close > ss.high.shift(1), exit_long=rsi > 70, stop_loss=2 * ATR(2)),
        ][self.kind]


@settings(max_examples=60)
@given(st.data())
def test_what_comes_later_changes_nothing_before(data):
    bars = data.draw(panels(events=data.draw(st.booleans()), sessions=(8, 40)))
    assume(bool(np.nan_to_num(bars.volume[:, :5]).any(axis=1).all()))  # whether volume is known is asked of all bars
    t = data.draw(st.integers(5, bars.shape[1] - 1))
    strategy = Some(data.draw(st.integers(0, 4)))
    options = {"cash": 1000.0, "costs": data.draw(costs()), "fill": data.draw(st.sampled_from(["next_open", "close"]))}
    whole = past(run(strategy, bars, **options), t)
    assert past(run(strategy, bars.between(None, bars.dates[t]), **options), t) == whole
    if not bars.delisted:
        other = scrambled(bars, t, np.random.default_rng(data.draw(st.integers(0, 99))))
        assert past(run(strategy, other, **options), t) == whole


@settings(max_examples=60)
@given(st.data())
def test_higher_fees_on_the_same_decisions_never_raise_equity(data):
    bars = data.draw(panels())
    strategy = signals(data.draw(code_panels(bars)), stop_loss=0.05, take_profit=0.07)
    options = {"cash": 1e7, "sizing": ss.Sizing.shares(10.0), "leverage": 3.0, "maintenance": 0.0}
    low = data.draw(commissions())
    extra = data.draw(st.floats(0.0, 20.0))
    high = {
        "rate": Commission(low.rate + (0.0 if low.tiers else extra / 1000.0), low.minimum, low.per_share, low.tiers),
        "minimum": Commission(low.rate, low.minimum + extra, low.per_share, low.tiers),
        "per share": Commission(low.rate, low.minimum, low.per_share + extra / 100.0, low.tiers),
    }[data.draw(st.sampled_from(["rate", "minimum", "per share"]))]
    cheap = run(strategy, bars, costs=ss.Costs(commission=low), **options)
    dear = run(strategy, bars, costs=ss.Costs(commission=high), **options)
    assert len(cheap.ledgers["fills"]) == len(dear.ledgers["fills"])
    assert (dear.account.equity <= cheap.account.equity + 1e-6).all()


@settings(max_examples=20)
@given(st.data())
def test_without_a_signal_the_line_is_flat(data):
    bars = data.draw(panels(events=True))
    terms = ss.Costs(commission=data.draw(commissions()), slippage=0.01, borrow_rate=0.1)
    for result in (
        run(signals(np.zeros(bars.shape, dtype=int)), bars, cash=1234.5, costs=terms),
        run(Hold(), bars, cash=1234.5, costs=terms),
    ):
        assert (result.account.equity == 1234.5).all()
        assert len(result.ledgers["orders"]) == 0
        assert result.metrics.total_return == 0.0


class Hold(ss.Strategy):
    """Do nothing."""

    def on_data(self, date, symbol, data, portfolio):
        return None


def adjusted(bars):
    """The same bars with splits and dividends in the prices: earlier prices are scaled down, bar by bar."""
    factor = np.ones(bars.shape)
    for s in range(bars.shape[0]):
        known = np.flatnonzero(bars.present[s])
        for before, now in itertools.pairwise(known):
            ratio = bars.split[s, now] if bars.split[s, now] > 0 else 1.0
            dividend = bars.dividend[s, now] if bars.dividend[s, now] > 0 else 0.0
            previous = bars.close[s, before] / ratio
            factor[s, :now] *= (1.0 - dividend / previous) / ratio
    prices = {name: getattr(bars, name) * factor for name in ("open", "high", "low", "close")}
    return ss.Bars.from_arrays(symbols=bars.symbols, dates=bars.dates, volume=bars.volume, **prices)


@settings(max_examples=60)
@given(st.data())
def test_raw_prices_with_dividends_reinvested_equal_adjusted_prices(data):
    drawn = data.draw(panels(events=True))
    on_bars = {n: np.where(drawn.present, getattr(drawn, n), np.nan) for n in ("split", "dividend")}
    cheap = np.nanmin(drawn.low, initial=np.inf)
    on_bars["dividend"] *= min(1.0, cheap / 4.0)  # a dividend above the price is refused as data
    prices = {n: getattr(drawn, n) for n in ("open", "high", "low", "close", "volume")}
    raw = ss.Bars.from_arrays(symbols=drawn.symbols, dates=drawn.dates, **prices, **on_bars)
    codes = data.draw(code_panels(raw))
    options = {
        "cash": 1000.0,
        "costs": ss.Costs(commission=0.003, slippage=0.002, cash_rate=0.03, borrow_rate=0.05),
        "sizing": data.draw(st.sampled_from([ss.Sizing.all_cash(), ss.Sizing.weight(0.4), ss.Sizing.value(311.3)])),
        "fill": data.draw(st.sampled_from(["next_open", "close"])),
    }
    one = run(signals(codes), raw, dividends="reinvest", **options)
    two = run(signals(codes), adjusted(raw), **options)
    np.testing.assert_allclose(one.account.equity, two.account.equity, rtol=1e-9)
    np.testing.assert_allclose(one.account.cash, two.account.cash, rtol=1e-9, atol=1e-6)


@settings(max_examples=60)
@given(st.data())
def test_arrays_and_events_agree_to_the_last_bit(data):
    bars = data.draw(panels(events=data.draw(st.booleans())))
    strategy = Some(data.draw(st.integers(0, 4)), data.draw(st.integers(2, 5)))
    options = {
        "cash": 1000.0,
        "costs": data.draw(costs()),
        "fill": data.draw(st.sampled_from(["next_open", "close"])),
        "leverage": data.draw(st.sampled_from([1.0, 2.0])),
        "sizing": data.draw(st.sampled_from([ss.Sizing.all_cash(), ss.Sizing.weight(0.3), ss.Sizing.volatility(0.2)])),
    }
    one, two = (run(strategy, bars, path=path, **options) for path in ("array", "event"))
    for name in ("equity", "cash", "long_value", "short_value"):
        assert getattr(one.account, name).tobytes() == getattr(two.account, name).tobytes()
    for name in ("orders", "fills", "trades", "open"):
        # `relative` also says how levels would count that are not there
        fields = [field for field in one.ledgers[name].dtype.names if field != "relative"]
        assert [str(row) for row in one.ledgers[name][fields]] == [str(row) for row in two.ledgers[name][fields]]


@settings(max_examples=30)
@given(st.data())
def test_rows_of_a_sweep_are_backtests(data):
    bars = data.draw(panels(symbols=(1, 2), sessions=(12, 60)))
    kind = data.draw(st.integers(0, 4))
    grid = {"kind": [kind], "length": [2, 3], "slow": [4, 6], "level": [35.0, 55.0]}
    options = {
        "cash": 1000.0,
        "costs": data.draw(st.sampled_from([ss.Costs(), ss.Costs(commission=0.002, slippage=0.001)]) | costs()),
        "fill": data.draw(st.sampled_from(["next_open", "close"])),
    }
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="no volume for")
        found = ss.sweep(Some, bars, grid, progress=False, workers=1, **options)
    for row in found.frame.rows(named=True):
        parameters = {name: row[name] for name in found.parameters}
        single = run(Some(**parameters), bars.select([row["symbol"]]), **options).metrics.to_dict()
        for name in found.metrics:
            expected, value = single[name], row[name]
            if found.path.shortened == 0:
                assert value == expected or (np.isnan(value) and np.isnan(expected)), (name, value, expected)
            else:
                assert value == pytest.approx(expected, rel=1e-9, abs=1e-9, nan_ok=True), (name, value, expected)
