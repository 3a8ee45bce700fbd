"""Every indicator beside the library it is compared with: the one table behind the parity test and the parity page."""

from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
import polars as pl

from stockstream.lake.samples import sample_rows
from tests.reference import (
    agreement,
    oracles_momentum,
    oracles_patterns,
    oracles_statistics,
    oracles_trend,
    oracles_volatility,
    oracles_volume,
)
from tests.reference.sample_series import COLUMNS, random_walk, without

FAMILIES = (oracles_trend, oracles_momentum, oracles_volatility, oracles_volume, oracles_statistics, oracles_patterns)

#: Class name -> function(indicator, open, high, low, close, volume) -> {output: array}.
ORACLES = {name: oracle for family in FAMILIES for name, oracle in family.ORACLES.items()}


@dataclass(frozen=True)
class Agreement:
    """How one output compares.

    `error` is the largest difference relative to the value plus the largest value of the output; `first` and
    `oracle_first` are the first bars with a value, `bars` how many were compared.
    """

    error: float
    first: int
    oracle_first: int
    bars: int


def source(indicator):
    """Name the oracle with its version: library, version, function, note."""
    library, _, rest = str(indicator.oracle).partition(" ")
    return f"{library} {version(library)} {rest}"


def tolerance(indicator):
    """Give the relative tolerance."""
    return agreement.RECURSIVE if indicator.recursive else agreement.WINDOWED


def compare(indicator, series):
    """Give output -> `Agreement` on a series whose NaN, if any, lead."""
    lead = int(np.argmax(~np.isnan([series[name] for name in COLUMNS]).any(axis=0)))
    cut = {name: np.ascontiguousarray(series[name][lead:]) for name in COLUMNS}
    answer = ORACLES[type(indicator).__name__](indicator, *cut.values())
    found = agreement.outputs(indicator, series)
    return {name: _compared(found[name], np.append(np.full(lead, np.nan), answer[name])) for name in indicator.outputs}


def _compared(found, wanted):
    known = ~np.isnan(found)
    scale = np.abs(wanted[known]).max(initial=0.0)
    error = np.abs(found[known] - wanted[known]) / (np.abs(wanted[known]) + scale + (scale == 0))
    firsts = (int(np.argmax(np.append(~np.isnan(values), True))) for values in (found, wanted))
    return Agreement(float(error.max(initial=0.0)), *firsts, int(known.sum()))


def google():
    """Give GOOG 2004 to 2013 as traded, out of the package bokeh-sampledata."""
    return columns_of(pl.DataFrame(sample_rows()), "GOOG")


def columns_of(frame, symbol):
    """Give one symbol's own bars as named arrays."""
    frame = frame.filter(pl.col("symbol") == symbol).sort("date").drop_nulls("close")
    return {name: frame[name].cast(pl.Float64).to_numpy() for name in COLUMNS}


def published():
    """Give the series that anybody can make: what the parity page is computed on."""
    walk = random_walk(1000)
    return {"random walk": walk, "leading NaN": without(walk, slice(0, 17)), "GOOG": google()}
