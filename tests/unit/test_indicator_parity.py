"""Every indicator equals the library it is compared with, and the committed pages say so."""

import re

import numpy as np
import polars as pl
import pytest
import tulipy

from docs import generate
from stockstream.indicators import catalogue
from tests.reference import parity
from tests.reference.sample_series import random_walk, without

NAMES = list(catalogue.builtin())
FEW, SHORT = random_walk(3), random_walk(120, seed=5)
MADE = {
    **parity.published(),
    "another random walk": random_walk(2000, seed=23, step=0.04),
    "a price of thousandths": {
        name: values / (5000 if name != "volume" else 1) for name, values in random_walk(800, seed=4).items()
    },
    "one leading NaN": without(random_walk(400, seed=2), slice(0, 1)),
}
#: Bars of warm-up that the shortest series to compare must leave.
ENOUGH = 100


def test_every_indicator_names_its_source_and_its_oracle():
    assert set(parity.ORACLES) == set(NAMES)
    for name, cls in catalogue.builtin().items():
        assert cls.source, name
        assert cls.oracle is not None, name
        assert parity.source(cls())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("series", MADE)
def test_equals_its_oracle(name, series):
    agrees(catalogue.find(name)(), MADE[series])


@pytest.fixture(scope="module")
def asx(market_data):
    """Give the frame of five companies' prices."""
    return pl.read_parquet(market_data / "prices" / "asx_yahoo_long_2010_2024.parquet")


@pytest.mark.parametrize("name", NAMES)
def test_equals_its_oracle_on_real_prices(name, asx):
    for symbol in asx["symbol"].unique(maintain_order=True):
        agrees(catalogue.find(name)(), parity.columns_of(asx, symbol))


def agrees(indicator, series):
    tolerance = parity.tolerance(indicator)
    for output, found in parity.compare(indicator, series).items():
        assert found.error <= tolerance, f"{indicator!r}.{output}: {found}"
        assert found.first <= found.oracle_first, f"{indicator!r}.{output} starts later: {found}"
        assert found.bars >= min(ENOUGH, len(series["close"]) / 2), f"{indicator!r}.{output}: too little to compare"


def test_a_difference_would_be_seen():
    walk = random_walk(300)
    indicator = catalogue.find("SMA")(20)
    assert parity.compare(indicator, walk)["sma"].error < 1e-15
    off = parity._compared(indicator(walk["close"]) * (1 + 1e-8), indicator(walk["close"]))
    assert off.error == pytest.approx(5e-9, rel=0.1)
    assert off.first == 19
    late = parity._compared(np.append(np.nan, walk["close"][1:]), walk["close"])
    assert (late.first, late.oracle_first) == (1, 0)


def test_vidya_is_that_of_tulipy_but_for_its_rounding():
    walk, indicator = random_walk(1000), catalogue.find("VIDYA")()
    theirs = tulipy.vidya(walk["close"], indicator.fast, indicator.slow, indicator.alpha)
    np.testing.assert_allclose(indicator(walk["close"])[indicator.slow - 2 :], theirs, rtol=1e-6)


# ---- the pages ---------------------------------------------------------------------------------------------------

VERSION = re.compile(r"(TA-Lib|talipp|tulipy|pandas-ta-classic|bokeh-sampledata) \d+[\w.]*\d")
POWER = re.compile(r"(?<=\| )1e(-\d+)(?= \|$| \| 1e)", re.MULTILINE)


@pytest.mark.parametrize("name", generate.PAGES)
def test_the_committed_page_is_what_the_generator_gives(name, repository):
    """Versions and the last power of ten of an error may differ between machines, nothing else."""
    committed, made = (repository / "docs" / name).read_text(encoding="utf-8"), generate.PAGES[name]()
    assert [VERSION.sub(r"\1", POWER.sub("1e", text)) for text in (committed,)] == [
        VERSION.sub(r"\1", POWER.sub("1e", made))
    ], "type `make docs` and commit what changes"
    powers = [[int(power) for power in POWER.findall(text)] for text in (committed, made)]
    assert all(abs(one - other) <= 1 for one, other in zip(*powers, strict=True))
    if name == "indicators-parity.md":
        assert len(powers[0]) == 3 * len(NAMES)
