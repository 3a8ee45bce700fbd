"""Write ``docs/indicators-speed.md`` and the marked block of the README: ``python -m benchmarks.indicator_speed``."""

from __future__ import annotations

import os
import platform
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import indicator_twins
from benchmarks.indicator_twins import BARS, ROUNDS, SESSIONS, SYMBOLS, TWINS
from stockstream.indicators import Indicator
from stockstream.indicators.catalogue import builtin
from stockstream.indicators.grids import cells

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "indicators-speed.md"
BEGIN, END = (
    "<!-- indicators-speed: begin (generated; edit the generator, not this table) -->",
    "<!-- indicators-speed: end -->",
)
WINDOWS = range(2, 200)

#: Times that all long series are gone through: who else is on the machine comes and goes within a minute.
PASSES = 4

GRIDS_HEAD = """# Grids

Indicators that compute all values of their first parameter in one call, with the bits of the single calls; the others
loop over single calls. The best of the rounds, taken in turns, on one thread."""
PATTERNS_HEAD = f"""# Candlestick patterns

One kernel runs all of them from a table; they are not part of the figures above. {BARS:,} bars, 1 thread; the best of
{ROUNDS} rounds taken in turns, in each of {PASSES} passes over all patterns."""
DATA = (f"{BARS:,} bars, 1 thread", f"{SYMBOLS} × {SESSIONS:,}, 1 thread", f"{SYMBOLS} × {SESSIONS:,}, 2 threads")


def measured() -> dict[str, list[tuple[float, float]]]:
    """Return function -> seconds of both on each data set; refuses to time what is not equal."""
    series, halves = indicator_twins.made_up(BARS), indicator_twins.panel()
    found = {}
    for twin in TWINS:
        different = indicator_twins.disagreement(twin, series)
        if different:
            raise SystemExit(different)
        panels = [indicator_twins.race_panel(twin, halves, threads) for threads in (1, 2)]
        found[twin.name] = [indicator_twins.race_long(twin, series), *panels]
    for _ in range(PASSES - 1):
        for twin in TWINS:
            before, again = found[twin.name][0], indicator_twins.race_long(twin, series)
            found[twin.name][0] = min(before[0], again[0]), min(before[1], again[1])
    return found


def grids() -> list[str]:
    """Return the table of grids in one call: seconds of the single calls over those of the grid."""
    close = indicator_twins.made_up(SESSIONS)["close"]
    lines = [
        f"| {len(WINDOWS)} windows of {SESSIONS:,} bars | single calls, ms | one call, ms | ratio |",
        "|---|---|---|---|",
    ]
    fused = [known for known in builtin().values() if known.grid_kernel and known.grid_parameters == 1]
    for cls in (known for known in fused if len(known.inputs) == 1):
        grid: Any = cls(WINDOWS)
        single = cells(grid)
        one, many = indicator_twins.race(partial(grid, close), partial(_each, single, close))
        lines.append(f"| `{cls.__name__}({WINDOWS})` | {1e3 * many:.2f} | {1e3 * one:.2f} | {many / one:.1f} |")
    return lines


def candles() -> list[str]:
    """Return the table of candlestick patterns: geometric mean of the ratios, then each; refuses what is not equal."""
    series, found = indicator_twins.made_up(BARS), {}
    twins = indicator_twins.pattern_twins()
    for twin in twins:
        different = indicator_twins.disagreement(twin, series)
        if different:
            raise SystemExit(different)
        found[twin.name] = indicator_twins.race_long(twin, series)
    for _ in range(PASSES - 1):
        for twin in twins:
            before, again = found[twin.name], indicator_twins.race_long(twin, series)
            found[twin.name] = min(before[0], again[0]), min(before[1], again[1])
    ratios = [theirs / ours for ours, theirs in found.values()]
    rows = [
        f"| `{name}` | {1e3 * ours:.2f} | {1e3 * theirs:.2f} | {theirs / ours:.2f} |"
        for name, (ours, theirs) in found.items()
    ]
    mean = float(np.exp(np.mean(np.log(ratios))))
    head = ["| pattern | ours, ms | TA-Lib, ms | ratio |", "|---|---|---|---|"]
    return [*head, f"| geometric mean of {len(ratios)} | | | {mean:.2f} |", *rows]


def _each(indicators: list[Indicator], close: NDArray[np.float64]) -> None:
    for indicator in indicators:
        indicator(close)


def summary(found: dict[str, list[tuple[float, float]]]) -> list[str]:
    """Return the table of the README: geometric mean, smallest and largest ratio on each data set."""
    lines = ["| data | geometric mean | slowest | fastest |", "|---|---|---|---|"]
    for place, data in enumerate(DATA):
        ratios = {name: pairs[place][1] / pairs[place][0] for name, pairs in found.items()}
        least, most = min(ratios, key=ratios.__getitem__), max(ratios, key=ratios.__getitem__)
        mean = float(np.exp(np.mean(np.log(list(ratios.values())))))
        ends = (f"{ratios[name]:.2f} `{name}`" for name in (least, most))
        lines.append(f"| {data} | {mean:.2f} | {' | '.join(ends)} |")
    return lines


def explained(found: dict[str, list[tuple[float, float]]]) -> str:
    """Return what was measured, on what."""
    return (
        f"Time of TA-Lib {version('TA-Lib')} over ours, {len(found)} functions that both have, candlestick patterns "
        f"apart, and whose answers were found equal first; the best of {ROUNDS} rounds taken in turns, of the million "
        f"bars in each of {PASSES} passes over all functions; made-up prices; {processor()}, "
        f"{os.cpu_count()} cores, Python {platform.python_version()}, Numba {version('numba')}."
    )


def processor() -> str:
    """Return the processor's name."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


def page(found: dict[str, list[tuple[float, float]]]) -> str:
    """Return the page with every function."""
    head = ["function", *(f"{data}: ours, ms | TA-Lib, ms | ratio" for data in DATA)]
    rows = ["| " + " | ".join(head) + " |", "|---" * (1 + 3 * len(DATA)) + "|"]
    for name, pairs in found.items():
        cells = [f"{1e3 * ours:.2f} | {1e3 * theirs:.2f} | {theirs / ours:.2f}" for ours, theirs in pairs]
        rows.append("| " + " | ".join([f"`{name}`", *cells]) + " |")
    title = "<!-- generated by `make bench` -->\n# Indicators beside TA-Lib"
    parts = [title, explained(found), "\n".join(summary(found)), "\n".join(rows), GRIDS_HEAD, "\n".join(grids())]
    return "\n\n".join([*parts, PATTERNS_HEAD, "\n".join(candles())]) + "\n"


def into_readme(text: str, found: dict[str, list[tuple[float, float]]]) -> str:
    """Return the README with the block between the marks renewed; without marks it stays as it is."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        return text
    link = "All of them: [docs/indicators-speed.md](docs/indicators-speed.md)."
    block = "\n".join([explained(found), "", *summary(found), "", link])
    return f"{before}{BEGIN}\n{block}\n{END}{after}"


def main() -> None:
    """Measure and write."""
    found = measured()
    PAGE.write_text(page(found), encoding="utf-8")
    readme = ROOT / "README.md"
    readme.write_text(into_readme(readme.read_text(encoding="utf-8"), found), encoding="utf-8")


if __name__ == "__main__":
    main()
