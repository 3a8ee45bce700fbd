"""What a declaration is made of: parameters with ranges, switches, and the source that answers are compared with."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from stockstream.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Mapping

LARGEST_WINDOW: Final = 1_000_000


@dataclass(frozen=True)
class Range:
    """What a parameter may be: whole or real numbers from low to high, or one of some choices."""

    kind: Literal["int", "float", "choice"]
    low: float = 0.0
    high: float = float(LARGEST_WINDOW)
    choices: tuple[str, ...] = ()
    meaning: str = ""

    def __str__(self) -> str:
        if self.kind == "choice":
            return "one of " + ", ".join(map(repr, self.choices))
        noun = "a whole number" if self.kind == "int" else "a number"
        low, high = (
            f"{int(bound):,}" if float(bound).is_integer() else f"{bound:g}" for bound in (self.low, self.high)
        )
        return f"{noun} from {low} to {high}"

    def checked(self, owner: str, name: str, value: Any) -> Any:
        """Return the value in its own type, or raise an error that names the argument, the value and the range."""
        if isinstance(value, np.generic):
            value = value.item()
        if self.kind == "choice":
            good = value in self.choices
        elif self.kind == "int":
            good = isinstance(value, int) and not isinstance(value, bool) and self.low <= value <= self.high
        else:
            good = isinstance(value, int | float) and not isinstance(value, bool) and self.low <= value <= self.high
        if not good:
            message = f"{owner}: expected {name} to be {self}; found {value!r}"
            raise ParameterError(message)
        return float(value) if self.kind == "float" else value


def parameter(default: float | str, *, low: float = 1, high: float = LARGEST_WINDOW, meaning: str = "") -> Any:
    """Declare a numeric parameter: whole if the default is whole, with the range it may take."""
    kind: Literal["int", "float"] = "int" if isinstance(default, int) else "float"
    return field(default=default, metadata={"range": Range(kind, low, high, meaning=meaning)})


def choice(default: str, *others: str, meaning: str = "") -> Any:
    """Declare a keyword-only switch between conventions."""
    allowed = Range("choice", choices=(default, *others), meaning=meaning)
    return field(default=default, kw_only=True, metadata={"range": allowed})


@dataclass(frozen=True)
class Oracle:
    """The independent source an indicator is tested against."""

    library: str
    function: str
    note: str = ""

    def __str__(self) -> str:
        return f"{self.library} {self.function}" + (f" ({self.note})" if self.note else "")


def ranges_of(cls: type[Any]) -> dict[str, Range]:
    """Return name -> range of a declaration's parameters; kept on the class, because every call asks for them."""
    if "_declared_ranges" not in vars(cls):
        cls._declared_ranges = {f.name: f.metadata["range"] for f in fields(cls) if "range" in f.metadata}
    ranges: dict[str, Range] = vars(cls)["_declared_ranges"]
    return ranges


def field_names(cls: type[Any]) -> tuple[str, ...]:
    """Return the names of all fields of a declaration, in order; kept on the class too."""
    if "_declared_fields" not in vars(cls):
        cls._declared_fields = tuple(f.name for f in fields(cls))
    names: tuple[str, ...] = vars(cls)["_declared_fields"]
    return names


def refuse_undecorated(cls: type[Any]) -> None:
    """Refuse a class whose parameters are not yet parameters, because nothing made it a dataclass.

    Raises
    ------
    ParameterError
        The class itself has annotated parameters and no ``@dataclass`` above it.
    """
    if "__dataclass_fields__" in vars(cls):
        return
    declared = [name for name, kind in vars(cls).get("__annotations__", {}).items() if "ClassVar" not in str(kind)]
    if declared:
        message = (
            f"{cls.__name__} declares {', '.join(declared)} and is not a dataclass; "
            "write @dataclass(frozen=True, repr=False) above the class"
        )
        raise ParameterError(message)


def check_ascending(owner: str, names: tuple[str, ...], values: Mapping[str, Any]) -> None:
    """Refuse parameters of which each must be smaller than the next."""
    for first, second in pairwise(names):
        if values[first] >= values[second]:
            message = (
                f"{owner}: expected {first} to be smaller than {second}; "
                f"found {first}={values[first]}, {second}={values[second]}"
            )
            raise ParameterError(message)
