"""The passport of a run: a folder of Parquet and JSON that says what it rests on, well enough to repeat it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from stockstream.backtesting.strategy import RuleStrategy, SignalStrategy
from stockstream.errors import ParameterError
from stockstream.research.encoding import encoded
from stockstream.research.fingerprints import (
    data_hash,
    file_of,
    hash_of,
    panel_hash,
    rows_of,
    source_of,
    versions,
)

if TYPE_CHECKING:
    import os

    import polars as pl

    from stockstream.backtesting.result import Result
    from stockstream.bars import Bars
    from stockstream.research.results import Sweep

PASSPORT: Final = "passport.json"
FORMAT: Final = 1

_WANTED: Final = "expected a folder written by result.save(...) or sweep.save(...); "

#: Files and folders that a message names.
_NAMED: Final = 5

#: Frames of a result, in the order in which a difference is looked for.
FRAMES: Final = ("orders", "fills", "trades", "equity")


def save_result(result: Result, folder: str | os.PathLike[str], *, keep_bars: bool | None = None) -> Path:
    """Write a backtest with all it rests on into a new folder and return it.

    Parameters
    ----------
    result
        A finished run.
    folder
        Made if need be; must be empty.
    keep_bars
        Keep the prices themselves. By default only where they did not come from a lake: else a number per row is kept
        that tells which rows were revised.

    Raises
    ------
    ParameterError
        The folder holds something, or a parameter of the strategy cannot be written down.
    """
    passport = {
        "kind": "backtest",
        "strategy": _strategy(result.source),
        "settings": _settings(result.settings),
        "figures": {name: encoded(value) for name, value in result.metrics.to_dict().items()},
        "hashes": result_hashes(result),
    }
    frames = {name: getattr(result, name) for name in FRAMES}
    if result.benchmark is not None:
        frames["benchmark"] = _levels(result.benchmark)
    frames |= _arrays(result.source)
    return _write(folder, passport, frames, result.bars, keep_bars=keep_bars)


def save_sweep(sweep: Sweep, folder: str | os.PathLike[str], *, keep_bars: bool | None = None) -> Path:
    """Write the rows of a sweep with all they rest on into a new folder and return it; see `save_result`."""
    rows = sweep.rows.select([c for c in sweep.rows.collect_schema().names() if not c.startswith("block_")]).collect()
    passport = {
        "kind": "sweep",
        "strategy": _class(sweep.strategy),
        "settings": _settings(sweep.settings),
        "portfolio": sweep.portfolio,
        "parameters": list(sweep.parameters),
        "metrics": list(sweep.metrics),
        "complete": sweep.complete,
        "hashes": {"rows": frame_hash(rows)},
    }
    frames = {"rows": rows, "failures": sweep.failures}
    if sweep.benchmark is not None:
        from stockstream.backtesting.benchmark import benchmark_levels

        levels = benchmark_levels(sweep.benchmark, sweep.bars)
        frames |= {} if levels is None else {"benchmark": _levels(levels)}
    return _write(folder, passport, frames, sweep.bars, keep_bars=keep_bars)


def result_hashes(result: Result) -> dict[str, str]:
    """Return a hash for each part of a result."""
    figures = np.array(list(result.metrics.to_dict().values()), dtype=np.float64)
    return {
        **{name: panel_hash(result.ledgers[name]) for name in ("orders", "fills", "trades")},
        "equity": hash_of(result.account.equity.tobytes(), result.account.cash.tobytes()),
        "figures": panel_hash(figures),
    }


def frame_hash(frame: pl.DataFrame) -> str:
    """Return a hash of the values of a frame, column by column."""
    parts = []
    for column in frame.get_columns():
        values = column.to_numpy()
        text = values.dtype.kind in "OU"
        parts += [column.name.encode(), repr(values.tolist()).encode() if text else values.tobytes()]
    return hash_of(*parts)


def _strategy(source: Any) -> dict[str, Any]:
    described = _class(type(source))
    described["name"] = source.name
    if isinstance(source, RuleStrategy):
        described["rules"] = source.rules().to_dict()
    if isinstance(source, SignalStrategy):
        levels = {name: level for name, level in source.levels.items() if level is None or np.ndim(level) == 0}
        return described | {"levels": encoded(levels), "max_bars": source.max_bars, "parameters": {}}
    return described | {"parameters": {name: encoded(value) for name, value in source.parameters.items()}}


def _class(cls: type) -> dict[str, Any]:
    source = source_of(cls)
    return {
        "module": cls.__module__,
        "class": cls.__qualname__,
        "file": file_of(cls),
        "source": source,
        "source_hash": hash_of(source.encode()),
    }


def _settings(settings: Any) -> dict[str, Any]:
    return {name: encoded(getattr(settings, name)) for name in settings.__dataclass_fields__}


def _arrays(source: Any) -> dict[str, pl.DataFrame]:
    """Arrays of a `SignalStrategy`, one column each."""
    if not isinstance(source, SignalStrategy):
        return {}
    import polars as pl

    given = {**source.conditions, **source.levels, "rank": source.rank}
    return {
        "signals": pl.DataFrame(
            {name: np.asarray(array).ravel() for name, array in given.items() if array is not None and np.ndim(array)}
        )
    }


def _levels(levels: Any) -> pl.DataFrame:
    import polars as pl

    return pl.DataFrame({"level": np.asarray(levels, dtype=np.float64)})


def _data(bars: Bars, *, keep: bool) -> tuple[dict[str, Any], dict[str, pl.DataFrame]]:
    import polars as pl

    described = {
        "hash": data_hash(bars),
        "symbols": list(bars.symbols),
        "first": str(bars.dates[0]),
        "last": str(bars.dates[-1]),
        "sessions": len(bars.dates),
        "currency": bars.currency,
        "delisted": {symbol: str(day) for symbol, day in bars.delisted.items()},
        "provenance": {name: _plain(value) for name, value in bars.provenance.items()},
    }
    present = bars.present
    symbols, sessions = np.nonzero(present)
    keys = {"symbol": np.asarray(bars.symbols, dtype=object)[symbols], "date": bars.dates[sessions]}
    rows = pl.DataFrame({**keys, "row": rows_of(bars)[present]}, schema_overrides={"symbol": pl.String})
    frames = {"data": rows, "sessions": pl.DataFrame({"date": bars.dates})}
    return described, frames | ({"bars": bars.to_polars()} if keep else {})


def _plain(value: Any) -> Any:
    try:
        json.dumps(value)
    except TypeError:
        return str(value)
    return value


def _write(
    folder: str | os.PathLike[str],
    passport: dict[str, Any],
    frames: dict[str, pl.DataFrame],
    bars: Bars,
    *,
    keep_bars: bool | None,
) -> Path:
    target = Path(folder).expanduser()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        message = (
            f"expected a new or empty folder for a passport; {target} holds something. A passport is never changed"
        )
        raise ParameterError(message)
    keep = "lake" not in bars.provenance if keep_bars is None else keep_bars
    data, rows = _data(bars, keep=keep)
    target.mkdir(parents=True, exist_ok=True)
    files = {}
    for name, frame in (frames | rows).items():
        path = target / f"{name}.parquet"
        frame.write_parquet(path)
        files[path.name] = hash_of(path.read_bytes())
    whole = {"format": FORMAT, **passport, "data": data, "versions": dict(versions()), "files": files}
    text = json.dumps({**whole, "seal": hash_of(_canonical(whole))}, indent=1, allow_nan=False)
    (target / PASSPORT).write_text(text + "\n", encoding="utf-8")  # last: a folder with it is complete
    return target


def _canonical(passport: dict[str, Any]) -> bytes:
    return json.dumps(passport, sort_keys=True).encode()


def read_passport(folder: Path) -> tuple[dict[str, Any], str]:
    """Return a passport and what is wrong with its files, or nothing.

    Raises
    ------
    ParameterError
        There is none, or it is not one of this kind.
    """
    path = folder / PASSPORT
    if not path.is_file():
        raise ParameterError(_WANTED + _found_instead(folder))
    try:
        passport = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        message = f"{_WANTED}cannot read {path}: {error.strerror}. Check its permissions."
        raise ParameterError(message) from error
    except ValueError as error:
        message = f"{_WANTED}{path} is no JSON ({error}). Save the run again, or restore the file."
        raise ParameterError(message) from error
    if not isinstance(passport, dict) or passport.get("format") != FORMAT or "kind" not in passport:
        found = passport.get("format") if isinstance(passport, dict) else passport
        message = f"expected a passport of format {FORMAT} in {path}; found {found!r}"
        raise ParameterError(message)
    seal = passport.pop("seal", "")
    if seal != hash_of(_canonical(passport)):
        return passport, f"{PASSPORT} was edited after it was written"
    files = passport["files"]
    missing = [name for name in files if not (folder / name).is_file()]
    if missing:
        return passport, f"{missing[0]} is missing" if len(missing) == 1 else (
            f"{len(missing)} of its {len(files)} files are missing ({', '.join(missing)})"
        )
    for name, expected in files.items():
        try:
            content = (folder / name).read_bytes()
        except OSError as error:
            return passport, f"{name} cannot be read ({error.strerror})"
        if hash_of(content) != expected:
            return passport, f"{name} was changed after it was written"
    return passport, ""


def _found_instead(folder: Path) -> str:
    """Say what there is in the place of a folder with a passport, and what to do."""
    if folder.is_file():
        return f"{folder} is a file. Give the folder it is in."
    if not folder.is_dir():
        return f"there is no folder {folder}. Check the path."
    names = sorted(path.name for path in folder.iterdir())
    inside = sorted(path.parent.name for path in folder.glob(f"*/{PASSPORT}"))
    if inside:
        return f"{folder} has no {PASSPORT}, but {', '.join(inside[:_NAMED])} in it has. Give that folder."
    held = ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "") if names else "nothing"
    return f"{folder} has no {PASSPORT}; it holds {held}. Give the folder that was saved, or save the run again."
