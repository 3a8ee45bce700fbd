"""Checks of how the run was made: fills, costs, and what may have seen the future."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from stockstream_kernels import ledger

from stockstream.backtesting.review.check import Figures, declare

if TYPE_CHECKING:
    from stockstream.backtesting.review.facts import Facts


@declare(
    "close-fills",
    "Fills at the close of the decision",
    when='run with fill="close"',
    says="Every order was filled at the very close its decision was made from. That close is known only when it can no "
    "longer be traded, so live results will differ.",
    remedy="Run with the default, next_open, which fills at the next open.",
    grave=True,
)
def close_fills(run: Facts) -> Figures | None:
    """Ask how decisions were filled."""
    return {} if run.result.settings.fill == "close" else None


@declare(
    "looked-ahead",
    "The strategy looked ahead",
    when="the look-ahead audit given to the review found something",
    says="The look-ahead audit found that decisions change when bars after them change.",
    remedy="Read the findings of the audit and mend the strategy; no figure of this run means anything.",
    grave=True,
)
def looked_ahead(run: Facts) -> Figures | None:
    """Ask what the audit said."""
    return {} if run.audit is not None and run.audit.outcome == "looked ahead" else None


@declare(
    "audit-undecided",
    "The look-ahead audit could not tell",
    when="the audit given to the review could say neither yes nor no",
    says="The look-ahead audit could not tell, because the answer is not repeatable or does not follow the bars.",
    remedy="Take chance and outside data out of the strategy, or fix the seed, and audit again.",
)
def audit_undecided(run: Facts) -> Figures | None:
    """Ask whether the audit could say anything."""
    return {} if run.audit is not None and run.audit.outcome == "cannot tell" else None


@declare(
    "audit-not-run",
    "Look-ahead audit not run",
    when="the strategy is code of its own (arrays, a callback, own indicators) and no audit is given to the review",
    says="The strategy is made of {code}, and no audit has tried whether it sees the future.",
    remedy="Audit it and pass the answer: result.review(audit=...).",
)
def audit_not_run(run: Facts) -> Figures | None:
    """Ask whether code of the user's own was audited."""
    return {"code": run.own_code} if run.own_code and run.audit is None else None


@declare(
    "arrays-used",
    "Signals or weights as arrays",
    when="the strategy is a SignalStrategy or a TargetStrategy",
    says="The decisions came as arrays, made with all bars in view. Nothing proves that each used only bars before it.",
    remedy="Write it as rules, which cannot look ahead, or as a callback, which is handed one bar at a time.",
)
def arrays_used(run: Facts) -> Figures | None:
    """Ask whether decisions came as arrays."""
    return {} if run.own_code == "arrays" else None


@declare(
    "no-costs",
    "No trading costs",
    when="neither commission nor slippage is charged, and there were fills",
    says="Neither commission nor slippage was charged on {fills:,} fills.",
    remedy="Try the run with costs before believing it: costs=ss.Costs(commission=0.001, slippage=0.0005).",
)
def no_costs(run: Facts) -> Figures | None:
    """Ask whether trading was free."""
    fills = len(run.result.ledgers["fills"])
    return {"fills": fills} if fills and not _commission(run) and not _slippage(run) else None


@declare(
    "no-slippage",
    "No slippage",
    when="commission is charged but no slippage, and there were fills",
    says="All {fills:,} fills got the very price of the bar; only commission was charged.",
    remedy="Charge half a spread: slippage=0.0005, or a price step with ss.Slippage(ticks=1).",
)
def no_slippage(run: Facts) -> Figures | None:
    """Ask whether fills were perfect."""
    fills = len(run.result.ledgers["fills"])
    return {"fills": fills} if fills and _commission(run) and not _slippage(run) else None


def _commission(run: Facts) -> bool:
    fees = run.result.settings.costs.commission
    return bool(fees.rate or fees.minimum or fees.per_share or any(tier.fixed or tier.rate for tier in fees.tiers))


def _slippage(run: Facts) -> bool:
    slippage = run.result.settings.costs.slippage
    return bool(slippage.rate or slippage.ticks)


@declare(
    "costs-doubled",
    "Dies with costs doubled",
    when="the run made money, and makes none when the same fills pay their costs twice",
    says="The run made {profit:,.2f} after {costs:,.2f} of commission, slippage and borrow fees. Twice those on the "
    "same fills leave {left:+,.2f}.",
    remedy="Trade less often or in more liquid names; costs are the least certain figure of a backtest.",
    grave=True,
)
def costs_doubled(run: Facts) -> Figures | None:
    """Ask whether the gain outlives a mistake about costs."""
    left = run.profit - run.costs
    return {"profit": run.profit, "costs": run.costs, "left": left} if run.profit > 0.0 >= left else None


@declare(
    "ambiguous-bars",
    "Ambiguous bars",
    when="a stop and a target, or an entry and its stop, lay within one bar, and the run was not made with "
    'intrabar="both"',
    says="On {bars} a stop and a target, or an entry and its stop, both lay within the day's range. Daily prices do "
    "not say which came first; {taken} was taken ({assumption}).",
    remedy='Run with intrabar="both" to see how much it matters.',
)
def ambiguous_bars(run: Facts) -> Figures | None:
    """Ask whether the order of events inside bars was assumed."""
    found, assumption = run.result.ambiguous_bars, run.result.settings.intrabar
    if not found or run.result.interval is not None:
        return None
    bars = f"{found:,} bar{'' if found == 1 else 's'}"
    return {
        "bars": bars,
        "taken": "the stop" if assumption == "pessimistic" else "the target",
        "assumption": assumption,
    }


@declare(
    "ambiguous-bars-matter",
    "Ambiguous bars matter",
    when='with intrabar="both" the two total returns differ by more than {points:.0%} of the initial cash, or in sign',
    says="Depending on what came first inside {bars:,} bars, the total return is {low:+.1%} or {high:+.1%}.",
    remedy="Believe the lower figure, widen stops and targets, or test on intraday prices.",
    grave=True,
    points=0.05,
)
def ambiguous_bars_matter(run: Facts, points: float) -> Figures | None:
    """Ask whether the assumption inside bars makes the result."""
    if run.result.interval is None:
        return None
    low, high = run.result.interval["total_return"]
    differ = abs(high - low) > points or (low > 0.0) != (high > 0.0)
    return {"bars": run.result.ambiguous_bars, "low": low, "high": high} if differ else None


@declare(
    "zero-volume",
    "Fills asked on days without volume",
    when="orders were to be filled on a bar with volume 0 or unknown, of a symbol that has a volume on other bars",
    says="{asked:,} orders came to a bar on which nothing traded ({share:.1%} of all orders). They waited up to five "
    "bars and were filled later, or not at all.",
    remedy="Leave out symbols that often do not trade, or ask for a volume above 0 in the entry rule.",
)
def zero_volume(run: Facts) -> Figures | None:
    """Ask whether orders met bars without trade."""
    asked = run.asked_without_volume
    return {"asked": asked, "share": asked / len(run.result.ledgers["orders"])} if asked else None


@declare(
    "volume-unknown",
    "Volume unknown",
    when="a traded symbol has no volume on any bar",
    says="{symbols} of {traded} traded symbols have no volume at all, so that nothing could say whether an order could "
    "have been filled.",
    remedy="Use prices with volume; without, a fill on every bar is an assumption.",
)
def volume_unknown(run: Facts) -> Figures | None:
    """Ask whether the volume test could be made."""
    without = int((~(run.result.bars.volume[run.traded] > 0.0).any(axis=1)).sum())
    return {"symbols": without, "traded": len(run.traded)} if without else None


@declare(
    "unfilled-orders",
    "Many orders not filled",
    when="more than {share:.0%} of at least {least} orders were rejected or expired before the end of the data",
    says="{unfilled:,} of {orders:,} orders were rejected or expired; most often: {reason}.",
    remedy="See result.orders for the reasons; the strategy that ran is not the one that was meant.",
    share=0.1,
    least=10,
)
def unfilled_orders(run: Facts, share: float, least: float) -> Figures | None:
    """Ask whether the orders were carried out."""
    orders = run.result.ledgers["orders"]
    ended = (orders["status"] == ledger.REJECTED) | (orders["status"] == ledger.EXPIRED)
    ended &= (orders["reason"] != ledger.END_OF_DATA) & (orders["reason"] != ledger.NOTHING_TO_DO)
    unfilled = int(ended.sum())
    if len(orders) < least or unfilled <= share * len(orders):
        return None
    most = int(np.bincount(orders["reason"][ended]).argmax())
    return {"unfilled": unfilled, "orders": len(orders), "reason": ledger.REASONS[most] or "no reason given"}


@declare(
    "leverage",
    "Borrowed money",
    when="the gross exposure was above {times} times the equity on some day",
    says="The gross exposure reached {most:.2f} times the equity; it was above the equity on {share:.0%} of the days.",
    remedy="Compare with the run at leverage=1, and charge borrow_rate for what is borrowed.",
    times=1.05,
)
def leverage(run: Facts, times: float) -> Figures | None:
    """Ask whether the account was geared."""
    account = run.result.account
    alive = account.equity > 0.0
    ratio = (account.long_value + account.short_value)[alive] / account.equity[alive]
    if not (ratio > times).any():
        return None
    return {"most": float(ratio.max()), "share": float((ratio > times).mean())}


CHECKS = (
    close_fills,
    looked_ahead,
    audit_undecided,
    audit_not_run,
    arrays_used,
    no_costs,
    no_slippage,
    costs_doubled,
    ambiguous_bars,
    ambiguous_bars_matter,
    zero_volume,
    volume_unknown,
    unfilled_orders,
    leverage,
)
