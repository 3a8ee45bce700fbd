"""Sessions to learn on and sessions to be judged on, apart from each other: the interface of scikit-learn's splitters.

`WalkForwardSplit` only ever learns on the past; `CombinatorialSplit` judges every choice of some of the groups, after
López de Prado, "Advances in Financial Machine Learning" (2018), chapter 12. Purging leaves out sessions before a test,
whose outcome (a trade, a label) reaches into it; an embargo leaves out sessions after it, which still remember it.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from stockstream.errors import ParameterError, counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

type Indices = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class WalkForwardSplit:
    """Windows that follow each other: learn on the past, be judged on what comes next.

    Attributes
    ----------
    train, test
        Sessions of a window; tests follow each other without gaps, the last one may be shorter.
    anchored
        Learn from the first session on, a little more each time, instead of always the same number.
    purge
        Sessions left out at the end of each training window.
    embargo
        Sessions after each earlier test that are never learned on.

    Examples
    --------
    >>> windows = WalkForwardSplit(train=4, test=2, purge=1)
    >>> [(learn.tolist(), judge.tolist()) for learn, judge in windows.split(range(8))]
    [([0, 1, 2], [4, 5]), ([2, 3, 4], [6, 7])]
    """

    train: int
    test: int
    anchored: bool = False
    purge: int = 0
    embargo: int = 0

    def __post_init__(self) -> None:
        _whole("train", self.train, 1)
        _whole("test", self.test, 1)
        _apart(self.purge, self.embargo)
        if self.purge >= self.train:
            message = (
                f"a purge of {counted(self.purge, 'session')} leaves nothing of {self.train} to learn on: train longer"
            )
            raise ParameterError(message)
        if self.embargo >= self.test:
            message = f"an embargo of {counted(self.embargo, 'session')} takes whole tests of {self.test}: test longer"
            raise ParameterError(message)

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[Indices, Indices]]:
        """Give the places to learn on and to be judged on, window by window; `y` and `groups` are not looked at."""
        sessions = self._sessions(X)
        for start in range(self.train, sessions, self.test):
            learn = np.arange(0 if self.anchored else start - self.train, start - self.purge)
            before = (learn - self.train) // self.test * self.test + self.train  # where the test around it began
            after = (learn >= self.train + self.test) & (learn - before < self.embargo)
            yield learn[~after], np.arange(start, min(start + self.test, sessions))

    def get_n_splits(self, X: Any, y: Any = None, groups: Any = None) -> int:
        """Return the number of windows."""
        return -(-(self._sessions(X) - self.train) // self.test)

    def _sessions(self, X: Any) -> int:
        sessions = len(X)
        if sessions <= self.train:
            train = counted(self.train, "session")
            message = f"expected more than the {train} to learn on; found {sessions}: nothing is left to test"
            raise ParameterError(message)
        return sessions


@dataclass(frozen=True, kw_only=True)
class CombinatorialSplit:
    """Every choice of some of the groups as the test, all else to learn on: combinatorial purged cross-validation.

    Attributes
    ----------
    groups, test_groups
        Contiguous groups of sessions, and how many of them a test has.
    purge, embargo
        Sessions left out before and after each group of the test.

    Examples
    --------
    >>> folds = CombinatorialSplit(groups=4, test_groups=2, embargo=1)
    >>> folds.get_n_splits(), folds.paths
    (6, 3)
    >>> learn, judge = next(folds.split(range(8)))
    >>> learn.tolist(), judge.tolist()
    ([5, 6, 7], [0, 1, 2, 3])
    """

    groups: int = 10
    test_groups: int = 2
    purge: int = 0
    embargo: int = 0

    def __post_init__(self) -> None:
        _whole("groups", self.groups, 2)
        _whole("test_groups", self.test_groups, 1)
        _apart(self.purge, self.embargo)
        if self.test_groups >= self.groups:
            message = f"expected fewer test groups than the {self.groups} groups; found {self.test_groups}"
            raise ParameterError(message)

    @property
    def paths(self) -> int:
        """How many times each group is judged, and so how many whole paths the tests make."""
        return math.comb(self.groups - 1, self.test_groups - 1)

    def choices(self) -> list[tuple[int, ...]]:
        """Return the groups of each test, in the order of `split`."""
        return list(itertools.combinations(range(self.groups), self.test_groups))

    def borders(self, sessions: int) -> Indices:
        """Return ``(groups + 1,)``: the first session of each group, and the number of sessions."""
        each, longer = divmod(sessions, self.groups)
        return np.concatenate([[0], np.cumsum(each + (np.arange(self.groups) < longer))]).astype(np.int64)

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[Indices, Indices]]:
        """Give the places to learn on and to be judged on; `y` and `groups` are not looked at."""
        sessions, borders = len(X), self.borders(len(X))
        if sessions < self.groups:
            message = f"expected at least one session in each of the {self.groups} groups; found {sessions} in all"
            raise ParameterError(message)
        for chosen in self.choices():
            judged, kept = np.zeros(sessions, dtype=bool), np.ones(sessions, dtype=bool)
            for group in chosen:
                begin, end = borders[group], borders[group + 1]
                judged[begin:end] = True
                kept[max(begin - self.purge, 0) : end + self.embargo] = False
            if not kept.any():
                message = (
                    f"purge {self.purge} and embargo {self.embargo} overlap: nothing is left to learn on when groups "
                    f"{', '.join(map(str, chosen))} are the test. Use fewer groups or smaller gaps"
                )
                raise ParameterError(message)
            yield np.flatnonzero(kept), np.flatnonzero(judged)

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of splits."""
        return math.comb(self.groups, self.test_groups)


def runs_of(places: Indices) -> list[tuple[int, int]]:
    """Return contiguous stretches of ascending places as (first, end).

    Examples
    --------
    >>> runs_of(np.array([0, 1, 4, 5, 6]))
    [(0, 2), (4, 7)]
    """
    cuts = np.flatnonzero(np.diff(places) != 1) + 1
    return [(int(part[0]), int(part[-1]) + 1) for part in np.split(places, cuts) if len(part)]


def _whole(name: str, value: Any, fewest: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < fewest:
        message = f"expected {name} to be a whole number of at least {fewest}; found {value!r}"
        raise ParameterError(message)


def _apart(purge: Any, embargo: Any) -> None:
    _whole("purge", purge, 0)
    _whole("embargo", embargo, 0)
