"""What worker processes import: a strategy, reductions, and a task that kills its worker once."""

import os
import signal
from pathlib import Path

import stockstream as ss
from stockstream.indicators import RSI, SMA


class Cross(ss.RuleStrategy):
    def __init__(self, fast=5, slow=20):
        self.fast = fast
        self.slow = slow

    def rules(self):
        fast, slow = SMA(self.fast), SMA(self.slow)
        return ss.Rules(enter_long=fast.crosses_above(slow), exit_long=fast.crosses_below(slow))


class Ranked(ss.RuleStrategy):
    def __init__(self, days=20, most=1):
        self.days = days
        self.most = most

    def rules(self):
        strength = RSI(self.days).rank(descending=True)
        return ss.Rules(enter_long=strength <= self.most, exit_long=strength > self.most + 1)


def lowest(equity, dates):
    assert equity.shape[1] == len(dates)
    return equity.min(axis=1)


class KillsItsWorkerOnce:
    """A reduction that ends the process it runs in, the first time."""

    def __init__(self, mark: str, owner: int) -> None:
        self.mark = mark
        self.owner = owner

    def __call__(self, equity, dates):
        if os.getpid() != self.owner and not Path(self.mark).exists():
            Path(self.mark).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return equity[:, -1]


def packages_read():
    """Return the process and how often it read a package from its file."""
    from stockstream.research.crew import held

    return os.getpid(), held.cache_info().misses
