"""Laws of every built-in indicator, found through its declaration: a new one is tested as soon as it is listed."""

import itertools

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import stockstream as ss
from stockstream.errors import ParameterError
from stockstream.indicators import MACD, catalogue
from stockstream.indicators.grids import cells
from stockstream.indicators.indicator import Output
from tests.reference import agreement, indicator_facts
from tests.reference.catalogue_cases import CASES, DEFAULTS, dated
from tests.reference.sample_series import COLUMNS, hostile, random_walk, without

PRICES = ("open", "high", "low", "close")
HOSTILE = {name: dated(series) for name, series in hostile().items()}
LONGEST = 460


def lively(bars=LONGEST, seed=3):
    """Give a random walk on which no bar repeats a price, so that no ratio is 0/0."""
    rng = np.random.default_rng(seed)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, bars)))
    open_ = close * np.exp(rng.normal(0, 0.01, bars))
    high = np.maximum(open_, close) * np.exp(0.001 + abs(rng.normal(0, 0.005, bars)))
    low = np.minimum(open_, close) * np.exp(-0.001 - abs(rng.normal(0, 0.005, bars)))
    volume = 1000 * np.exp(rng.normal(0, 1, bars))
    return dated(dict(zip(COLUMNS, (open_, high, low, close, volume), strict=True)))


WALK = lively()
LONG = dated(random_walk(9000))
CASES_OF = {name: [case for case in CASES if type(case).__name__ == name] for name in catalogue.builtin()}
#: One test per indicator, which goes through its sets of parameters: a test per set spends its time between tests.
each_indicator = pytest.mark.parametrize("cases", CASES_OF.values(), ids=CASES_OF)
each_default = pytest.mark.parametrize("case", DEFAULTS, ids=repr)


def those_of(names):
    """Parametrize by the cases of some indicators."""
    return pytest.mark.parametrize("cases", [CASES_OF[name] for name in names], ids=list(names))


def cut(series, bars):
    return {name: values[bars] for name, values in series.items()}


def same_bits(found, expected, what):
    assert np.array_equal(found.view(np.int64), expected.view(np.int64)), what


def nearly(found, expected, what, tolerance=1e-9):
    known = np.isfinite(expected)
    scale = abs(expected[known]).max(initial=0.0)
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * scale, err_msg=what)


def values_of(cases, series):
    """Give case, output and values of every case on a series."""
    for case in cases:
        for output, values in agreement.outputs(case, series).items():
            yield case, output, values


def test_every_indicator_is_tried_with_several_sets_of_parameters():
    assert len(CASES_OF) >= 80
    for name, cases in CASES_OF.items():
        assert len(cases) >= min(1 + len(cases[0].ranges()), 3), name


# ---- looking back only -------------------------------------------------------------------------------------------


@each_indicator
@pytest.mark.parametrize("name", ["random walk", "gaps in the close"])
def test_later_bars_change_nothing(cases, name):
    series = HOSTILE[name]
    for case in cases:
        whole = agreement.outputs(case, series)
        warmup = min(case.warmup(), 250)
        for bars in sorted({0, 1, 2, 46, warmup, warmup + 1, 128, 299}):
            for output, values in agreement.outputs(case, cut(series, slice(bars))).items():
                same_bits(values, whole[output][:bars], f"{case!r}.{output} of {bars} bars")


NUMBERS = st.one_of(st.floats(0.01, 1000).map(lambda x: round(x, 2)), st.just(float("nan")))
BARS_DRAWN = st.lists(st.tuples(NUMBERS, st.floats(0, 5), st.integers(0, 9)), min_size=1, max_size=120)


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(drawn=BARS_DRAWN, share=st.floats(0, 1))
def test_later_bars_change_nothing_on_any_series(drawn, share):
    closes, ranges, volume = np.array(drawn, dtype=float).T.copy()
    series = dated(dict(zip(COLUMNS, (closes, closes + ranges, closes - ranges / 9, closes, volume), strict=True)))
    bars = round(share * len(closes))
    for case, output, values in values_of(DEFAULTS, cut(series, slice(bars))):
        same_bits(values, agreement.outputs(case, series)[output][:bars], f"{case!r}.{output} of {bars} bars")


# ---- one kernel, three forms --------------------------------------------------------------------------------------


@each_indicator
def test_chunks_give_the_same_bits(cases):
    for case, name in itertools.product(cases, ["gaps", "constant for a while"]):
        agreement.same_bits_in_chunks(case, HOSTILE[name])
    agreement.same_bits_in_chunks(cases[0], LONG, sizes=(4095, 1, 4097))


@each_indicator
def test_stream_gives_the_same_bits(cases):
    for case in cases:
        agreement.same_bits_in_stream(case, cut(HOSTILE["gaps in the close"], slice(100)))


# ---- shape of the answer -----------------------------------------------------------------------------------------


@each_indicator
def test_warms_up_as_declared(cases):
    for case in cases:
        first = min(firsts(case).values())
        if first == NEVER:  # ranges, ranks and deviations of a single bar: 0/0
            assert 1 in case.values.values(), repr(case)
        else:
            assert first == case.warmup(), repr(case)


NEVER = LONGEST


def firsts(case):
    """Give output -> first bar with a value on clean input, or NEVER."""
    found = agreement.outputs(case, WALK)
    return {name: int(np.argmax(np.append(~np.isnan(values), True))) for name, values in found.items()}


@each_indicator
def test_fewer_bars_than_the_warmup_give_nan(cases):
    for case in cases:
        warmup = min(case.warmup(), LONGEST)
        for bars in {0, 1, warmup}:
            for name, values in agreement.outputs(case, cut(WALK, slice(bars))).items():
                assert values.shape == (bars,)
                assert np.isnan(values[:warmup]).all(), f"{case!r}.{name}"


@each_indicator
def test_no_series_gives_an_infinity_or_is_changed(cases):
    for before in HOSTILE.values():
        series = {column: values.copy() for column, values in before.items()}
        for case, output, values in values_of(cases, series):
            assert values.dtype == np.float64
            assert not np.isinf(values).any(), f"{case!r}.{output}"
        for column, values in series.items():
            np.testing.assert_array_equal(values, before[column])


CONVERSIONS = {
    "list": list,
    "pandas": pd.Series,
    "polars": pl.Series,
    "strided": lambda values: np.repeat(values, 2)[::2],
    "big-endian": lambda values: values.astype(">f8"),
    "whole numbers": lambda values: values.astype(np.int64),
    "single precision": lambda values: values.astype(np.float32),
}


@pytest.mark.parametrize("convert", CONVERSIONS.values(), ids=CONVERSIONS)
def test_any_array_of_numbers_is_taken(convert):
    series = {name: np.round(values) for name, values in WALK.items()}
    changed = {name: convert(values) for name, values in series.items()}
    for case, output, values in values_of(DEFAULTS, changed):
        same_bits(values, agreement.outputs(case, series)[output], f"{case!r}.{output}")


# ---- NaN ---------------------------------------------------------------------------------------------------------


@each_indicator
def test_leading_nan_move_the_start(cases):
    lead = 23
    late = {**without(WALK, slice(0, lead)), "date": WALK["date"]}
    for case in cases:
        expected = agreement.outputs(case, cut(WALK, slice(lead, None)))
        for name, values in agreement.outputs(case, late).items():
            assert np.isnan(values[:lead]).all(), name
            nearly(values[lead:], expected[name], f"{case!r}.{name}")


GAP = 330
BROKEN = {**without(WALK, [GAP]), "date": WALK["date"]}


@each_indicator
def test_a_gap_is_left_out_by_recursions_and_forgotten_by_windows(cases):
    kept = np.delete(np.arange(LONGEST), GAP)
    for case in cases:
        found = agreement.outputs(case, BROKEN)
        if case.recursive:
            expected = agreement.outputs(case, cut(WALK, kept))
            for name, values in found.items():
                assert np.isnan(values[GAP]), name
                nearly(values[kept], expected[name], f"{case!r}.{name}", 1e-8)
            continue
        whole = agreement.outputs(case, WALK)
        for name, first in firsts(case).items():
            touched = np.zeros(LONGEST, dtype=bool)
            touched[GAP : GAP + first + 1] = True
            assert np.isnan(found[name][touched]).any(), name
            same = ~touched | ~np.isnan(found[name])
            nearly(found[name][same], whole[name][same], f"{case!r}.{name}")


# ---- scale, bounds, order ----------------------------------------------------------------------------------------


@each_indicator
def test_scales_as_listed(cases):
    """By 4, whose root is whole: binary floating point scales without rounding."""
    name = type(cases[0]).__name__
    for case in cases:
        base, found = agreement.outputs(case, WALK), {}
        for columns in (PRICES, ("volume",)):
            larger = {column: 4 * values if column in columns else values for column, values in WALK.items()}
            for output, values in agreement.outputs(case, larger).items():
                found.setdefault(output, []).append(degrees(values, base[output]))
        listed = indicator_facts.SCALES.get(name)
        assert listed is not None, f"list {name}: {found}"
        for (output, fitting), expected in zip(found.items(), listed, strict=True):
            for fits, degree in zip(fitting, expected, strict=True):
                assert (degree in fits) if degree is not None else not fits, f"{case!r}.{output}: {fitting}"


def degrees(values, base):
    """Give the powers of 4 by which an output has grown; all of them where it is 0 or NaN throughout."""
    known = ~np.isnan(base)
    if not np.array_equal(known, ~np.isnan(values)):
        return set()
    slack = 1e-15 * abs(base[known]).max(initial=0.0)
    return {
        power
        for power in (-2, -1, 0, 1, 2)
        if (abs(values[known] / 4.0**power - base[known]) <= 1e-12 * abs(base[known]) + slack).all()
    }


ORDINARY = ("random walk", "gaps", "constant for a while", "volume now and then")


@each_indicator
def test_stays_within_its_bounds(cases):
    name = type(cases[0]).__name__
    for series in ORDINARY:
        for case, output, values in values_of(cases, HOSTILE[series]):
            bounds = indicator_facts.BOUNDS.get(f"{name}.{output}", indicator_facts.BOUNDS.get(name))
            if bounds is not None:
                low, high = bounds
                slack = 1e-9 * (high if np.isfinite(high) else 0)
                known = values[~np.isnan(values)]
                assert ((known >= low - slack) & (known <= high + slack)).all(), f"{case!r}.{output} on {series}"


@those_of(indicator_facts.ORDERED)
def test_outputs_are_ordered(cases):
    order = indicator_facts.ORDERED[type(cases[0]).__name__]
    for case, series in itertools.product(cases, (*map(HOSTILE.get, ORDINARY), HOSTILE["constant"])):
        known = {**agreement.outputs(case, series), **{f"[{column}]": values for column, values in series.items()}}
        for below, above in itertools.pairwise(known[part] for part in order):
            both = ~np.isnan(below) & ~np.isnan(above)
            assert (below[both] <= above[both] * (1 + 1e-12) + 1e-12).all(), repr(case)


def between(values, low, high):
    known = ~np.isnan(values)
    return (values[known] >= low[known] * (1 - 1e-12)).all() and (values[known] <= high[known] * (1 + 1e-12)).all()


@those_of(indicator_facts.WITHIN_WINDOW)
def test_averages_stay_among_the_prices_of_their_window(cases):
    for case, name in itertools.product(cases, (*ORDINARY, "constant")):
        closes = pd.Series(HOSTILE[name]["close"]).rolling(case.window)
        (values,) = agreement.outputs(case, HOSTILE[name]).values()
        assert between(values, closes.min().to_numpy(), closes.max().to_numpy()), f"{case!r} on {name}"


@those_of(indicator_facts.WITHIN_HISTORY)
def test_recursive_averages_stay_among_the_prices_so_far(cases):
    for case, name in itertools.product(cases, (*ORDINARY, "constant")):
        closes = pd.Series(HOSTILE[name]["close"])
        (values,) = agreement.outputs(case, HOSTILE[name]).values()
        assert between(values, closes.cummin().to_numpy(), closes.cummax().to_numpy()), f"{case!r} on {name}"


# ---- panels and frames -------------------------------------------------------------------------------------------


def frame_with_missing_days():
    """Give three symbols; the second starts late and misses days, the third has few bars."""
    walks = [random_walk(160, seed=seed) for seed in (1, 2, 3)]
    dates = np.array(dated(walks[0])["date"], dtype="int64").astype("datetime64[D]")
    rng = np.random.default_rng(0)
    kept = [np.ones(160, dtype=bool), (rng.random(160) > 0.2) & (np.arange(160) > 20), np.arange(160) > 140]
    return pl.concat(
        pl.DataFrame({"symbol": [symbol] * 160, "date": dates, **walk}).filter(pl.Series(keep))
        for symbol, walk, keep in zip("ABC", walks, kept, strict=True)
    )


FRAME = frame_with_missing_days()
BARS = ss.Bars.from_polars(FRAME)


@each_default
def test_panel_and_frame_compute_each_symbol_on_its_own_bars(case):
    columns = case.calculate(FRAME)
    answer = case(BARS)
    panels = dict(zip(case.outputs, answer if len(case.outputs) > 1 else (answer,), strict=True))
    for row, symbol in enumerate(BARS.symbols):
        own = FRAME.filter(pl.col("symbol") == symbol)
        series = {name: own[name].cast(pl.Float64).to_numpy() for name in COLUMNS}
        series["date"] = own["date"].to_physical().cast(pl.Float64).to_numpy()
        found = columns.filter(pl.col("symbol") == symbol)
        for output, expected in agreement.outputs(case, series).items():
            (column,) = Output(case, output).column_names()
            np.testing.assert_array_equal(found[column].fill_null(np.nan).to_numpy(), expected)
            np.testing.assert_array_equal(panels[output][row][BARS.present[row]], expected)
            assert np.isnan(panels[output][row][~BARS.present[row]]).all()


@each_default
def test_grid_equals_its_cells(case):
    numbers = [name for name, allowed in case.ranges().items() if allowed.kind != "choice"]
    if not numbers:
        return
    start = case.values[numbers[0]]
    values = range(start, start + 3) if isinstance(start, int) else [start, start * 0.9, start * 0.75]
    grid = type(case)(**{numbers[0]: values})
    answer = grid(*(WALK[column] for column in grid.inputs))
    rows = dict(zip(case.outputs, answer if len(case.outputs) > 1 else (answer,), strict=True))
    for place, cell in enumerate(cells(grid)):
        for output, expected in agreement.outputs(cell, WALK).items():
            same_bits(rows[output][place], expected, f"{cell!r}.{output}")


FUSED = [cls for cls in catalogue.builtin().values() if cls.grid_kernel and cls.grid_parameters == 1]


@pytest.mark.parametrize("cls", FUSED, ids=lambda cls: cls.__name__)
def test_grid_in_one_call_equals_its_cells_on_hostile_series(cls):
    grid = cls([45, 2, 7, 2, 300])
    for what, series in HOSTILE.items():
        rows = grid(*(series[column] for column in grid.inputs))
        for row, cell in zip(rows, cells(grid), strict=True):
            (expected,) = agreement.outputs(cell, series).values()
            same_bits(row, expected, f"{cell!r} on {what}")


@pytest.mark.parametrize("align", ["own", "talib"])
def test_macd_of_many_windows_in_one_call_equals_its_cells_on_hostile_series(align):
    grid = MACD([2, 1, 7], [9, 30, 8], [1, 5, 4], align=align)
    for what, series in HOSTILE.items():
        answer = grid(series["close"])
        assert answer.macd.shape == (27, len(series["close"]))
        for place, cell in enumerate(cells(grid)):
            for output, expected in agreement.outputs(cell, series).items():
                same_bits(getattr(answer, output)[place], expected, f"{cell!r}.{output} on {what}")


def test_one_wrong_combination_of_a_grid_is_refused():
    with pytest.raises(ParameterError, match="fast=12, slow=10"):
        MACD([5, 12], [10, 20])(WALK["close"])


@each_default
def test_inputs_are_left_alone(case):
    inputs = [WALK[column].copy() for column in case.inputs]
    before = [values.tobytes() for values in inputs]
    for values in inputs[::2]:
        values.flags.writeable = False
    case(*inputs)
    assert [values.tobytes() for values in inputs] == before
