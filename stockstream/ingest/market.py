"""What to fetch, from where: the file ``config/symbols.json``.

Every key of the file acts, and a key that is none is refused. Sources are named as they are registered; a market that
is known by name brings its suffix, exchange, currency and symbol sources along.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from stockstream.errors import SettingsError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ASX: Final = "ASX"

#: Market -> what is appended to a code for Yahoo, code of the trading calendar, currency of the prices.
MARKETS: Final[Mapping[str, tuple[str, str, str]]] = {
    "ASX": (".AX", "XASX", "AUD"),
    "NZX": (".NZ", "XNZE", "NZD"),
    "NYSE": ("", "XNYS", "USD"),
    "NASDAQ": ("", "XNAS", "USD"),
    "LSE": (".L", "XLON", "GBp"),
    "TSX": (".TO", "XTSE", "CAD"),
}

#: How often the list of companies is fetched anew -> days for which one serves.
FREQUENCIES: Final[Mapping[str, int]] = {"daily": 1, "weekly": 7, "monthly": 28}

_Strict = ConfigDict(extra="forbid", frozen=True, strict=True)


class Source(BaseModel):
    """A source by its registered name; further keys are its options."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _named(cls, value: object) -> object:
        return {"name": value} if isinstance(value, str) else value

    @property
    def options(self) -> dict[str, Any]:
        """The options."""
        return dict(self.model_extra or {})


class Second(BaseModel):
    """A second price source, and what it is for."""

    model_config = _Strict

    source: Source
    use: Literal["cross_check", "fill_in"]
    tolerance: float = Field(default=0.005, gt=0, lt=1)


class Market(BaseModel):
    """What ``config/symbols.json`` says; read one with `load_market`."""

    model_config = _Strict

    market: str = Field(
        default="ASX", min_length=1, description="ASX, NZX, NYSE, NASDAQ, LSE or TSX, or a name of your own."
    )
    symbols: Literal["all"] | tuple[str, ...] = Field(
        default="all", description='`"all"`: every company on the market\'s list; or the codes to fetch.'
    )
    extra_symbols: tuple[str, ...] = Field(
        default=(), description="Codes to fetch besides, such as ETFs, which no list has."
    )
    exclude: tuple[str, ...] = Field(default=(), description="Codes on the list that are not fetched.")
    update_frequency: Literal["daily", "weekly", "monthly"] = Field(
        default="daily",
        description="How old the list of companies may become before it is fetched anew: 1, 7 or 28 days.",
    )
    suffix: str | None = Field(default=None, description="What Yahoo appends to the codes; the market's when left out.")
    exchange: str | None = Field(
        default=None, description="Code of the trading calendar, such as `XASX`; the market's when left out."
    )
    currency: str | None = Field(default=None, description="Currency of the prices; the market's when left out.")
    symbol_sources: tuple[Source, ...] | None = Field(
        default=None, description="Sources of the list of companies, in the order in which they are asked."
    )
    price_source: Source | None = Field(
        default=None, description="Source of the prices; the setting `STOCKSTREAM_PRICE_SOURCE` when left out."
    )
    second_price_source: Second | None = Field(
        default=None, description="Another source of prices, to check the first one or to fill in what it lacks."
    )
    temporary_codes: Literal["drop", "keep"] = Field(
        default="drop",
        description="What becomes of the ASX's codes that exist for a time only, such as `NABN` and `AJQDA`.",
    )

    @field_validator("symbols", "extra_symbols", "exclude", "symbol_sources", mode="before")
    @classmethod
    def _many(cls, value: object) -> object:
        return tuple(value) if isinstance(value, list) else value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        listed = () if self.symbols == "all" else self.symbols
        codes = [*listed, *self.extra_symbols]
        suffix = self.yahoo_suffix if self.market in MARKETS else self.suffix
        for code in [*codes, *self.exclude]:
            _check_code(code, suffix or "")
        if twice := sorted({code for code in codes if codes.count(code) > 1}):
            message = f"expected each code once; found {', '.join(twice)} twice"
            raise ValueError(message)
        if both := sorted(set(codes) & set(self.exclude)):
            message = f"expected a code to be wanted or excluded; found {', '.join(both)} as both"
            raise ValueError(message)
        if self.symbols == ():
            message = 'expected symbols to be "all" or a list of codes; found an empty list'
            raise ValueError(message)
        if self.market not in MARKETS:
            self._check_own()
        if self.market != ASX:
            self._check_other()
        return self

    def _check_own(self) -> None:
        missing = [name for name in ("suffix", "exchange", "currency") if getattr(self, name) is None]
        if missing:
            message = (
                f"expected {', '.join(missing)} for the market {self.market!r}, because it is none of "
                f"{', '.join(MARKETS)}.{did_you_mean(self.market, MARKETS)}"
            )
            raise ValueError(message)

    def _check_other(self) -> None:
        """Refuse what has no meaning outside the ASX."""
        if self.symbols == "all" and self.symbol_sources is None:
            message = f"expected symbols, or symbol_sources that list the companies of {self.market}; found neither"
            raise ValueError(message)
        if "temporary_codes" in self.model_fields_set:
            message = f"expected no temporary_codes for the market {self.market!r}: only the ASX has such codes"
            raise ValueError(message)

    @property
    def drop_temporary(self) -> bool:
        """Whether codes that exist for a time only are left out."""
        return self.market == ASX and self.temporary_codes == "drop"

    @property
    def yahoo_suffix(self) -> str:
        """What Yahoo appends to the codes."""
        return self.suffix if self.suffix is not None else MARKETS[self.market][0]

    @property
    def calendar(self) -> str:
        """Code of the trading calendar."""
        return self.exchange if self.exchange is not None else MARKETS[self.market][1]

    @property
    def money(self) -> str:
        """Currency of the prices."""
        return self.currency if self.currency is not None else MARKETS[self.market][2]

    @property
    def every_days(self) -> int:
        """Days for which a list of companies serves."""
        return FREQUENCIES[self.update_frequency]

    def wanted(self, listed: Sequence[str]) -> list[str]:
        """Return the codes to fetch, sorted.

        Parameters
        ----------
        listed
            The codes of the list of companies.

        Examples
        --------
        >>> Market(extra_symbols=("VAS",), exclude=("CBA",)).wanted(["BHP", "CBA"])
        ['BHP', 'VAS']
        """
        chosen = listed if self.symbols == "all" else self.symbols
        return sorted({*chosen, *self.extra_symbols} - set(self.exclude))


def _check_code(code: str, suffix: str) -> None:
    if not code or code != code.strip() or any(c.isspace() for c in code):
        message = f"expected a code without spaces, such as BHP; found {code!r}"
        raise ValueError(message)
    if suffix and code.endswith(suffix):
        message = f"expected the exchange's own code, {code.removesuffix(suffix)!r}; found {code!r}: {suffix} is added"
        raise ValueError(message)
    if code != code.upper():
        message = f"unknown code {code!r}. Did you mean {code.upper()!r}?"
        raise ValueError(message)


def load_market(path: str | os.PathLike[str]) -> Market:
    """Read a market's configuration.

    Raises
    ------
    SettingsError
        There is no such file, it is not JSON, a key is unknown, or a value cannot be.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        message = f"cannot read {os.fspath(path)}: {error}"
        raise SettingsError(message) from error
    try:
        data = json.loads(text, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        message = f"{os.fspath(path)}, line {error.lineno}: expected JSON; found {error.msg}"
        raise SettingsError(message) from error
    except ValueError as error:
        message = f"{os.fspath(path)}: {error}"
        raise SettingsError(message) from error
    if not isinstance(data, dict):
        message = f'{os.fspath(path)}: expected an object such as {{"market": "ASX"}}; found {text.strip()[:40]!r}'
        raise SettingsError(message)
    return market_from(data, os.fspath(path))


def market_from(data: Mapping[str, Any], where: str = "the configuration") -> Market:
    """Return a market's configuration from its keys; raises as `load_market` does."""
    try:
        return Market.model_validate(dict(data))
    except ValidationError as error:
        msg = f"{where}: {'; '.join(_said(problem) for problem in error.errors())}"
        raise SettingsError(msg) from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        message = f"expected each key once; found {next(name for name in names if names.count(name) > 1)!r} twice"
        raise ValueError(message)
    return found


def _said(problem: Any) -> str:
    place = ".".join(str(part) for part in problem["loc"] if not str(part).startswith(("tuple[", "literal[")))
    if problem["type"] == "extra_forbidden":
        name = str(problem["loc"][-1])
        known = Second.model_fields if "second_price_source" in problem["loc"][:-1] else Market.model_fields
        return f"unknown key {name!r}; expected {', '.join(known)}.{did_you_mean(name, known)}"
    said = str(problem["msg"]).removeprefix("Value error, ").replace("Input should be", "expected")
    if problem["type"] == "value_error":
        return f"{place}: {said}" if place else said
    hint = ""
    if problem["type"] == "literal_error":
        hint = did_you_mean(str(problem["input"]), re.findall(r"'([^']+)'", str(problem["ctx"]["expected"])))
    return f"{place}: {said}; found {problem['input']!r}.{hint}"
