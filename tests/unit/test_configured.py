"""Strategies named in a YAML file: what the file says is what runs, and what it says wrongly is refused by name."""

import re

import numpy as np
import pytest
from typer.testing import CliRunner

import stockstream as ss
from stockstream.backtesting.configured import configured_names, configured_strategy
from stockstream.backtesting.strategies import DonchianBreakout, MovingAverageCrossover
from stockstream.cli import app
from stockstream.errors import SettingsError, UnknownNameError
from stockstream.indicators import ATR, RSI, SMA
from tests.reference.sample_series import random_walk


@pytest.fixture
def shipped(repository):
    return repository / "config" / "strategies.yaml"


def bars(symbols=1, sessions=320):
    walks = [random_walk(sessions, seed=20 + k) for k in range(symbols)]
    return ss.Bars.from_arrays(
        symbols=[f"S{k}" for k in range(symbols)],
        dates=np.arange(sessions).astype("datetime64[D]"),
        **{name: np.stack([walk[name] for walk in walks]) for name in walks[0]},
    )


def test_every_strategy_of_the_shipped_file_runs(shipped):
    names = configured_names(shipped)
    assert len(names) >= 9
    for name in names:
        configured = configured_strategy(shipped, name)
        panel = bars(2 if name == "pair" else 6)
        result = ss.backtest(configured.strategy, panel, sizing=configured.sizing)
        assert len(result.ledgers["fills"]) > 0, name
        assert configured.description


def test_an_entry_is_the_class_with_its_parameters_and_size(shipped):
    configured = configured_strategy(shipped, "turtle")
    assert isinstance(configured.strategy, DonchianBreakout)
    assert configured.strategy.parameters["stop_ranges"] == 2.0
    assert configured.sizing == ss.Sizing.risk(0.01)
    assert configured_strategy(shipped, "trend").sizing is None


def test_rules_as_data_are_the_rules_written_in_python(shipped):
    strategy = configured_strategy(shipped, "dip_in_uptrend").strategy
    assert strategy.name == "dip_in_uptrend"
    assert strategy.parameters == {"oversold": 30, "trend": 200}
    written = ss.Rules(
        enter_long=(RSI(5) < 30) & (ss.close > SMA(200)), exit_long=RSI(5) > 60, stop_loss=3 * ATR(14), max_bars=15
    )
    assert strategy.rules() == written


def test_rules_survive_the_way_through_a_file(tmp_path):
    import yaml

    rules = MovingAverageCrossover(5, 9).rules()
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump({"strategies": {"mine": {"rules": rules.to_dict()}}}))
    assert configured_strategy(file, "mine").strategy.rules() == rules


WRONG = {
    "- a list": "expected one mapping `strategies`",
    "strategies: {}": "expected one mapping `strategies`",
    "strategies: {a: {strategy: BuyAndHold}}\nmore: 1": "found 'strategies', 'more'",
    "strategies: {a: {strategy: [}": "not valid YAML: .* in line 1",
    "strategies:\n  a: {strategy: BuyAndHold}\n  a: {strategy: BuyAndHold}": "'a' stands twice in line 3",
    "strategies: {a: 3}": "strategy 'a': expected a mapping with either `strategy` or `rules`",
    "strategies: {a: {strategy: BuyAndHold, rules: {}}}": "either `strategy` or `rules`",
    "strategies: {a: {strategy: BuyAndHold, parameter: {}}}": "unknown key 'parameter'.*Did you mean 'parameters'",
    "strategies: {a: {strategy: BuyAndHolt}}": "unknown strategy 'BuyAndHolt'.*Did you mean 'BuyAndHold'",
    "strategies: {a: {strategy: BuyAndHold, parameters: [1]}}": "`parameters` to be a mapping",
    "strategies: {a: {strategy: BuyAndHold, parameters: {x: 1}}}": "no parameter 'x'; it has none",
    "strategies: {a: {strategy: BollingerBreakout, parameters: {perod: 9}}}": "Did you mean 'period'",
    "strategies: {a: {strategy: BollingerBreakout, parameters: {period: '9'}}}": "period of the kind of 20; found '9'",
    "strategies: {a: {strategy: BollingerBreakout, parameters: {period: 0}}}": "window to be a whole number from 1",
    "strategies: {a: {strategy: DonchianBreakout, parameters: {short: 1}}}": "short of the kind of True; found 1",
    "strategies: {a: {strategy: BuyAndHold, sizing: {wait: 1}}}": "expected `sizing` as all_cash or one of shares",
    "strategies: {a: {strategy: BuyAndHold, sizing: {weight: -1}}}": "Sizing.weight above 0; found -1",
    "strategies: {a: {rules: 7}}": "expected `rules` to be a mapping",
    "strategies: {a: {rules: {enter_long: {les: [1, 2]}}}}": "unknown operation 'les'. Did you mean 'less'",
    "strategies: {a: {rules: {enter_lon: {less: [1, 2]}}}}": "unknown rule 'enter_lon'",
    "strategies: {a: {rules: {enter_long: {less: [1, {indicator: RSY}]}}}}": "RSY",
    "strategies: {a: {rules: {enter_long: {less: [1]}}}}": r"list of 2 operands for 'less'; found \[1\]",
    "strategies: {a: {rules: {enter_long: {less: 1}}}}": "list of 2 operands for 'less'; found 1",
    "strategies: {a: {rules: {enter_long: {less: [1, {parameter: p}]}}}}": "take the parameters p; .* gives none",
}


@pytest.mark.parametrize(("text", "sentence"), WRONG.items())
def test_what_is_wrong_is_said_with_the_name_of_the_file(tmp_path, text, sentence):
    file = tmp_path / "wrong.yaml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=sentence) as raised:
        configured_strategy(file, "a")
    assert "wrong.yaml" in str(raised.value)


def test_a_file_that_is_missing_or_not_text_and_a_name_that_is_not_in_it(tmp_path, shipped):
    with pytest.raises(SettingsError, match=r"cannot read .*none.yaml"):
        configured_names(tmp_path / "none.yaml")
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(SettingsError, match="not valid YAML"):
        configured_names(binary)
    with pytest.raises(UnknownNameError, match=r"no strategy 'turtel'; it has trend.*Did you mean 'turtle'"):
        configured_strategy(shipped, "turtel")


def test_a_class_that_needs_a_value_asks_for_it(tmp_path):
    class Needy(MovingAverageCrossover):
        def __init__(self, fast_period: int, slow_period: int = 9) -> None:
            super().__init__(fast_period, slow_period)

    file = tmp_path / "needy.yaml"
    file.write_text("strategies: {a: {strategy: Needy}, b: {strategy: Needy, parameters: {fast_period: 3}}}")
    with pytest.raises(SettingsError, match="Needy needs a value for fast_period"):
        configured_strategy(file, "a", find=lambda _: Needy)
    assert configured_strategy(file, "b", find=lambda _: Needy).strategy.parameters["fast_period"] == 3


# ---- the command line --------------------------------------------------------------------------------------------


@pytest.fixture
def lake(tmp_path):
    frame = bars(1).to_polars()
    frame.write_csv(tmp_path / "prices.csv")
    assert CliRunner().invoke(app, ["import", str(tmp_path / "prices.csv")]).exit_code == 0


def backtest(shipped, *arguments):
    return CliRunner().invoke(app, ["backtest", "--config", str(shipped), "--format", "json", *arguments])


@pytest.mark.usefixtures("lake")
def test_the_command_runs_a_strategy_of_the_file(shipped):
    import json

    outcome = backtest(shipped, "--strategy", "turtle", "--param", "entry_period=15")
    assert outcome.exit_code == 0, outcome.output
    answer = json.loads(outcome.stdout)
    strategy = DonchianBreakout(15, 10, stop_ranges=2.0)
    expected = ss.backtest(strategy, ss.Lake("data/lake").bars(), sizing=ss.Sizing.risk(0.01))
    assert answer["strategy"] == "DonchianBreakout"
    assert answer["parameters"]["entry_period"] == 15
    assert answer["total_return"] == pytest.approx(expected.metrics.total_return, rel=1e-12)
    other = json.loads(backtest(shipped, "--strategy", "turtle", "--sizing", "weight=0.5").stdout)
    assert other["total_return"] != answer["total_return"]


@pytest.mark.usefixtures("lake")
def test_the_command_refuses_in_one_sentence(shipped):
    for arguments, sentence in {
        ("turtel",): "Did you mean 'turtle'",
        ("turtle", "--param", "entry=3"): "has no parameter 'entry'",
        ("dip_in_uptrend", "--param", "trend=0"): "window",
    }.items():
        outcome = backtest(shipped, "--strategy", *arguments)
        assert outcome.exit_code == 2
        assert re.search(sentence, outcome.stderr), outcome.stderr
        assert "Traceback" not in outcome.output
