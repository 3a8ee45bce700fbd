"""The combinations of a sweep: parameters and settings, checked before anything runs, listed only piece by piece."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from stockstream.backtesting.strategy import constructor_parameters
from stockstream.errors import ParameterError, UnknownNameError, counted, did_you_mean
from stockstream.research.variants import OPTIONS

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

type Grid = Mapping[str, Iterable[Any]] | Sequence[Mapping[str, Any]]

#: Combinations that a constraint is asked about at once.
LISTED_AT_ONCE: Final = 100_000

#: Whole numbers below this are the same as numbers with a fraction.
EXACT: Final = 1 << 53

#: Grids up to this size are listed once and kept.
LISTED_ONCE: Final = 100_000

#: Constrained grids up to this size are searched in full before a sample is said to be impossible.
SEARCHED: Final = 20_000_000

#: Failures kept one by one; what comes after is counted in one row.
KEPT_FAILURES: Final = 1_000


@dataclass
class Failures:
    """Combinations that cannot run, with the reason of each.

    Attributes
    ----------
    names
        Columns of the table that `frame` gives, before ``reason`` and ``combinations``.
    """

    names: tuple[str, ...]
    rows: list[dict[str, Any]] = field(default_factory=list)
    count: int = 0
    unnamed: int = 0

    def add(self, values: Mapping[str, Any], reason: str, combinations: int = 1) -> None:
        """Count combinations; values that are not given are those of all of them."""
        self.count += combinations
        if len(self.rows) < KEPT_FAILURES:
            self.rows.append({**values, "reason": reason, "combinations": combinations})
        else:
            self.unnamed += combinations

    def frame(self) -> pl.DataFrame:
        """Return one row per failure: the parameters (null: any), the reason, and how many combinations it took."""
        import polars as pl

        if not self.rows:
            return pl.DataFrame(
                schema=dict.fromkeys(self.names, pl.Int64) | {"reason": pl.String, "combinations": pl.Int64}
            )
        rows = list(self.rows)
        if self.unnamed:
            rows.append({"reason": "more of the same kinds", "combinations": self.unnamed})
        columns: dict[str, Any] = {name: [row.get(name) for row in rows] for name in self.names}
        whole = {name: all(isinstance(v, int | None) for v in values) for name, values in columns.items()}
        columns |= {"reason": [row["reason"] for row in rows], "combinations": [row["combinations"] for row in rows]}
        schema: dict[str, Any] = {name: pl.Int64 if whole[name] else pl.Float64 for name in self.names}
        return pl.DataFrame(columns, schema=schema | {"reason": pl.String, "combinations": pl.Int64}, strict=False)


@dataclass(frozen=True, eq=False)
class Combinations:
    """What is to be run, without holding a grid of millions.

    Attributes
    ----------
    names
        Parameters and settings, in the order they were given.
    axes
        Values of each, for all combinations; empty for a list or a sample.
    rows
        The combinations of a list or a sample.
    where
        Constraint on the combinations of `axes`.
    count
        Combinations that satisfy it.
    failures
        Those that were refused.
    """

    names: tuple[str, ...]
    axes: Mapping[str, NDArray[Any]]
    rows: pl.DataFrame | None
    where: pl.Expr | None
    count: int
    failures: Failures

    @property
    def listed(self) -> int:
        """Combinations before the constraint."""
        return math.prod(len(values) for values in self.axes.values()) if self.rows is None else self.rows.height

    @property
    def is_product(self) -> bool:
        """Whether they are all combinations of `axes`."""
        return self.rows is None and self.where is None

    @property
    def kept_bytes(self) -> int:
        """What those take that are listed as a whole."""
        rows = self.listed if self.rows is not None or self.listed <= LISTED_ONCE else 0
        return 8 * rows * len(self.names)

    @cached_property
    def whole(self) -> pl.DataFrame:
        """All combinations of `axes`, which are asked for several times."""
        import polars as pl

        columns, inner = {}, self.listed  # as `_columns` gives them by number, without a division for each
        for name, values in self.axes.items():
            inner //= len(values)
            columns[name] = np.tile(np.repeat(values, inner), self.listed // (inner * len(values)))
        return _constrained(pl.DataFrame(columns), self.where)

    def batches(self, size: int) -> Iterator[pl.DataFrame]:
        """Give all combinations in their order, at most `size` at once."""
        rows = self.whole if self.rows is None and self.listed <= LISTED_ONCE else self.rows
        if rows is not None:
            yield from (rows.slice(first, size) for first in range(0, rows.height, size))
            return
        for first in range(0, self.listed, size):
            batch = _constrained(_taken(self.axes, np.arange(first, min(first + size, self.listed))), self.where)
            if batch.height:
                yield batch

    def drawn(self, most: int, seed: int = 0) -> pl.DataFrame:
        """Return so many at most, drawn at random without repetition; those of a grid without ever holding it.

        Raises
        ------
        ParameterError
            The constraint keeps too little of the grid to draw from.
        """
        import polars as pl

        if self.count <= most:
            return pl.concat(self.batches(LISTED_AT_ONCE))
        return _some(self, most, seed)


def combinations(
    strategy: type, grid: Grid, where: pl.Expr | None = None, *, sample: int | None = None, seed: int = 0
) -> Combinations:
    """Return the combinations of a sweep.

    Parameters
    ----------
    strategy
        The class; its constructor says which parameters there are.
    grid
        Name -> values, for all combinations; or a list of combinations. A name with a dot is a setting, such as
        ``"costs.commission"``.
    where
        Polars expression that a combination must satisfy.
    sample, seed
        So many of the combinations, drawn at random without repetition; the same seed draws the same ones.

    Raises
    ------
    ParameterError, UnknownNameError
        An empty grid, a parameter the strategy does not have, values that are no numbers, a constraint that leaves
        nothing, or a sample larger than what there is. NaN, infinities and repetitions are counted as failures.
    """
    known = constructor_parameters(strategy)
    found = _product(grid, known, where) if isinstance(grid, Mapping) else _listed(grid, known, where)
    return found if sample is None else _sampled(found, sample, seed)


# ---- grids -------------------------------------------------------------------------------------------------------


def _product(grid: Mapping[str, Iterable[Any]], known: Mapping[str, Any], where: pl.Expr | None) -> Combinations:
    if not grid:
        message = (
            f"expected at least one parameter with values; found an empty grid. The strategy has {', '.join(known)}"
        )
        raise ParameterError(message)
    for name in grid:
        _check_name(name, known)
    failures = Failures(tuple(grid))
    given: dict[str, Sequence[Any]] = {name: _values(name, values) for name, values in grid.items()}
    axes: dict[str, NDArray[Any]] = {}
    for place, (name, values) in enumerate(given.items()):
        if isinstance(values, range):
            axes[name] = np.arange(values.start, values.stop, values.step)
            continue
        others = math.prod(len(axis) for axis in axes.values())
        others *= math.prod(len(later) for later in list(given.values())[place + 1 :])
        axes[name] = _axis(name, values, failures, others)
    whole = Combinations(tuple(axes), axes, None, where, 0, failures)
    count = whole.listed if where is None else sum(batch.height for batch in whole.batches(LISTED_AT_ONCE))
    if count == 0:
        raise ParameterError(_nothing_left(whole.listed))
    return Combinations(whole.names, axes, None, where, count, failures)


def _axis(name: str, values: Sequence[Any], failures: Failures, others: int) -> NDArray[Any]:
    """Return the usable values of one parameter; `others` is how many combinations each of them stands in."""
    kept: dict[float, Any] = {}
    for value in values:
        reason = _unusable(name, value) or (f"{name}={value} is repeated" if value in kept else "")
        if reason:
            failures.add({name: value}, reason, others)
        else:
            kept[value] = value
    if not kept:
        message = f"expected at least one finite number for {name!r}; found {values!r}"
        raise ParameterError(message)
    return np.array(list(kept.values()), dtype=np.int64 if all(isinstance(v, int) for v in kept) else np.float64)


def _listed(given: Sequence[Mapping[str, Any]], known: Mapping[str, Any], where: pl.Expr | None) -> Combinations:
    import polars as pl

    rows = list(given)
    names = list(rows[0]) if rows and isinstance(rows[0], Mapping) else []
    if not names or any(not isinstance(row, Mapping) or list(row) != names for row in rows):
        message = (
            "expected a list of combinations that all name the same parameters, "
            "such as [{'period': 10}, {'period': 20}]"
        )
        raise ParameterError(message)
    for name in names:
        _check_name(name, known)
    failures, kept = Failures(tuple(names)), {}
    for row in rows:
        values = {name: _number(name, value) for name, value in row.items()}
        key = tuple(values.values())
        reason = next((said for name, value in values.items() if (said := _unusable(name, value))), "")
        if reason or key in kept:
            failures.add(values, reason or "the combination is repeated")
        else:
            kept[key] = values
    if not kept:
        message = f"expected at least one combination of finite numbers; found none in {len(rows):,}"
        raise ParameterError(message)
    columns = {name: [row[name] for row in kept.values()] for name in names}
    whole = {name: all(isinstance(value, int) for value in values) for name, values in columns.items()}
    frame = pl.DataFrame(columns, schema={n: pl.Int64 if whole[n] else pl.Float64 for n in names}, strict=False)
    frame = _constrained(frame, where)
    if frame.height == 0:
        raise ParameterError(_nothing_left(len(kept)))
    return Combinations(tuple(names), {}, frame, None, frame.height, failures)


def _sampled(found: Combinations, sample: int, seed: int) -> Combinations:
    if isinstance(sample, bool) or not isinstance(sample, int) or sample < 1:
        message = f"expected a sample of at least one combination; found {sample!r}"
        raise ParameterError(message)
    if sample > found.count:
        message = f"expected a sample of at most all there are, {counted(found.count, 'combination')}; found {sample:,}"
        raise ParameterError(message)
    rows = _some(found, sample, seed)
    return Combinations(found.names, {}, rows, None, rows.height, found.failures)


def _some(found: Combinations, count: int, seed: int) -> pl.DataFrame:
    if found.rows is not None:
        return found.rows[sorted(random.Random(seed).sample(range(found.rows.height), count))]
    return _drawn(found, count, random.Random(seed))


def _drawn(found: Combinations, sample: int, generator: random.Random) -> pl.DataFrame:
    """Draw numbers of combinations until enough of them satisfy the constraint."""
    import polars as pl

    if found.where is None:
        columns = _columns(found.axes, np.array(generator.sample(range(found.listed), sample)))
        order = np.lexsort([columns[name] for name in reversed(found.names)])
        return pl.DataFrame({name: columns[name][order] for name in found.names})
    share = found.count / found.listed
    wanted = min(found.listed, math.ceil(1.1 * sample / share) + 16)
    if wanted > SEARCHED:
        message = f"the constraint keeps {share:.2g} of the grid, too little to draw {sample:,} from; tighten the grid"
        raise ParameterError(message)
    while True:
        # `sample` of a range holds what it draws, never the grid; a longer draw of the same seed starts alike or not,
        # so the state is put back: one seed, one sample
        state = generator.getstate()
        numbers = np.array(generator.sample(range(found.listed), wanted))
        drawn = [
            _constrained(_taken(found.axes, numbers[first : first + LISTED_AT_ONCE]), found.where)
            for first in range(0, len(numbers), LISTED_AT_ONCE)
        ]
        frame = pl.concat(drawn).head(sample)
        if frame.height == sample:
            return frame.sort(found.names)
        generator.setstate(state)
        wanted = min(found.listed, 2 * wanted)


def _columns(axes: Mapping[str, NDArray[Any]], numbers: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """Return combinations by number; the last parameter changes fastest."""
    columns, rest = {}, numbers
    for name, values in reversed(list(axes.items())):
        rest, place = np.divmod(rest, len(values))
        columns[name] = values[place]
    return {name: columns[name] for name in axes}


def _taken(axes: Mapping[str, NDArray[Any]], numbers: NDArray[np.int64]) -> pl.DataFrame:
    import polars as pl

    return pl.DataFrame(_columns(axes, numbers))


def _constrained(frame: pl.DataFrame, where: pl.Expr | None) -> pl.DataFrame:
    import polars as pl

    if where is None:
        return frame
    try:
        return frame.filter(where)
    except (pl.exceptions.PolarsError, TypeError) as error:
        message = f"the constraint does not fit the parameters {', '.join(frame.columns)}: {str(error).splitlines()[0]}"
        raise ParameterError(message) from error


# ---- values ------------------------------------------------------------------------------------------------------


def _nothing_left(listed: int) -> str:
    what = "the only combination" if listed == 1 else f"all {listed:,} combinations"
    return f"the constraint removes {what}; loosen it or widen the grid"


def _check_name(name: str, known: Mapping[str, Any]) -> None:
    names = [*known, *OPTIONS] if "." in name else list(known)
    if name not in names:
        whose = f"the options of a sweep are {', '.join(OPTIONS)}" if "." in name else f"it has {', '.join(known)}"
        message = f"the strategy has no parameter {name!r}; {whose}.{did_you_mean(name, names)}"
        raise UnknownNameError(message)


def _values(name: str, values: Any) -> Sequence[Any]:
    if isinstance(values, range) and len(values) > 0 and max(abs(values[0]), abs(values[-1])) < EXACT:
        return values  # whole numbers, of which none can be wrong or be there twice
    if isinstance(values, str) or not isinstance(values, Iterable):
        values = [values]
    listed = [_number(name, value) for value in values]
    if not listed:
        message = f"expected at least one value for {name!r}; found none"
        raise ParameterError(message)
    return listed


def _number(name: str, value: Any) -> int | float:
    number = value.item() if isinstance(value, np.generic) else value
    if not isinstance(number, int | float) or isinstance(number, bool):
        message = f"expected finite numbers for {name!r}; found {number!r}"
        raise ParameterError(message)
    return number


def _unusable(name: str, value: float) -> str:
    return "" if math.isfinite(value) else f"{name}={value} is not a finite number"
