"""Run a saved run again, compare it to the last bit, and name the first cause of a difference."""

from __future__ import annotations

import html
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from stockstream import plugins
from stockstream.backtesting.configured import ConfiguredRules
from stockstream.backtesting.engine import backtest
from stockstream.backtesting.rules import Rules
from stockstream.backtesting.strategy import SignalStrategy
from stockstream.bars import Bars
from stockstream.errors import ParameterError, StockstreamError, counted
from stockstream.research.encoding import decoded, found_class
from stockstream.research.fingerprints import data_hash, hash_of, rows_of, source_of, versions
from stockstream.research.passport import FRAMES, frame_hash, read_passport, result_hashes

if TYPE_CHECKING:
    import os

    import polars as pl

    from stockstream.lake import Lake

#: Revised rows that are named one by one.
NAMED: Final = 5


@dataclass(frozen=True)
class Verification:
    """What became of a run that was made again.

    Attributes
    ----------
    same
        True when every figure is the same to the last bit and the files are as they were written.
    cause
        The first cause of a difference, in words; empty when there is none. Causes are looked for in this order: files,
        data, code, versions.
    difference
        The first figure that differs, in words; empty when none does.
    changes
        Everything that is not as it was, whether or not a figure changed.
    folder
        The passport.
    """

    same: bool
    cause: str
    difference: str
    changes: tuple[str, ...]
    folder: str

    @property
    def verdict(self) -> str:
        """Say in one sentence what was found."""
        if self.same:
            but = f" (though {'; '.join(self.changes)})" if self.changes else ""
            return f"{self.folder}: every figure is the same to the last bit{but}."
        what = f"; first difference: {self.difference}" if self.difference else ""
        return f"{self.folder}: not the same, because {self.cause}{what}."

    def __repr__(self) -> str:
        return "\n".join([self.verdict, *(f"  {change}" for change in self.changes if change != self.cause)])

    def _repr_html_(self) -> str:
        return f"<p><strong>{html.escape(self.verdict)}</strong></p>"


def verify(
    folder: str | os.PathLike[str],
    *,
    bars: Bars | None = None,
    lake: Lake | None = None,
    strategy: Any = None,
) -> Verification:
    """Make a saved backtest or sweep again and compare.

    The strategy that the passport names is imported and run: verify only folders that you trust.

    Parameters
    ----------
    folder
        What `Result.save` or `Sweep.save` wrote.
    bars
        The prices to run on; by default those of the lake the run was made from, else those kept in the folder.
    lake
        Read from this lake instead of the one that is named in the passport.
    strategy
        The strategy (for a sweep its class), where it cannot be found by its name.

    Raises
    ------
    ParameterError
        The folder is not a passport, or the strategy cannot be found.
    LakeError, UnknownNameError
        The prices cannot be read any more.
    """
    place = Path(folder).expanduser()
    passport, damage = read_passport(place)
    if damage:
        return Verification(same=False, cause=damage, difference="", changes=(damage,), folder=str(folder))
    now = bars if bars is not None else _bars(place, passport, lake)
    made = _Remade(place, passport, strategy)
    compare = _compare_sweep if passport["kind"] == "sweep" else _compare_result
    difference = compare(place, passport, made, now)
    changes = [*_revised(place, passport, now), *made.changed, *_versions(passport)]
    cause = (changes[0] if changes else "the run is not repeatable: nothing else changed") if difference else ""
    same = not difference
    return Verification(same=same, cause=cause, difference=difference, changes=tuple(changes), folder=str(folder))


# ---- prices ---------------------------------------------------------------------------------------------------------


def _bars(place: Path, passport: dict[str, Any], lake: Lake | None) -> Bars:
    import polars as pl

    data, provenance = passport["data"], passport["data"]["provenance"]
    if lake is None and (place / "bars.parquet").is_file():
        frame = pl.read_parquet(place / "bars.parquet")
        kept = Bars.from_polars(frame, currency=data["currency"], provenance=provenance)
        return _on_sessions(kept, place, data)
    if lake is None:
        from stockstream.lake import Lake as Opened

        if "lake" not in provenance:
            message = f"{place} keeps no prices and names no lake: pass bars= or lake="
            raise ParameterError(message)
        lake = Opened(provenance["lake"])
    options = {"adjust": provenance.get("adjust", "total"), "currency": data["currency"]}
    return lake.bars(data["symbols"], data["first"], data["last"], as_of=provenance.get("as_of"), **options)


def _on_sessions(kept: Bars, place: Path, data: dict[str, Any]) -> Bars:
    """Put the kept rows on the sessions and into the order they had, days without any bar included."""
    import polars as pl

    dates = pl.read_parquet(place / "sessions.parquet")["date"].to_numpy().astype("datetime64[D]")
    places = np.searchsorted(dates, kept.dates)
    rows = [data["symbols"].index(symbol) for symbol in kept.symbols]
    panels = {}
    for name in ("open", "high", "low", "close", "volume", "price_factor", "volume_factor", "dividend", "split"):
        values = getattr(kept, name)
        if values is not None:
            panels[name] = np.full((len(data["symbols"]), len(dates)), np.nan)
            panels[name][np.ix_(rows, places)] = values
    facts = {"currency": kept.currency, "provenance": kept.provenance, "delisted": data["delisted"]}
    whole: Any = {**panels, **facts}
    return Bars.from_arrays(symbols=data["symbols"], dates=dates, **whole)


def _revised(place: Path, passport: dict[str, Any], now: Bars) -> list[str]:
    """Say which rows are not those the run was made on."""
    import polars as pl

    if data_hash(now) == passport["data"]["hash"]:
        return []
    then = pl.read_parquet(place / "data.parquet")
    present = now.present
    symbols, sessions = np.nonzero(present)
    keys = {"symbol": np.asarray(now.symbols, dtype=object)[symbols], "date": now.dates[sessions]}
    rows = pl.DataFrame({**keys, "now": rows_of(now)[present]}, schema_overrides={"symbol": pl.String})
    joined = then.join(rows, on=["symbol", "date"], how="full", coalesce=True).sort("date", "symbol")
    changed = joined.filter(pl.col("row").ne_missing(pl.col("now")))
    if not changed.height:
        return ["the data was revised: listings, the currency or the days without a bar"]
    words = []
    for row in changed.head(NAMED).iter_rows(named=True):
        kind = "was added" if row["row"] is None else "is gone" if row["now"] is None else "changed"
        words.append(f"{row['symbol']} {row['date']} {kind}")
    more = f" and {changed.height - NAMED:,} more" if changed.height > NAMED else ""
    count = counted(changed.height, "row")
    return [f"the data was revised, {count}: {', '.join(words)}{more}"]


# ---- strategy and versions ------------------------------------------------------------------------------------------


class _Remade:
    """The strategy of a passport, and how its code differs from then."""

    def __init__(self, place: Path, passport: dict[str, Any], given: Any) -> None:
        self.described = passport["strategy"]
        self.place, self.changed = place, list[str]()
        self.given = given
        cls = self._class()
        if cls is not None and hash_of(source_of(cls).encode()) != self.described["source_hash"]:
            self.changed.append(f"the code of {self.described['class']} changed")
        self.cls = cls

    def _class(self) -> Any:
        if self.given is not None:
            return self.given if isinstance(self.given, type) else type(self.given)
        module, name, file = (self.described[key] for key in ("module", "class", "file"))
        own = module == "__main__" or module.startswith("stockstream_strategy_")
        cls = None if own else found_class(module, name)
        if cls is None and file and Path(file).is_file() and "<locals>" not in name:
            cls = _from_file(Path(file), name)
        return cls

    def instance(self, shape: tuple[int, int]) -> Any:
        """Return the strategy with its parameters."""
        if self.given is not None and not isinstance(self.given, type):
            return self.given
        parameters = {name: decoded(value) for name, value in self.described["parameters"].items()}
        if self.cls is SignalStrategy:
            return self._signals(shape)
        rules = self.described.get("rules")
        if rules is not None and (self.cls is None or self.cls is ConfiguredRules):
            if self.cls is None:
                name = self.described["class"]
                self.changed.append(f"the code of {name} was not found, so the rules it gave were run as written down")
            return ConfiguredRules(self.described["name"], Rules.from_dict(rules), parameters)
        return self.found()(**parameters)

    def found(self) -> Any:
        """Return the class, which must be there."""
        if self.cls is None:
            module, name = self.described["module"], self.described["class"]
            message = f"cannot find {name} of {module}: pass it as strategy="
            raise ParameterError(message)
        return self.cls

    def _signals(self, shape: tuple[int, int]) -> SignalStrategy:
        import polars as pl

        frame = pl.read_parquet(self.place / "signals.parquet")
        arrays: dict[str, Any] = {name: frame[name].to_numpy().reshape(shape) for name in frame.columns}
        levels = {name: level for name, level in decoded(self.described["levels"]).items() if level is not None}
        return SignalStrategy(**arrays, **levels, max_bars=self.described["max_bars"])


def _from_file(path: Path, name: str) -> Any:
    found: Any = plugins.module_of_file(path, f"stockstream_strategy_{path.stem}")
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def _versions(passport: dict[str, Any]) -> list[str]:
    then, now = passport["versions"], versions()
    changed = []
    for name, before in then.items():
        after = now.get(name, "absent")
        if before != after and name == "engine":
            changed.append("the code of stockstream itself changed")
        elif before != after:
            changed.append(f"the version of {name} changed from {before} to {after}")
    return changed


# ---- comparing ------------------------------------------------------------------------------------------------------


def _benchmark(place: Path, now: Bars) -> Any:
    import polars as pl

    path = place / "benchmark.parquet"
    levels = pl.read_parquet(path)["level"].to_numpy() if path.is_file() else None
    return levels if levels is None or len(levels) == len(now.dates) else None


def _compare_result(place: Path, passport: dict[str, Any], made: _Remade, now: Bars) -> str:
    import polars as pl

    settings = {name: decoded(value) for name, value in passport["settings"].items()}
    try:
        result = backtest(made.instance(now.shape), now, benchmark=_benchmark(place, now), **settings)
    except StockstreamError as error:
        return f"it cannot be run any more: {error}"
    hashes = result_hashes(result)
    for name in FRAMES:
        if hashes[name] != passport["hashes"][name]:
            return _first(name, pl.read_parquet(place / f"{name}.parquet"), getattr(result, name))
    if hashes["figures"] != passport["hashes"]["figures"]:
        for name, value in result.metrics.to_dict().items():
            before = decoded(passport["figures"].get(name))
            if repr(before) != repr(float(value)):
                return f"{name} was {before!r} and is {value!r}"
        return "a figure was added or removed"
    return ""


def _compare_sweep(place: Path, passport: dict[str, Any], made: _Remade, now: Bars) -> str:
    import polars as pl

    from stockstream.backtesting.engine import Settings
    from stockstream.research.question import EVERY
    from stockstream.research.sweep import sweep

    rows = pl.read_parquet(place / "rows.parquet")
    parameters = passport["parameters"]
    keys = [*(["symbol"] if "symbol" in rows.columns else []), *parameters]
    known = [name for name in passport["metrics"] if name in EVERY]
    settings = Settings(**{name: decoded(value) for name, value in passport["settings"].items()})
    chosen = {name: getattr(settings, name) for name in settings.__dataclass_fields__}
    combinations = rows.select(parameters).unique(maintain_order=True).to_dicts()
    try:
        again = sweep(
            made.found(),
            now,
            combinations,
            metrics=known,
            portfolio=passport["portfolio"],
            benchmark=_benchmark(place, now),
            progress=False,
            record=False,  # what is made again is no new trial
            **chosen,
        )
    except StockstreamError as error:
        return f"it cannot be run any more: {error}"
    then = rows.select(*keys, *known)
    fresh = then.select(keys).join(again.frame.select(*keys, *known), on=keys, how="left", maintain_order="left")
    if frame_hash(then) == frame_hash(fresh):
        return ""
    return _first("rows", then, fresh)


def _first(name: str, then: pl.DataFrame, now: pl.DataFrame) -> str:
    """Say where two frames first differ."""
    for row, (before, after) in enumerate(zip(then.iter_rows(named=True), now.iter_rows(named=True), strict=False)):
        for column, value in before.items():
            if repr(value) != repr(after.get(column)):
                where = ", ".join(
                    str(before[key]) for key in ("date", "created", "entry_date", "symbol") if key in before
                )
                return f"{column} in row {row} of {name} ({where}) was {value!r} and is {after.get(column)!r}"
    return f"{name} had {counted(then.height, 'row')} and has {now.height:,}"
