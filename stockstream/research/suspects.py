"""The line or the expression by which the future came in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stockstream.indicators.evaluate import Table, evaluate
from stockstream.indicators.indicator import Indicator, Output
from stockstream.research.differences import unequal
from stockstream.research.tracing import definition, source_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stockstream.bars import Bars
    from stockstream.indicators.expression import Expression
    from stockstream.research.answers import Subject


def suspect_expression(expression: Expression, bars: Bars, other: Bars, cut: int) -> str:
    """Return the smallest part of an expression that differs up to a cut, and its line when it is a function."""
    one, two = Table.from_bars(bars), Table.from_bars(other)
    for part in _inside_out(expression):
        if isinstance(part, Indicator) and len(part.outputs) > 1:
            continue
        before, after = (table.scatter(evaluate(part, table))[:, : cut + 1] for table in (one, two))
        if not unequal(before, after).any():
            continue
        indicator = part.indicator if isinstance(part, Output) else part
        own = _own_function(indicator) if isinstance(indicator, Indicator) else None
        if own is None:
            return repr(part)
        line = source_line(own, _computing(indicator, bars), _computing(indicator, other), cut + 1)
        return f"{part!r}, {line}" if line else repr(part)
    return repr(expression)


def suspect_line(subject: Subject, bars: Bars, other: Bars, cut: int) -> str:
    """Return the line of a function, or of the method of a strategy, by which the future came in."""
    code = subject.code
    if code is None or code.__module__.startswith("stockstream."):
        return ""
    if subject.kind == "strategy" and code.__name__ == "on_data":
        return definition(code)
    return source_line(code, lambda: subject.answers(bars), lambda: subject.answers(other), cut + 1)


def _computing(indicator: Any, bars: Bars) -> Callable[[], Any]:
    return lambda: indicator(bars)


def _inside_out(expression: Expression) -> Iterator[Expression]:
    for child in expression.children:
        yield from _inside_out(child)
    yield expression


def _own_function(indicator: Indicator) -> Callable[..., Any] | None:
    """Return the user's function behind an indicator that is not compiled."""
    if indicator.is_compiled:
        return None
    cls = type(indicator)
    method = cls.compute if cls.compute is not Indicator.compute else cls.calculate
    for cell in method.__closure__ or ():
        if callable(cell.cell_contents) and hasattr(cell.cell_contents, "__code__"):
            return cell.cell_contents  # type: ignore[no-any-return]
    return method
