"""What it costs not to be fooled, each in a process of its own: ``python -m benchmarks.trust_cases NAME``."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time

import stockstream as ss
from benchmarks.sweep_cases import COSTS, market, sweep
from stockstream.backtesting.strategies import MovingAverageCrossover
from stockstream.research import deflation
from stockstream.research.selection import overfitting

ROUNDS = 25

#: 100,000 pairs.
LARGE = {"fast_period": range(2, 202), "slow_period": range(203, 703)}

#: Sixty sweeps of thousands of pairs that overlap, before that one.
EARLIER = [(range(2 + k, 40 + k), range(203, 303)) for k in range(30)]

#: 40 windows x 5,000 combinations; 252 sessions to choose on, 57 to trade.
TRAIN, TEST = 252, 57
PAIRS = {"fast_period": range(2, 52), "slow_period": range(53, 153)}


def clock(run):
    """Return seconds and the answer."""
    begun = time.perf_counter()
    answer = run()
    return time.perf_counter() - begun, answer


def proof(found):
    """Return the seconds that `best` spends on what the best row proves."""
    spent, whole = [], deflation.with_deflation

    def measured(*args):
        seconds, row = clock(lambda: whole(*args))
        spent.append(seconds)
        return row

    deflation.with_deflation = measured
    try:
        found.best()
    finally:
        deflation.with_deflation = whole
    return spent[0]


def proven(bars):
    """Return the least seconds of a large sweep, and of what its best row proves."""
    swept, proofs = [], []
    for _ in range(ROUNDS + 1):
        seconds, found = clock(lambda: sweep(MovingAverageCrossover, bars, LARGE))
        swept.append(seconds)
        proofs.append(proof(found))
    return min(swept[1:]), min(proofs[1:])


def trust():
    """Return seconds of a large sweep, of what its best row proves, and of the other tools."""
    bars = market()
    whole, alone = proven(bars)
    for fast, slow in EARLIER:  # on the same prices: half of them with the same rule, half with other costs
        sweep(MovingAverageCrossover, bars, {"fast_period": fast, "slow_period": slow})
        costs = ss.Costs(commission=0.0001 * fast[0])
        ss.sweep(MovingAverageCrossover, bars, {"fast_period": fast, "slow_period": slow}, costs=costs, progress=False)
    again, used = proven(bars)
    with_blocks = sweep(MovingAverageCrossover, bars, LARGE, blocks=16)
    overfit, _ = clock(lambda: overfitting(with_blocks.block_sums))
    walk = lambda: ss.walk_forward(  # noqa: E731
        MovingAverageCrossover, bars, PAIRS, train=TRAIN, test=TEST, costs=COSTS
    )
    first, walked = clock(walk)
    many = market(100)
    audited, _ = clock(lambda: ss.audit(MovingAverageCrossover(), many))
    return {
        "sweep": min(whole, again),
        "deflated": alone,
        "deflated_used": used,
        "overfitting": overfit,
        "windows": walked.windows.height,
        "walk_forward_first": first,
        "walk_forward": min(clock(walk)[0] for _ in range(3)),
        "audit_first": audited,
        "audit": min(clock(lambda: ss.audit(MovingAverageCrossover(), many))[0] for _ in range(3)),
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as state:  # a ledger of its own
        os.environ["XDG_STATE_HOME"] = state
        print(json.dumps({"trust": trust}[sys.argv[1]]()))
