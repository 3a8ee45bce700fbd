"""The audit finds every seeded leak, names its line, and is silent about what is honest."""

import inspect
import time

import numpy as np
import pytest

import stockstream as ss
from stockstream.backtesting import strategies
from stockstream.backtesting.strategies import BuyAndHold, CrossSectionalMomentum, DonchianBreakout, PairsMeanReversion
from stockstream.backtesting.strategy import RuleStrategy, TargetStrategy
from stockstream.errors import DataError, ParameterError
from stockstream.indicators import SMA
from stockstream.indicators.catalogue import builtin
from stockstream.research.audit import audit
from stockstream.research.tracing import FOLLOWS_LINES
from tests.reference.look_ahead_mutants import MUTANTS, Remembering, peek, tomorrows_open
from tests.reference.sample_series import COLUMNS, random_walk

SHIPPED = [
    cls
    for cls in vars(strategies).values()
    if inspect.isclass(cls) and cls.__module__ == strategies.__name__ and issubclass(cls, RuleStrategy | TargetStrategy)
]
#: The classes of the catalogue, in parts that one test each goes through.
PARTS = 4


def panel(symbols=3, sessions=300, gaps=0.0):
    series = [random_walk(sessions, seed=symbol) for symbol in range(symbols)]
    days = np.arange("2022-01-03", "2026-01-01", dtype="datetime64[D]")
    columns = {name: np.stack([one[name] for one in series]) for name in COLUMNS}
    absent = np.random.default_rng(5).random((symbols, sessions)) < gaps
    for values in columns.values():
        values[absent] = np.nan
    dates = days[np.is_busday(days)][:sessions]
    return ss.Bars.from_arrays(symbols=[f"S{number}" for number in range(symbols)], dates=dates, **columns)


BARS = panel()


def test_there_are_enough_ways_to_look_ahead():
    assert len(MUTANTS) >= 20


@pytest.mark.parametrize("name", MUTANTS)
def test_every_leak_is_found_and_its_honest_twin_is_not(name):
    mutant = MUTANTS[name]
    found = audit(mutant.leak, BARS, **mutant.options)
    assert found.outcome == "looked ahead"
    assert {finding.detector for finding in found.findings} & mutant.detectors
    sources = [finding.source for finding in found.findings]
    line = mutant.line if FOLLOWS_LINES else "look_ahead_mutants.py:"
    assert mutant.line is None or any(line in source for source in sources), sources
    reaches = [finding.reach for finding in found.findings]
    assert mutant.reads is None or any(mutant.reads in reach for reach in reaches), reaches
    honest = audit(mutant.honest, BARS, **({} if "fill" in mutant.options else mutant.options))
    assert honest.clean, honest


@pytest.mark.parametrize("part", range(PARTS))
def test_no_built_in_indicator_is_accused(part):
    bars = panel(2, 260, gaps=0.03)
    accused = {
        name: found.findings
        for name, cls in list(builtin().items())[part::PARTS]
        if not (found := audit(cls(), bars, cuts=8)).clean
    }
    assert not accused


@pytest.mark.parametrize("cls", SHIPPED)
def test_no_shipped_strategy_is_accused(cls):
    bars = panel(2 if cls is PairsMeanReversion else 3, 400, gaps=0.02)
    listed_late = {name: getattr(bars, name).copy() for name in COLUMNS}
    for values in listed_late.values():
        values[1, :100] = np.nan
    bars = ss.Bars.from_arrays(symbols=bars.symbols, dates=bars.dates, **listed_late)
    strategy = CrossSectionalMomentum(60, 10, 1) if cls is CrossSectionalMomentum else cls()
    sizing = ss.Sizing.risk(0.01) if cls is DonchianBreakout else None
    found = audit(strategy, bars, sizing=sizing, costs=ss.Costs(commission=0.001))
    assert found.clean, found
    assert found.runs > 20


def test_what_does_not_read_its_bars_is_not_called_clean():
    found = audit(lambda bars: np.arange(len(bars.dates)) % 5 == 0, BARS)
    assert found.outcome == "cannot tell"
    assert found.findings[0].detector == "follows its bars"
    given = audit(Remembering(BARS), BARS)
    assert given.outcome == "looked ahead"
    assert "it reads other bars" in given.findings[0].explanation
    assert audit(BuyAndHold(), BARS).clean


def test_an_answer_that_is_not_repeatable_is_said_to_be():
    random = np.random.default_rng(0)
    found = audit(lambda bars: random.normal(size=bars.shape), BARS)
    assert found.outcome == "cannot tell"
    assert found.findings[0].detector == "determinism"


def test_a_strategy_that_remembers_is_copied_for_each_run():
    class Counting(ss.Strategy):
        def __init__(self):
            self.seen = []

        def on_data(self, date, symbol, data, portfolio):
            self.seen.append(data["close"])
            return ss.Action.buy(value=100.0) if len(self.seen) % 50 == 0 else None

    strategy = Counting()
    assert audit(strategy, BARS, cuts=6).clean
    assert not strategy.seen


def test_a_target_that_cannot_run_on_few_bars_is_noted():
    def needs_many(bars):
        if len(bars.dates) < 100:
            message = "too few"
            raise ValueError(message)
        return bars.close > 10.0

    found = audit(needs_many, BARS)
    assert found.clean
    assert any("too few" in spot for spot in found.blind_spots)


def test_a_symbol_whose_first_trade_comes_late_accuses_nobody():
    """With few bars it looks like an index, which always trades; the audit knows that it is none."""
    columns = {name: getattr(BARS, name).copy() for name in COLUMNS}
    columns["volume"][1, :200] = 0.0
    late = ss.Bars.from_arrays(symbols=BARS.symbols, dates=BARS.dates, **columns)
    rule = DonchianBreakout(short=False)
    assert audit(rule, late, sizing=ss.Sizing.weight(0.3)).clean
    few = late.between(None, str(late.dates[150]))
    with pytest.warns(UserWarning, match="no volume for S1"):  # what the engine makes of few bars
        assert len(ss.backtest(rule, few.select(["S1"])).fills) > 0


@pytest.mark.slow
def test_a_rule_strategy_on_a_hundred_symbols_takes_seconds():
    bars = panel(100, 1000)
    audit(strategies.MovingAverageCrossover(), bars)
    started = time.process_time()
    assert audit(strategies.MovingAverageCrossover(), bars).clean
    assert time.process_time() - started < 3.0


def test_findings_read_well():
    found = audit(peek(), BARS)
    first = found.findings[0]
    assert first.symbol in BARS.symbols
    assert first.date <= first.cut
    assert "look_ahead_mutants.py" in repr(found)
    assert "looked ahead" in found._repr_html_()
    with pytest.raises(AttributeError):
        found.outcome = "clean"


@pytest.mark.parametrize(
    ("target", "options", "error", "words"),
    [
        (tomorrows_open(BARS), {}, ParameterError, "made already"),
        (lambda bars: bars.symbols, {}, ParameterError, "one value a session"),
        (42, {}, ParameterError, "to audit"),
        (SMA(5), {"known": "noon"}, ParameterError, "known="),
        (SMA(5), {"cuts": 0}, ParameterError, "cuts"),
        (SMA(5), {"leverag": 2}, ParameterError, "Did you mean 'leverage'"),
    ],
)
def test_what_makes_no_sense_is_refused(target, options, error, words):
    with pytest.raises(error, match=words):
        audit(target, BARS, **options)


def test_bars_must_be_bars_and_enough():
    with pytest.raises(DataError, match="at least"):
        audit(SMA(5), BARS.between(None, str(BARS.dates[10])))
    with pytest.raises(DataError, match="Bars"):
        audit(SMA(5), BARS.close)


# ---- as the lake knew it -------------------------------------------------------------------------------------------


def fetched(lake, bars, day, change=None, traded=None):
    """Store the bars up to a day as one answer of that evening, with one bar changed, and the volume of another."""
    frame = bars.between(None, day).to_pandas()
    if change is not None:
        symbol, date, factor = change
        here = (frame["symbol"] == symbol) & (frame["date"] == np.datetime64(date))
        frame.loc[here, ["open", "high", "low", "close"]] *= factor
    if traded is not None:
        frame.loc[(frame["symbol"] == traded[0]) & (frame["date"] == np.datetime64(traded[1])), "volume"] += 1_000
    frame["volume"] = frame["volume"].astype("int64")
    frame["fetch_timestamp"] = f"{day}T22:00:00.000000Z"
    lake.write_rows(frame)


@pytest.mark.parametrize("revised", [True, False])
def test_a_decision_on_values_that_were_revised_later_is_found(tmp_path, revised):
    truth = panel(2, 120)
    lake = ss.Lake(tmp_path / "lake")
    wrong = ("S0", str(truth.dates[80]), 1.5) if revised else None
    fetched(lake, truth, str(truth.dates[90]), wrong)
    fetched(lake, truth, str(truth.dates[118]))
    bars = lake.bars(adjust="none")
    rule = ss.close > SMA(10)
    assert audit(rule, bars).clean
    found = audit(rule, bars, lake=lake)
    assert found.clean is not revised
    if revised:
        assert [finding.detector for finding in found.findings] == ["as of"]
        assert str(truth.dates[80]) in found.findings[0].explanation


def test_the_revision_that_is_named_is_of_the_symbol_whose_decision_changed(tmp_path):
    truth = panel(2, 120)
    lake = ss.Lake(tmp_path / "lake")
    other = ("S1", str(truth.dates[60]))  # earlier, and no decision rests on it
    fetched(lake, truth, str(truth.dates[90]), ("S0", str(truth.dates[80]), 1.5), other)
    fetched(lake, truth, str(truth.dates[118]))
    (finding,) = audit(ss.close > SMA(10), lake.bars(adjust="none"), lake=lake).findings
    assert f"S0 {truth.dates[80]} closed at" in finding.explanation
    assert "and 2 rows in all changed after" in finding.explanation
