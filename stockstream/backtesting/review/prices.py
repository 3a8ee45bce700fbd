"""Checks of the prices behind the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from stockstream.backtesting.review.check import Figures, declare

if TYPE_CHECKING:
    from stockstream.backtesting.review.facts import Facts

#: What provenance says of prices that carry dividends.
WITH_DIVIDENDS: Final = ("total",)


@declare(
    "survivorship",
    "Only survivors",
    when="at least {symbols} symbols over {years:.0f} years or more, and none is known to have been delisted",
    says="None of {symbols} symbols was delisted in {years:.1f} years. A list of today's names leaves out those that "
    "failed, and each of them would have lost money.",
    remedy="Take the symbols of the time: lake.universe(as_of), and bars that know their delistings.",
    symbols=10,
    years=3,
)
def survivorship(run: Facts, symbols: float, years: float) -> Figures | None:
    """Ask where the failures are."""
    bars = run.result.bars
    if bars.delisted or len(bars.symbols) < symbols or run.years < years:
        return None
    return {"symbols": len(bars.symbols), "years": run.years}


@declare(
    "dividends-missing",
    "No dividends known",
    when="nothing says that prices carry dividends: not adjusted for them, and no dividends beside raw prices",
    says="{why} A holder's dividends are missing from the result, and ex-dates look like falls.",
    remedy='Read with lake.bars(..., adjust="total"), or carry dividend panels on raw prices.',
)
def dividends_missing(run: Facts) -> Figures | None:
    """Ask whether dividends are in the prices."""
    bars, adjust = run.result.bars, run.result.bars.provenance.get("adjust")
    if bars.dividend is not None or adjust in WITH_DIVIDENDS or (bars.price_factor is not None and adjust is None):
        return None
    stated = "The origin of the prices does not say how they are adjusted." if adjust is None else ""
    return {"why": stated or f'The prices were read with adjust="{adjust}".'}


@declare(
    "price-jumps",
    "Prices jump while held",
    when="a held symbol closes at least {up:.0%} above or {down:.0%} below its close before, without a split known",
    says="{jumps:,} such days; the largest in {symbol} on {day}, {move:+.0%}. It may be news, or a split that the "
    "prices do not know.",
    remedy="Look at the days: lake.quality() says what it knows of them.",
    up=1.0,
    down=0.5,
)
def price_jumps(run: Facts, up: float, down: float) -> Figures | None:
    """Ask whether gains and losses are faults of the data."""
    bars, found = run.result.bars, []
    trades = np.concatenate([run.trades, run.still_open])
    ends = np.concatenate([run.trades["exit"], np.full(len(run.still_open), len(bars))])
    for row in np.unique(trades["symbol"]):
        own = np.flatnonzero(bars.present[row])
        move = bars.close[row, own[1:]] / bars.close[row, own[:-1]] - 1.0
        far = (move >= up) | (move <= -down)
        if bars.split is not None:
            far &= np.isnan(bars.split[row, own[1:]])
        mine = trades["symbol"] == row
        for place in np.flatnonzero(far):
            if (mine & (trades["entry"] <= own[place]) & (ends >= own[place + 1])).any():
                size = abs(np.log1p(move[place]))
                found.append((size, bars.symbols[row], bars.dates[own[place + 1]], float(move[place])))
    if not found:
        return None
    _, symbol, day, largest = max(found)
    return {"jumps": len(found), "symbol": symbol, "day": day, "move": largest}


@declare(
    "volume-share",
    "A large part of the day's volume",
    when="more than {fills:.0%} of the fills took over {share:.0%} of the day's volume, or one took more than all of "
    "it",
    says="{many:,} of {fills:,} fills took more than {limit:.0%} of the day's volume; the largest {most:.0%}. Such "
    "orders move the price against themselves.",
    remedy="Trade less money or larger companies, or cap it: ss.Costs(participation=0.05).",
    fills=0.05,
    share=0.1,
)
def volume_share(run: Facts, fills: float, share: float) -> Figures | None:
    """Ask whether the market could have taken the orders."""
    shares = run.shares_of_volume
    many = int((shares > share).sum())
    if not len(shares) or (many <= fills * len(shares) and shares.max() <= 1.0):
        return None
    return {"many": many, "fills": len(shares), "limit": share, "most": float(shares.max())}


@declare(
    "penny-stocks",
    "Penny stocks without price steps",
    when="more than {fills:.0%} of the fills are below {price:.2f} as traded, and neither price steps nor slippage in "
    "steps are charged",
    says="{many:,} of {fills:,} fills were below {price:.2f}, the lowest at {lowest:.4f}. There one price step is a "
    "large part of the price, and it is not charged.",
    remedy="Use a preset with price steps, such as ss.Costs.asx(), or leave such shares out.",
    fills=0.05,
    price=1.0,
)
def penny_stocks(run: Facts, fills: float, price: float) -> Figures | None:
    """Ask whether price steps matter and are charged."""
    costs, prices = run.result.settings.costs, run.traded_prices
    many = int((prices < price).sum())
    if costs.venue.ticks or costs.slippage.ticks or many <= fills * len(prices):
        return None
    return {"many": many, "fills": len(prices), "price": price, "lowest": float(prices.min())}


@declare(
    "gaps",
    "Gaps in the data",
    when="a traded symbol lacks more than {share:.0%} of the sessions between its first and its last bar",
    says="{symbols} of {traded} traded symbols; {worst} lacks {share:.0%} of the sessions between its first and last "
    "bar.",
    remedy="See lake.quality(); a position without a bar stands at its last price and cannot be sold.",
    share=0.05,
)
def gaps(run: Facts, share: float) -> Figures | None:
    """Ask whether bars are missing where positions were held."""
    present = run.result.bars.present[run.traded]
    if not len(present):
        return None
    first, last = present.argmax(axis=1), present.shape[1] - 1 - present[:, ::-1].argmax(axis=1)
    missing = 1.0 - present.sum(axis=1) / (last - first + 1)
    worst = int(missing.argmax())
    if missing[worst] <= share:
        return None
    name = run.result.bars.symbols[run.traded[worst]]
    count = int((missing > share).sum())
    return {"symbols": count, "traded": len(run.traded), "worst": name, "share": float(missing[worst])}


@declare(
    "stale-prices",
    "Prices that do not move",
    when="more than {share:.0%} of a traded symbol's closes, at least {bars:.0f}, are the same as the close before",
    says="{symbols} of {traded} traded symbols; {worst} closes unchanged on {share:.0%} of its bars.",
    remedy="Such symbols trade seldom, or their data is filled up: ask for a volume, or leave them out.",
    share=0.3,
    bars=60,
)
def stale_prices(run: Facts, share: float, bars: float) -> Figures | None:
    """Ask whether prices are prices."""
    found: list[tuple[float, str]] = []
    for row in run.traded:
        closes = run.result.bars.close[row][run.result.bars.present[row]]
        if len(closes) > bars and (part := float((np.diff(closes) == 0.0).mean())) > share:
            found.append((part, run.result.bars.symbols[row]))
    if not found:
        return None
    part, name = max(found)
    return {"symbols": len(found), "traded": len(run.traded), "worst": name, "share": part}


CHECKS = (survivorship, dividends_missing, price_jumps, volume_share, penny_stocks, gaps, stale_prices)
