"""Indicators of the user's own: functions, classes, and those that installed packages offer."""

import contextlib
import io
import pickle
import re
import sys
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import polars as pl
import pytest

import stockstream as ss
from stockstream.errors import DataError, ParameterError, UnknownNameError
from stockstream.indicators import SMA, Indicator, Range, catalogue, parameter
from stockstream.indicators.expression import from_dict
from tests.reference.catalogue_cases import dated
from tests.reference.sample_series import random_walk

WALK = dated(random_walk(90))


@ss.indicator
def climb(close, window: int = 3, factor: float = 1.0, kind: Literal["plain", "share"] = "plain"):
    """Climb: the change over `window` bars."""
    change = np.full(len(close), np.nan)
    change[window:] = factor * (close[window:] - close[: max(len(close) - window, 0)])
    return change / close if kind == "share" else change


@ss.indicator(outputs=("top", "bottom"), group="bands", source="nobody")
def edges(high, low, window: Annotated[int, Range("int", low=2, high=9)] = 2):
    top, bottom = (np.full(len(high), np.nan) for _ in "tb")
    for t in range(window - 1, len(high)):
        top[t], bottom[t] = high[t - window + 1 : t + 1].max(), low[t - window + 1 : t + 1].min()
    return {"bottom": bottom, "top": top}


@dataclass(frozen=True, repr=False)
class TWOMEANS(Indicator):
    """Two means of a frame."""

    window: int = parameter(4)

    outputs = ("fast", "slow")
    columns = ("twomeans_fast", "twomeans_slow")

    def calculate(self, df):
        fast, slow = self.column_names()
        mean = pl.col("close").rolling_mean
        return df.with_columns(mean(self.window).alias(fast), mean(2 * self.window).alias(slow))


def test_function_becomes_a_declaration():
    assert issubclass(climb, Indicator)
    assert climb.__name__ == "climb"
    assert climb.meaning() == "Climb: the change over `window` bars."
    assert climb.inputs == ("close",)
    assert climb.defaults() == {"window": 3, "factor": 1.0, "kind": "plain"}
    assert [str(allowed) for allowed in climb.ranges().values()][0::2] == [
        "a whole number from 1 to 1,000,000",
        "one of 'plain', 'share'",
    ]
    assert climb.per_bar.startswith("O(T)")
    assert repr(climb(5, kind="share")) == "climb(5, 1.0, kind='share')"
    assert climb(5).column_names() == ("climb_5_1",)
    assert edges().column_names() == ("edges_top_2", "edges_bottom_2")
    assert (edges.group, edges.source, edges.outputs) == ("bands", "nobody", ("top", "bottom"))


def test_it_computes_on_arrays_grids_and_of_other_indicators():
    close = WALK["close"]
    np.testing.assert_array_equal(climb(1)(close)[1:], np.diff(close))
    answer = edges(3)(WALK["high"], WALK["low"])
    np.testing.assert_array_equal(answer.top[2:], np.lib.stride_tricks.sliding_window_view(WALK["high"], 3).max(axis=1))
    assert answer._fields == ("top", "bottom")
    grid = climb([1, 2, 5])(close)
    for row, window in zip(grid, (1, 2, 5), strict=True):
        np.testing.assert_array_equal(row, climb(window)(close))
    bars = panel()
    np.testing.assert_array_equal(climb(1, of=SMA(2))(bars)[0], climb(1)(SMA(2)(bars.close[0])))
    assert climb()(np.empty(0)).shape == (0,)


def panel():
    days = np.array(WALK["date"], dtype="int64").astype("datetime64[D]")
    return ss.Bars.from_polars(
        pl.concat(
            pl.DataFrame({"symbol": [name] * 90, "date": days, **random_walk(90, seed=seed)}).filter(
                pl.Series(np.random.default_rng(seed).random(90) > share)
            )
            for name, seed, share in (("A", 7, 0), ("B", 8, 0.3))
        )
    )


@pytest.mark.parametrize("case", [climb(2), edges(4), TWOMEANS(3)], ids=repr)
def test_it_is_computed_per_symbol_and_streams_the_same_bits(case):
    bars = panel()
    frame = bars.to_polars()
    columns = case.calculate(frame) if not isinstance(case, TWOMEANS) else ss.with_indicators(frame, [case])
    answer = case(bars)
    outputs = answer if isinstance(answer, tuple) else (answer,)
    for row, symbol in enumerate(bars.symbols):
        own = frame.filter(pl.col("symbol") == symbol)
        alone = case(*(own[name].to_numpy() for name in case.inputs))
        stream = case.stream()
        streamed = [stream.update(dict(bar)) for bar in own.select(case.inputs).iter_rows(named=True)]
        for place, expected in enumerate(alone if isinstance(alone, tuple) else (alone,)):
            column = columns.filter(pl.col("symbol") == symbol)[case.column_names()[place]]
            np.testing.assert_array_equal(column.fill_null(np.nan).to_numpy(), expected)
            np.testing.assert_array_equal(outputs[place][row][bars.present[row]], expected)
            got = [value[place] if isinstance(value, tuple) else value for value in streamed]
            if isinstance(case, TWOMEANS):  # Polars' rolling mean is a running sum: its last bits depend on the start
                np.testing.assert_allclose(got, expected, rtol=1e-12)
            else:
                np.testing.assert_array_equal(got, expected)


class Climbing(ss.RuleStrategy):
    def __init__(self, window: int = 3) -> None:
        self.window = window

    def rules(self) -> ss.Rules:
        return ss.Rules(enter_long=climb(self.window) > 0, exit_long=climb(self.window) < 0)


def test_it_trades_in_rules_and_sweeps():
    bars = panel()
    result = ss.backtest(Climbing(2), bars, sizing=ss.Sizing.weight(0.5))
    assert result.trades.height > 3
    table = ss.sweep(Climbing, bars, {"window": [2, 4]}, sizing=ss.Sizing.weight(0.5))
    assert sorted(table.frame["window"].unique()) == [2, 4]
    assert table.failures.is_empty()


def test_it_can_be_pickled():
    again = pickle.loads(pickle.dumps(climb(9)))
    assert again == climb(9)
    np.testing.assert_array_equal(again(WALK["close"]), climb(9)(WALK["close"]))


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda price: price, r"expected arguments without a default to be columns \(open, .*\); found 'price'"),
        (lambda: 1, "expected at least one column"),
        (lambda close, *more: close, r"by name; found \*more"),
        (lambda close, name="x": close, "expected name to be annotated with int, float or Literal of texts"),
        (lambda close, deep=True: close, "expected deep to be annotated"),
        (lambda close, of=1: close, "the parameter 'of' has the name of a part of every indicator"),
        (lambda close, window=0: close, "expected window to be a whole number from 1 to 1,000,000; found 0"),
    ],
)
def test_functions_that_cannot_be_declared_are_refused(function, words):
    with pytest.raises(ParameterError, match=words):
        ss.indicator(function)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda close: close[1:], r"should give 1 array of numbers of shape \(90,\) for f; found float64 \(89,\)"),
        (lambda close: close[:, None], r"found float64 \(90, 1\)"),
        (lambda close: 1.0, r"found float64 \(\)"),
        (lambda close: np.full(90, "x"), "found <U1"),
        (lambda close: (close, close), r"found float64 \(2, 90\)"),
        (lambda close: None, "found object"),
    ],
)
def test_answers_of_another_shape_are_refused(answer, words):
    def f(close):
        return answer(close)

    with pytest.raises(DataError, match=words):
        ss.indicator(f)()(WALK["close"])


def test_a_function_cannot_change_the_prices():
    @ss.indicator
    def spoil(close):
        close[0] = 0
        return close

    with pytest.raises(ValueError, match="read-only"):
        spoil()(WALK["close"])


def test_a_class_that_says_nothing_cannot_compute():
    @dataclass(frozen=True, repr=False)
    class Nothing(Indicator):
        """Nothing."""

    with pytest.raises(ParameterError, match=r"write compute\(\*inputs\) or calculate\(df\)"):
        Nothing()(WALK["close"])


@pytest.mark.parametrize("given", [(), (5,)])
def test_a_class_that_is_not_a_dataclass_says_what_to_write(given):
    class Up(Indicator):
        """Up."""

        window: int = parameter(3)

        def compute(self, close):
            return close

    with pytest.raises(ParameterError, match=r"Up declares window .* write @dataclass\(frozen=True"):
        Up(*given)


def test_a_class_without_parameters_of_its_own_needs_no_decorator():
    class Mean(SMA):
        """Mean: another name."""

    np.testing.assert_array_equal(Mean(5)(WALK["close"]), SMA(5)(WALK["close"]))


# ---- installed packages ------------------------------------------------------------------------------------------

PLUGIN = """
import stockstream as ss

print("imported")

@ss.indicator
def twice(close, factor: float = 2.0):
    "Twice: the price, times a factor."
    return factor * close

RSI = twice
nothing = 5
"""


@pytest.fixture
def installed(tmp_path, monkeypatch, fresh_plugins):
    """Put a distribution with entry points on the path."""
    info = tmp_path / "shop-1.0.dist-info"
    info.mkdir()
    (tmp_path / "shop_of_indicators.py").write_text(PLUGIN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shop\nVersion: 1.0\n")
    points = {
        "Twice": "shop_of_indicators:twice",
        "RSI": "shop_of_indicators:RSI",
        "broken": "shop_of_nothing:twice",
        "number": "shop_of_indicators:nothing",
    }
    lines = [f"{name} = {value}" for name, value in points.items()]
    (info / "entry_points.txt").write_text("\n".join(["[stockstream.indicators]", *lines]))
    monkeypatch.syspath_prepend(str(tmp_path))
    catalogue.offered.cache_clear()
    yield
    catalogue.offered.cache_clear()
    sys.modules.pop("shop_of_indicators", None)


@pytest.mark.usefixtures("installed")
def test_packages_are_asked_once_and_only_for_what_is_not_built_in(capsys):
    assert catalogue.find("rsi") is catalogue.builtin()["RSI"]
    assert capsys.readouterr().out == ""
    with pytest.warns(UserWarning, match="is left out") as warned:
        found = catalogue.find("twice")
    assert found.__name__ == "twice"
    assert capsys.readouterr().out == "imported\n"
    assert catalogue.all_indicators()["Twice"] is found
    assert catalogue.all_indicators()["RSI"] is catalogue.builtin()["RSI"]
    rule = found(3.0) > 1
    with pytest.raises(UnknownNameError, match="Did you mean 'Twice'"):
        catalogue.find("twicer")
    assert from_dict({"indicator": "Twice", "factor": 3.0}) == rule.operands[0]
    messages = sorted(str(warning.message) for warning in warned)
    assert len(messages) == 3
    assert "the indicator 'RSI' of shop (shop_of_indicators:RSI) is left out: there is a built-in" in messages[0]
    assert "the indicator 'broken' of shop (shop_of_nothing:twice) is left out: ModuleNotFoundError" in messages[1]
    assert "'number' of shop (shop_of_indicators:nothing) is left out" in messages[2]


# ---- the page ----------------------------------------------------------------------------------------------------


def test_the_page_does_what_it_says(repository):
    page = (repository / "docs" / "own-indicator.md").read_text(encoding="utf-8")
    names, printed, shown = {"__name__": "page"}, "", ""
    for kind, block in re.findall(r"^```(\w+)\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        if kind == "python":
            with contextlib.redirect_stdout(io.StringIO()) as output:
                exec(block, names)
            printed += output.getvalue()
        elif kind == "text":
            shown += block
    assert printed == shown
    walk = ss.backtest(names["Breakout"](5), panel())
    assert walk.trades.height > 0
    with pytest.raises(ParameterError, match="expected short below long; found 5 and 5"):
        names["SPREAD"](5, 5)
