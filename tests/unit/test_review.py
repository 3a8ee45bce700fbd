"""The automatic review: every check finds what it is for, and is quiet where there is nothing."""

import html
import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

import stockstream as ss
from stockstream.backtesting.review import judge
from stockstream.backtesting.review.check import declare
from stockstream.indicators import SMA
from stockstream.research import review as sweep_review
from tests.laws.test_sweep_laws import long_panel
from tests.reference.sweep_workers import Cross

pytestmark = [pytest.mark.filterwarnings("ignore:no volume for"), pytest.mark.compiled]

NOISE = np.random.default_rng(5).normal(0.0, 0.01, 1500)
NOISE -= NOISE.mean()


def climb(sessions=1000, drift=0.0004, noise=1.0, start=50.0):
    """Return closes that drift upwards."""
    return start * np.exp(np.cumsum(drift + noise * NOISE[:sessions]))


def bars_of(close, symbols=None, volume=1e9, spread=0.001, **facts):
    """Return bars that open at the close before."""
    close = np.atleast_2d(close)
    opens = np.concatenate([close[:, :1], close[:, :-1]], axis=1)
    opens = np.where(np.isnan(opens), close, opens)
    high, low = np.fmax(opens, close) * (1 + spread), np.fmin(opens, close) * (1 - spread)
    dates = np.busday_offset("2010-01-04", np.arange(close.shape[1]), roll="forward")
    volumes = np.broadcast_to(np.asarray(volume, dtype=float), close.shape)
    return ss.Bars.from_arrays(
        symbols=symbols or [f"S{row}" for row in range(len(close))],
        dates=dates,
        open=np.where(np.isnan(close), np.nan, opens),
        high=np.where(np.isnan(close), np.nan, high),
        low=np.where(np.isnan(close), np.nan, low),
        close=close,
        volume=np.where(np.isnan(close), np.nan, volumes),
        **facts,
    )


def on(bars, *days):
    """Return True for every symbol on the given days."""
    signals = np.zeros(bars.shape, dtype=bool)
    signals[:, list(days)] = True
    return signals


def turns(bars, period, hold=None):
    """Enter every `period` bars and leave `hold` bars later."""
    days, hold = np.arange(len(bars)), hold or period // 2
    entering, leaving = days % period == 0, days % period == hold
    return {
        "enter_long": np.broadcast_to(entering, bars.shape).copy(),
        "exit_long": np.broadcast_to(leaving, bars.shape).copy(),
    }


def of(bars, signals=None, audit=None, **options):
    """Review a run of signals; bought on the first day and held by default."""
    levels = {name: options.pop(name) for name in ("stop_loss", "take_profit") if name in options}
    strategy = ss.SignalStrategy(**(signals or {"enter_long": on(bars, 0)}), **levels)
    return ss.backtest(strategy, bars, **options).review(audit=audit)


def held(close, audit=None, facts=None, **options):
    """Review a run that buys one series on the first day and holds it."""
    return of(bars_of(close, **(facts or {})), audit=audit, **options)


def traded(period, close=None, facts=None, **options):
    """Review a run in turns."""
    bars = bars_of(climb() if close is None else close, **(facts or {}))
    return of(bars, turns(bars, period), **options)


def said(outcome):
    """Return what an audit answers."""
    return SimpleNamespace(outcome=outcome)


class Trend(ss.RuleStrategy):
    """Rules and nothing else."""

    def rules(self):
        return ss.Rules(enter_long=SMA(5).crosses_above(SMA(20)), exit_long=SMA(5).crosses_below(SMA(20)))


class Callback(ss.Strategy):
    """Code called bar by bar."""

    def on_data(self, date, symbol, data, portfolio):
        return None


@ss.indicator
def half(close):
    """Give half of the close."""
    return close / 2.0


class OwnIndicator(ss.RuleStrategy):
    """Rules over code of its own."""

    def rules(self):
        return ss.Rules(enter_long=ss.close > half())


def jump(sessions=300, day=150, size=1.5, noise=1.0):
    """Return closes that jump once."""
    close = climb(sessions, 0.0, noise)
    close[day:] *= size
    return close


def one_big_trade():
    """Return bars and turns of which one rises by half and the others hardly."""
    close = 50.0 + 0.01 * np.arange(300)
    close[52:] += 25.0
    return bars_of(close)


def yearly(rise):
    """Return closes of five years, of which the third rises apart from the others."""
    year = np.arange(1300) // 260
    return climb(1300, np.where(year == 2, rise, 0.0002), 0.1)


def several(rises, sessions=300):
    """Return closes of symbols that rise at different speed."""
    return np.stack([climb(sessions, rise, 0.1) for rise in rises])


def short(close, **options):
    """Review a run that sells short."""
    bars = bars_of(close, spread=0.0)
    return of(bars, {"enter_short": on(bars, 0)}, **options)


def crowded(limit):
    """Review a run of two symbols that want in on the same days."""
    bars = bars_of(several([0.0, 0.0]))
    return of(bars, turns(bars, 10), max_positions=limit, sizing=ss.Sizing.weight(0.4))


def gappy(missing):
    """Return closes without some bars."""
    close = climb(300)
    close[10 : 10 + missing] = np.nan
    return close


def still(count):
    """Return closes of which the last do not move."""
    close = climb(300)
    close[300 - count :] = close[300 - count - 1]
    return close


def panel(**facts):
    """Return bars of twelve symbols."""
    return of(bars_of(several([0.0003] * 12, 1000), **facts), sizing=ss.Sizing.weight(0.05))


WIDE = {"spread": 0.05}
LEVELS = {"stop_loss": 0.02, "take_profit": 0.02}
HALTED = np.where(np.arange(1000) == 1, 0.0, 1e9)

#: Code -> a review in which the check finds something, and one in which it does not.
CASES = {
    "close-fills": (lambda: traded(20, fill="close"), lambda: traded(20)),
    "looked-ahead": (lambda: traded(20, audit=said("looked ahead")), lambda: traded(20, audit=said("clean"))),
    "audit-undecided": (lambda: traded(20, audit=said("cannot tell")), lambda: traded(20, audit=said("clean"))),
    "audit-not-run": (lambda: traded(20), lambda: traded(20, audit=said("clean"))),
    "arrays-used": (lambda: traded(20), lambda: ss.backtest(Trend(), bars_of(climb())).review()),
    "no-costs": (lambda: traded(20), lambda: traded(20, costs=ss.Costs(commission=0.001))),
    "no-slippage": (
        lambda: traded(20, costs=ss.Costs(commission=ss.Commission(minimum=5.0))),
        lambda: traded(20, costs=ss.Costs(commission=0.001, slippage=0.001)),
    ),
    "costs-doubled": (
        lambda: traded(20, climb(1000, 0.001, 0.2), costs=ss.Costs(commission=0.0035)),
        lambda: traded(20, climb(1000, 0.001, 0.2), costs=ss.Costs(commission=0.0005)),
    ),
    "ambiguous-bars": (lambda: traded(20, facts=WIDE, **LEVELS), lambda: traded(20, facts=WIDE)),
    "ambiguous-bars-matter": (
        lambda: traded(20, facts=WIDE, intrabar="both", **LEVELS),
        lambda: traded(20, facts=WIDE, intrabar="both"),
    ),
    "zero-volume": (lambda: held(climb(), facts={"volume": HALTED}), lambda: held(climb())),
    "volume-unknown": (lambda: held(climb(), facts={"volume": 0.0}), lambda: held(climb())),
    "unfilled-orders": (lambda: crowded(1), lambda: crowded(None)),
    "leverage": (
        lambda: held(climb(), sizing=ss.Sizing.weight(1.5), leverage=2.0),
        lambda: held(climb(), leverage=2.0, sizing=ss.Sizing.weight(0.9)),
    ),
    "no-trades": (
        lambda: of(bars_of(climb()), {"enter_long": np.zeros((1, 1000), dtype=bool)}),
        lambda: held(climb()),
    ),
    "few-trades": (lambda: traded(50), lambda: traded(20)),
    "one-trade": (
        lambda: of(one_big_trade(), turns(one_big_trade(), 50, 25)),
        lambda: traded(20, 50.0 + 0.01 * np.arange(300)),
    ),
    "one-symbol": (
        lambda: of(bars_of(several([0.003, 0.0, 0.0, 0.0])), sizing=ss.Sizing.weight(0.2)),
        lambda: of(bars_of(several([0.001] * 4)), sizing=ss.Sizing.weight(0.2)),
    ),
    "one-year": (lambda: held(yearly(0.002)), lambda: held(yearly(0.0002))),
    "one-day": (lambda: held(jump()), lambda: held(climb(300, 0.002, 0.5))),
    "open-position": (
        lambda: of(
            bars_of(climb(300, 0.002)),
            {
                "enter_long": [on_day in {0, 20} for on_day in range(300)],
                "exit_long": [on_day == 10 for on_day in range(300)],
            },
        ),
        lambda: traded(10, climb(300, 0.002)),
    ),
    "high-turnover": (lambda: traded(2), lambda: held(climb())),
    "low-exposure": (
        lambda: of(bars_of(climb()), {"enter_long": on(bars_of(climb()), 0), "exit_long": on(bars_of(climb()), 40)}),
        lambda: held(climb()),
    ),
    "worse-than-holding": (lambda: traded(20, climb(1000, 0.002, 0.1)), lambda: held(climb())),
    "one-bar": (lambda: held(climb(1)), lambda: held(climb(2))),
    "short-history": (lambda: held(climb(300)), lambda: held(climb(1000))),
    "ruin": (
        lambda: short([100.0, 100.0, 100.0, 400.0, 900.0, 900.0], maintenance=0.0),
        lambda: short([100.0, 100.0, 100.0, 110.0, 120.0, 120.0], maintenance=0.0),
    ),
    "margin-call": (
        lambda: short([100.0, 100.0, 130.0, 165.0, 170.0, 170.0], maintenance=0.25),
        lambda: short([100.0, 100.0, 101.0, 102.0, 103.0, 103.0], maintenance=0.25),
    ),
    "deep-drawdown": (lambda: held(jump(size=0.5)), lambda: held(climb(1000, 0.002, 0.3))),
    "long-underwater": (lambda: held(jump(1000, 100, 0.8, 0.1)), lambda: held(climb(1000, 0.002, 0.3))),
    "fat-tails": (lambda: held(jump(size=0.7, noise=0.2)), lambda: held(climb())),
    "too-good": (lambda: held(climb(1000, 0.002, 0.3)), lambda: held(climb())),
    "could-be-luck": (lambda: held(climb(500, 0.0003)), lambda: held(climb(1000, 0.002))),
    "survivorship": (panel, lambda: panel(delisted={"S3": "2013-11-01"})),
    "dividends-missing": (
        lambda: held(climb(), facts={"provenance": {"adjust": "splits"}}),
        lambda: held(climb(), facts={"provenance": {"adjust": "total"}}),
    ),
    "price-jumps": (
        lambda: held(jump(size=0.4)),
        lambda: of(bars_of(jump(size=0.4)), {"enter_long": on(bars_of(jump()), 200)}),
    ),
    "volume-share": (lambda: traded(20, facts={"volume": 3000.0}), lambda: traded(20)),
    "penny-stocks": (
        lambda: held(climb(start=0.3)),
        lambda: held(climb(start=0.3), facts={"price_factor": np.full((1, 1000), 0.01)}),
    ),
    "gaps": (lambda: held(gappy(30)), lambda: held(gappy(5))),
    "stale-prices": (lambda: held(still(150)), lambda: held(still(30))),
}


#: What some of the explanations say of one.
OF_ONE = {
    "1 orders came": "1 order came",
    "1 trades were": "1 trade was",
    "1 of 1 fills were": "1 of 1 fill was",
}


def test_every_check_has_its_case():
    codes = [check.code for check in judge.CHECKS]
    assert len(codes) == len(set(codes)) >= 20
    assert set(codes) == set(CASES)


@pytest.mark.parametrize("code", CASES)
def test_a_check_finds_what_it_is_for_and_nothing_else(code):
    finds, is_quiet = CASES[code]
    review = finds()
    assert code in review, review
    finding = review[code]
    check = next(check for check in judge.CHECKS if check.code == code)
    assert finding.grave == check.grave
    said = check.explanation.format(**finding.figures)
    for many, one in OF_ONE.items():
        said = re.sub(rf"^{many}\b", one, said)
    assert finding.text == said
    assert "{" not in finding.text + check.rule
    assert "nan" not in finding.text
    assert code not in is_quiet()


def test_only_code_of_the_users_own_asks_for_an_audit():
    bars = bars_of(climb(200))
    assert "audit-not-run" not in ss.backtest(Trend(), bars).review()
    assert "a callback" in ss.backtest(Callback(), bars).review()["audit-not-run"].text
    assert "own (half" in ss.backtest(OwnIndicator(), bars).review()["audit-not-run"].text.replace("Half", "half")


def test_figures_of_findings_are_those_of_the_run():
    bars = one_big_trade()
    result = ss.backtest(ss.SignalStrategy(**turns(bars, 50, 25)), bars, costs=ss.Costs(commission=0.001))
    review = result.review()
    assert review["one-trade"].figures["share"] == pytest.approx(
        result.trades["pnl"].max() / (result.account.equity[-1] - 100_000.0)
    )
    assert review["few-trades"].figures["trades"] == result.trades.filter(~pl.col("open")).height
    assert review["no-slippage"].figures["fills"] == result.fills.height
    thin = bars_of(climb(400), volume=500.0)
    fills = ss.backtest(ss.SignalStrategy(**turns(thin, 10)), thin).fills["quantity"]
    found = of(thin, turns(thin, 10))["volume-share"].figures
    assert (found["many"], found["fills"]) == ((fills > 50.0).sum(), len(fills))
    assert found["most"] == pytest.approx(fills.max() / 500.0)


def test_a_buyer_and_holder_is_no_worse_than_holding():
    assert "worse-than-holding" not in held(climb(700, 0.001))
    assert "worse-than-holding" not in held(climb(700, 0.001), benchmark="universe")


@pytest.mark.parametrize("close", [climb(1), climb(2), np.full(5, np.nan), np.full(70, 10.0)])
def test_a_review_of_hardly_anything_raises_nothing(close):
    empty = np.isnan(close).all()  # no symbol is without bars, but a selection of a panel may be
    review = of(bars_of(np.stack([close, climb(5)])).select(["S0"]) if empty else bars_of(close))
    assert review.summary.startswith(f"{len(judge.CHECKS)} checks")
    assert len(review.quiet) + len(review) == len(judge.CHECKS)


def test_a_review_reads_well_and_is_escaped():
    name = "<script>alert('x')</script> é"
    review = of(bars_of(several([0.003, 0.0, 0.0, 0.0]), [name, "B", "C", "D"]), sizing=ss.Sizing.weight(0.2))
    text = repr(review)
    assert text.startswith(f"Review of {review.summary}")
    assert all(finding.title in text and finding.remedy in text for finding in review)
    markup = review._repr_html_()
    assert name not in markup
    assert html.escape(name) in markup
    assert [finding.grave for finding in review] == sorted((finding.grave for finding in review), reverse=True)


# ---- sweeps ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def swept():
    return ss.sweep(Cross, long_panel(1, 200), {"fast": [3, 4, 5], "slow": [9, 12, 15]}, progress=False)


def surface(swept, values):
    """Return the sweep with these values of its metric, row after row of the grid."""
    grid = [(fast, slow) for fast in (1, 2, 3, 4, 5) for slow in (10, 20, 30)]
    frame = pl.DataFrame(
        {"fast": [f for f, _ in grid], "slow": [s for _, s in grid], "sharpe": np.asarray(values, dtype=float).ravel()}
    )
    return replace(swept, frame=frame, parameters=("fast", "slow"), metrics=("sharpe",), runs=len(frame)).review()


HILL = [[0.1, 0.5, 0.3], [0.5, 0.9, 0.6], [0.6, 1.0, 0.7], [0.4, 0.8, 0.5], [0.1, 0.2, 0.2]]
RIDGE = [[0.1, 0.5, 0.3], [0.5, 0.9, 0.6], [0.6, 1.0, 0.7], [0.7, 1.1, 0.8], [0.8, 1.2, 1.0]]
NEEDLE = [[0.1, 0.1, 0.1], [0.1, 0.1, 0.1], [0.1, 1.5, 0.1], [0.1, 0.1, 0.1], [0.1, 0.1, 0.1]]
LOSING = [[-0.1, -0.5, -0.3], [-0.5, 0.9, -0.6], [0.6, 1.0, 0.7], [-0.4, 0.8, -0.5], [-0.1, -0.2, -0.2]]


@pytest.mark.parametrize(
    ("code", "finds", "is_quiet"),
    [("grid-edge", RIDGE, HILL), ("lonely-peak", NEEDLE, HILL), ("most-lose", LOSING, HILL)],
)
def test_a_check_of_a_sweep_finds_what_it_is_for(code, finds, is_quiet, swept):
    assert code in surface(swept, finds)
    assert code not in surface(swept, is_quiet)


def test_the_edge_is_named(swept):
    assert "fast = 5, the greatest value" in surface(swept, RIDGE)["grid-edge"].text


def test_failures_of_a_sweep_are_told(swept):
    failing = ss.sweep(Cross, long_panel(1, 200), {"fast": [-3, 4, 5], "slow": [9, 12, 15]}, progress=False)
    assert "3 combinations could not run" in failing.review()["combinations-failed"].text
    assert "combinations-failed" not in swept.review()


def test_a_sweep_without_a_value_is_reviewed(swept):
    assert not surface(swept, np.full(15, np.nan))


def test_every_check_of_a_sweep_is_tested():
    tested = {"grid-edge", "lonely-peak", "most-lose", "combinations-failed"}
    assert {check.code for check in sweep_review.CHECKS} == tested


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (1, "1 trade was ended by a call, after 1.0 years and 21 bars, in 1 of 1 fill."),
        (2, "2 trades were ended by a call, after 1.0 years and 21 bars, in 2 of 2 fills."),
    ],
)
def test_a_count_of_one_is_in_the_singular(count, said):
    says = "{n} trades were ended by a call, after {years:.1f} years and 21 bars, in {n} of {n} fills."
    check = declare("x", "X", when="", says=says, remedy="")(lambda facts: {"n": count, "years": 1.0})
    assert check(None).text == said
