"""A folder that remembers what a sweep has done, so that one that was killed goes on where it was."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

import stockstream
from stockstream.errors import ParameterError
from stockstream.research.fingerprints import code_of, data_hash, hash_of, rule_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from stockstream.bars import Bars
    from stockstream.research.collect import Batch
    from stockstream.research.grid import Combinations

#: What is not written yet is at most so old, and at most so many numbers.
SECONDS: Final = 2.0
NUMBERS: Final = 4_000_000

MANIFEST: Final = "sweep.json"


@dataclass(eq=False)
class Checkpoint:
    """Results on disk, in parts that are written as a whole or not at all; `numbers` is the most that waits."""

    folder: Path
    numbers: int = NUMBERS
    parts: list[tuple[int, int, Path]] = field(default_factory=list)
    _waiting: list[tuple[int, NDArray[np.int64], NDArray[np.float64]]] = field(default_factory=list)
    _since: float = field(default_factory=time.monotonic)

    @classmethod
    def open(cls, folder: str | Path, identity: Mapping[str, str], numbers: int = NUMBERS) -> Checkpoint:
        """Begin, or go on with what is there.

        Raises
        ------
        ParameterError
            The folder belongs to another sweep, or is not one that can be written to.
        """
        checkpoint = cls(Path(folder), min(numbers, NUMBERS))
        manifest = checkpoint.folder / MANIFEST
        try:
            if manifest.exists():
                _check(checkpoint.folder, json.loads(manifest.read_text(encoding="utf-8")), identity)
            else:
                checkpoint.folder.mkdir(parents=True, exist_ok=True)
                _put(manifest, json.dumps(identity, indent=1).encode())
            for path in sorted(checkpoint.folder.glob("part-*.npz")):
                _, first, last, *_ = path.stem.split("-")
                checkpoint.parts.append((int(first), int(last), path))
        except (OSError, ValueError) as error:
            if isinstance(error, ParameterError):
                raise
            message = f"cannot use {checkpoint.folder} as a checkpoint: {error}. Pass another folder, or delete it."
            raise ParameterError(message) from error
        return checkpoint

    def recall(self, batch: Batch) -> int:
        """Fill a batch with what is known of it; returns how many runs that is."""
        known, stop = 0, batch.first + batch.table.height
        for first, last, path in self.parts:
            if first >= stop or last < batch.first:
                continue
            with np.load(path, allow_pickle=False) as part:
                symbol, place, values = part["symbol"], part["place"] - batch.first, part["values"]
            here = (place >= 0) & (place < batch.table.height)
            symbol, place = symbol[here], place[here]
            known += len(place) - int(batch.done[symbol, place].sum())
            batch.values[symbol, :, place] = values[:, here].T
            batch.done[symbol, place] = True
        return known

    def add(self, symbol: int, places: NDArray[np.int64], values: NDArray[np.float64]) -> None:
        """Take ``(M, n)`` results of combinations by their number among all."""
        self._waiting.append((symbol, places, values))
        waiting = sum(values.size for _, _, values in self._waiting)
        if waiting >= self.numbers or time.monotonic() - self._since >= SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        self._since = time.monotonic()
        if not self._waiting:
            return
        symbol = np.concatenate([np.full(len(places), at, dtype=np.int32) for at, places, _ in self._waiting])
        place = np.concatenate([places for _, places, _ in self._waiting])
        values = np.concatenate([values for _, _, values in self._waiting], axis=1)
        self._waiting.clear()
        name = f"part-{place.min()}-{place.max()}-{os.getpid()}-{time.time_ns()}"
        beside = self.folder / f".{name}.npz"
        np.savez(beside, symbol=symbol, place=place, values=values)
        beside.replace(self.folder / f"{name}.npz")


def _put(path: Path, content: bytes) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_bytes(content)
    beside.replace(path)


def _check(folder: Path, found: Mapping[str, str], identity: Mapping[str, str]) -> None:
    changed = [name for name in identity if found.get(name) != identity[name]]
    if changed:
        message = (
            f"the checkpoint in {folder} is of another sweep: {', '.join(changed)} changed. Pass another folder, or "
            "delete this one to begin again."
        )
        raise ParameterError(message)


# ---- what a sweep is ---------------------------------------------------------------------------------------------


def identity(
    strategy: type, bars: Bars, combinations: Combinations, settings: Any, portfolio: str, question: Any
) -> dict[str, str]:
    """Return a hash of everything the results depend on, by the words that a message names it with."""
    reductions = {name: code_of(function) for name, function in question.reduce.items()}
    benchmark = b"" if question.benchmark is None else question.benchmark.tobytes()
    metrics = repr((question.metrics, reductions, question.blocks, question.edges)).encode()
    return {
        "the strategy": hash_of(rule_of(strategy).encode()),
        "the grid": hash_of(*_grid(combinations)),
        "the bars": data_hash(bars),
        "the settings": hash_of(repr((settings, portfolio)).encode()),
        "the metrics": hash_of(metrics, benchmark),
        "the version of stockstream": stockstream.__version__,
    }


def _grid(combinations: Combinations) -> list[bytes]:
    parts = [repr(combinations.names).encode(), str(combinations.where).encode()]
    parts += [repr((name, values.dtype)).encode() + values.tobytes() for name, values in combinations.axes.items()]
    if combinations.rows is not None:
        parts += [column.to_numpy().tobytes() for column in combinations.rows.get_columns()]
    return parts
