"""Candles of whole ticks that hold every pattern, and those that miss one by a tick."""

import numpy as np

from stockstream.indicators.pattern_table import SETTINGS

#: Bars of a made sequence: the longest pattern, and the ten bars before its oldest.
BARS = 16
POPULATION, STEPS, RESTART = 48, 2000, 80


def tick_walk(bars, seed, sizes, tick=1.0):
    """Give a walk of small whole moves: gaps, equal prices and doji on many bars."""
    rng, rows, price = np.random.default_rng(seed), [], 100
    for size in rng.choice(sizes, bars):
        open_ = price + rng.integers(-size, size + 1)
        close = open_ + rng.integers(-size, size + 1)
        shadows = rng.integers(0, size // 2 + 1, 2) * (rng.random(2) < 0.6)
        rows.append((open_, max(open_, close) + shadows[0], min(open_, close) - shadows[1], close))
        price = min(max(close, 60), 400)
    return named(np.array(rows, dtype=float) * tick)


def named(rows):
    """Give (T, 4) open, high, low and close as contiguous columns."""
    columns = dict(zip(("open", "high", "low", "close"), map(np.ascontiguousarray, rows.T), strict=True))
    return {**columns, "volume": np.full(len(rows), 1000.0)}


def shapes(candles):
    """Give the measures of (…, bars, 4) candles by name."""
    o, h, lo, c = np.moveaxis(candles, -1, 0)
    top, bottom = np.maximum(o, c), np.minimum(o, c)
    made = {"o": o, "h": h, "l": lo, "c": c, "top": top, "bottom": bottom, "body": abs(c - o), "range": h - lo}
    return {**made, "upper": h - top, "lower": bottom - lo, "shadows": h - top + bottom - lo, "middle": (h + lo) / 2}


def missing(pattern, rule, candles):
    """Give, for each of (P, bars, 4) candles, by how much a rule's conditions fail on the last bar; 0 if all hold."""
    measures, share = shapes(candles), pattern.penetration or pattern.share

    def term(name, ago, sign=1):
        if name == "part":
            return sign * share * measures["body"][:, -1 - ago]
        if name not in SETTINGS:
            return sign * measures[name][:, -1 - ago]
        measure, period, factor = SETTINGS[name]
        window = slice(BARS - 1 - ago - period, BARS - 1 - ago) if period else slice(BARS - 1 - ago, BARS - ago)
        return sign * factor * measures[measure][:, window].mean(axis=1)

    short = np.zeros(len(candles))
    for left, relation, right in rule.conditions:
        above = term(*left) - sum(term(*other) for other in right)
        above = -above if relation.startswith("<") else above
        holds = above >= 0 if relation.endswith("=") else above > 0
        short += np.where(holds, 0.0, 0.5 - above)
    return short


def mutated(candles, rng, recent):
    """Give copies with one of the last candles, or any one, drawn anew or moved."""
    copies = np.repeat(candles[None], POPULATION, axis=0)
    for copy in copies:
        for _ in range(rng.integers(1, 3)):
            at = BARS - 1 - rng.integers(0, recent if rng.random() < 0.8 else BARS)
            if rng.random() < 0.5:
                copy[at] += rng.integers(-12, 13)
            else:
                copy[at, [0, 3]] = copy[at, rng.integers(0, 4)] + rng.integers(-20, 21, 2) * (rng.random(2) < 0.8)
            copy[at, 1] = copy[at, [0, 3]].max() + rng.integers(0, 15) * (rng.random() < 0.5)
            copy[at, 2] = copy[at, [0, 3]].min() - rng.integers(0, 15) * (rng.random() < 0.5)
    return copies


def searched(pattern, rule, rng):
    """Give (bars, 4) candles that end in the pattern by this rule: of many changes, keep the best, over and over."""
    for step in range(STEPS):
        if step % RESTART == 0:
            candles = np.column_stack(list(tick_walk(BARS, rng.integers(1 << 30), [4, 8]).values())[:4]) + 400
        copies = mutated(candles, rng, pattern.candles + 1)
        short = missing(pattern, rule, copies)
        candles = copies[np.argmin(short)]
        if short.min() == 0.0:
            return candles
    message = f"{pattern.name}: no candles found for {rule}"
    raise AssertionError(message)


def near_misses(candles, rng, count):
    """Give copies in which a price of the last candles is a tick away, still within low to high."""
    found = []
    while len(found) < count:
        copy = candles.copy()
        copy[BARS - 1 - rng.integers(0, 5), rng.integers(0, 4)] += rng.choice([-1, 1])
        if (copy[:, 1] >= copy.max(axis=1)).all() and (copy[:, 2] <= copy.min(axis=1)).all():
            found.append(copy)
    return found


def every_pattern(patterns, seed=0, copies=12):
    """Give one series in which each rule of each pattern is met, and missed by a tick."""
    rng, pieces = np.random.default_rng(seed), []
    for pattern in patterns:
        for rule in pattern.rules:
            candles = searched(pattern, rule, rng)
            pieces += [candles, *near_misses(candles, rng, copies)]
    return named(np.concatenate(pieces))
