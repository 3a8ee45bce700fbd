"""Take the pictures of the README from the demonstration's prices: `make pictures` runs this; Chromium takes them."""

from __future__ import annotations

import tempfile
from pathlib import Path

from stockstream.cli.demonstration import fill, run_backtest, run_sweep
from stockstream.reports import take_picture, write_image

PICTURES = Path(__file__).resolve().parent / "pictures"

#: What a clone may have to carry for one picture, in bytes.
LARGEST = 300_000


def main() -> None:
    """Write the pictures and print their sizes."""
    with tempfile.TemporaryDirectory() as folder:
        lake, _ = fill(str(Path(folder) / "lake"))
        bars = lake.bars()
        page = run_backtest(bars).report(Path(folder) / "report.html")
        made = [take_picture(page, PICTURES / "report.png", width=1200, height=1240)]
        swept = run_sweep(bars, progress=False)
    figure = swept.heatmap("fast_period", "slow_period", "sharpe")
    made.append(write_image(figure, PICTURES / "heatmap.png", width=1000, height=560))
    for picture in made:
        size = picture.stat().st_size
        print(f"docs/pictures/{picture.name}: {size / 1000:.0f} kB")
        if size > LARGEST:
            message = f"expected at most {LARGEST:,} bytes for {picture.name}; found {size:,}"
            raise SystemExit(message)


if __name__ == "__main__":
    main()
