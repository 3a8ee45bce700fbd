"""Numbers as a reader wants them."""

from __future__ import annotations

import math


def percent(fraction: float) -> str:
    """Write a fraction as percent, without empty decimals.

    Examples
    --------
    >>> percent(0.001), percent(0.3), percent(1.0)
    ('0.1 %', '30 %', '100 %')
    """
    return f"{trimmed(fraction * 100)} %"


def trimmed(value: float) -> str:
    """Write a number with at most four decimals, without empty ones.

    Examples
    --------
    >>> trimmed(12.5), trimmed(1000.0), trimmed(0.00015)
    ('12.5', '1,000', '0.00015')
    """
    if value and abs(value) < 0.001:  # noqa: PLR2004 four decimals would leave one digit or none
        return f"{value:.3g}"
    return f"{value:,.4f}".rstrip("0").rstrip(".")


def price(value: float) -> str:
    """Write a price with five significant digits, and at least two decimals.

    Examples
    --------
    >>> price(1234.5), price(3.477397), price(0.0125)
    ('1,234.50', '3.4774', '0.012500')
    """
    if not math.isfinite(value):
        return "–"
    size = math.floor(math.log10(abs(value))) if value else 0
    digits = min(max(4 - size, 2), 8)
    return f"{value:,.{digits}f}"


def shares(quantity: float) -> str:
    """Write a number of shares: whole ones plainly, others with two decimals, less than one with four.

    Examples
    --------
    >>> shares(100.0), shares(14839.5317), shares(0.123456)
    ('100', '14,839.53', '0.1235')
    """
    if abs(quantity) < 1.0:
        return trimmed(quantity)
    return f"{quantity:,.0f}" if quantity == round(quantity) else f"{quantity:,.2f}"
