"""Random strategies of rules, and the comparison of every row of a sweep with its backtest."""

import warnings

import numpy as np
from hypothesis import strategies as st

import stockstream as ss
from stockstream.indicators import ATR, EMA, RSI, SMA
from stockstream.research.question import EVERY
from stockstream.research.variants import with_options

#: Of a metric: this times max(1, |x|).
TOLERANCE = 1e-9


class Drawn(ss.RuleStrategy):
    """Rules from a recipe; subclasses say which."""

    recipe = ("above",)

    def __init__(self, fast=3, slow=7, level=0.0, stop=0.05):
        self.fast = fast
        self.slow = slow
        self.level = level
        self.stop = stop

    def rules(self):
        parts = {name: self.built(tree) for name, tree in self.recipe.items()}
        return ss.Rules(**parts)

    def built(self, tree):
        if isinstance(tree, str):
            return getattr(self, tree) if tree in ("fast", "slow", "level", "stop") else NUMBERS[tree](self)
        if not isinstance(tree, tuple):
            return tree
        name, *operands = tree
        return OPERATIONS[name](*(self.built(operand) for operand in operands))


NUMBERS = {
    "close": lambda s: ss.close,
    "open": lambda s: ss.open,
    "sma_fast": lambda s: SMA(s.fast),
    "sma_slow": lambda s: SMA(s.slow),
    "ema_slow": lambda s: EMA(s.slow),
    "rsi": lambda s: RSI(s.fast),
    "atr": lambda s: ATR(s.fast),
    "shifted": lambda s: ss.close.shift(s.fast),
    "highest": lambda s: ss.high.max(s.slow).shift(1),
    "sum": lambda s: ss.close + s.level * ATR(s.fast),
    "ratio": lambda s: 60 * ss.close / SMA(s.slow) + s.level,
    "change": lambda s: abs(ss.close.change(s.fast)) - s.level,
    "choice": lambda s: ss.when(ss.close > SMA(s.slow)).then(ss.low).otherwise(ss.high - s.level),
}

OPERATIONS = {
    "above": lambda a, b: a > b,
    "below": lambda a, b: a < b,
    "at least": lambda a, b: a >= b,
    "differ": lambda a, b: a.ne(b),
    "crosses above": lambda a, b: a.crosses_above(b),
    "crosses below": lambda a, b: a.crosses_below(b),
    "and": lambda a, b: a & b,
    "or": lambda a, b: a | b,
    "not": lambda a: ~a,
    "then": lambda a: a.shift(1),
    "when": lambda a, b, c: ss.when(a).then(b).otherwise(c),
    "share": lambda a: a,
}


@st.composite
def conditions(draw, depth=2):
    if depth == 0 or draw(st.booleans()):
        name = draw(st.sampled_from(["above", "below", "at least", "differ", "crosses above", "crosses below"]))
        one = draw(st.sampled_from(sorted(NUMBERS)))
        other = draw(st.sampled_from([*sorted(NUMBERS), "level"]))
        return (name, one, other)
    name = draw(st.sampled_from(["and", "or", "not", "then", "when"]))
    count = {"and": 2, "or": 2, "not": 1, "then": 1, "when": 3}[name]
    return (name, *(draw(conditions(depth=depth - 1)) for _ in range(count)))


@st.composite
def strategies(draw):
    """Draw a class: both sides or one, with or without exits, stops that are numbers, parameters or absent."""
    sides = draw(st.sampled_from([("long",), ("long",), ("short",), ("long", "short")]))
    recipe = {}
    for side in sides:
        recipe[f"enter_{side}"] = draw(conditions())
        if draw(st.integers(0, 3)):
            recipe[f"exit_{side}"] = draw(conditions())
    for level in ("stop_loss", "take_profit", "trailing_stop"):
        form = draw(st.sampled_from(["absent", "absent", "number", "parameter"]))
        if form != "absent":
            recipe[level] = 0.0631 if form == "number" else "stop"
    if draw(st.integers(0, 4)) == 0:
        recipe["max_bars"] = 4
    return type("DrawnStrategy", (Drawn,), {"recipe": recipe, "__init__": Drawn.__init__})


def crossovers():
    """Recipes that the short way serves."""
    return [
        {
            "enter_long": ("crosses above", "sma_fast", "sma_slow"),
            "exit_long": ("crosses below", "sma_fast", "sma_slow"),
        },
        {"enter_long": ("below", "rsi", "level"), "exit_long": ("above", "close", "sma_slow")},
        {"enter_long": ("above", "close", "ema_slow"), "exit_long": ("below", "close", "shifted")},
    ]


@st.composite
def grids(draw):
    """Draw a grid, or a list of combinations."""
    grid = {
        "fast": draw(st.lists(st.integers(1, 6), min_size=1, max_size=3, unique=True)),
        "slow": draw(st.lists(st.integers(2, 12), min_size=1, max_size=3, unique=True)),
        "level": draw(st.lists(st.sampled_from([0.0, -1.5, 22.5, 47.0, 60.0]), min_size=1, max_size=2, unique=True)),
        "stop": draw(st.lists(st.sampled_from([0.0213, 0.0831]), min_size=1, max_size=2, unique=True)),
    }
    if draw(st.booleans()):
        return grid
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows = [{name: values[random.integers(len(values))] for name, values in grid.items()} for _ in range(4)]
    return [dict(row) for row in {tuple(row.items()): row for row in rows}.values()]


def assert_rows_are_backtests(swept, **options):
    """Compare every row, in every metric it has, with the backtest that it stands for."""
    rows = swept.frame.to_dicts()
    assert len(rows) == swept.runs
    for row in rows:
        parameters = {name: row[name] for name in swept.parameters if name not in swept.options}
        settings = with_options(swept.settings, {name: row[name] for name in swept.options})
        chosen = {name: getattr(settings, name) for name in settings.__dataclass_fields__}
        bars = swept.bars.select([row["symbol"]]) if swept.portfolio == "each" else swept.bars
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="no volume for")
            result = ss.backtest(swept.strategy(**parameters), bars, **chosen, **options)
        expected = result.metrics.to_dict()
        expected |= {"final_equity": result.equity["equity"][-1], "ambiguous_bars": result.ambiguous_bars}
        for name in swept.metrics:
            if name in EVERY:
                assert_equal(row[name], expected[name], name, row)


def assert_equal(found, expected, name, row):
    same = found == expected or (np.isnan(found) and np.isnan(expected))
    assert same or abs(found - expected) <= TOLERANCE * max(1.0, abs(expected)), (name, found, expected, row)
