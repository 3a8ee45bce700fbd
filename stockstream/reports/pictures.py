"""Pictures of pages and figures, taken by the Chromium of the system."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from stockstream.errors import ParameterError, StockstreamError

if TYPE_CHECKING:
    import plotly.graph_objects as go

#: Names under which a Chromium may be found.
BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")

#: Seconds that a picture may take.
PATIENCE: Final = 120

_FLAGS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--virtual-time-budget=8000",
)


def browser() -> str:
    """Return the path of the Chromium that takes pictures.

    Raises
    ------
    StockstreamError
        None is on the path.
    """
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        message = (
            "a PNG or SVG of a figure is drawn by Chromium, and none is on the path (looked for: "
            f"{', '.join(BROWSERS)}). Install one (apt-get install chromium), or write HTML with write_figure"
        )
        raise StockstreamError(message)
    return found


def take_picture(page: str | Path, path: str | Path, *, width: int = 1200, height: int = 800) -> Path:
    """Write a PNG of an HTML file as a window of that size shows it, and return its path.

    Raises
    ------
    ParameterError
        The page is not there, or the picture cannot be written.
    StockstreamError
        No Chromium is on the path, or it failed.
    """
    source, target = Path(page).resolve(), Path(path).resolve()
    if not source.is_file():
        message = f"expected an HTML file to take a picture of; found none at {page}"
        raise ParameterError(message)
    _prepare(target)
    run_browser(source, f"--screenshot={target}", f"--window-size={width},{height}")
    if not target.is_file():
        message = f"Chromium took no picture of {page}; expected one at {path}"
        raise StockstreamError(message)
    return Path(path)


def write_image(figure: go.Figure, path: str | Path, *, width: int = 1000, height: int = 600) -> Path:
    """Write a Plotly figure as a PNG or SVG, as the ending of the path says, and return its path.

    Parameters
    ----------
    figure
        Any Plotly figure, such as ``result.plot()``.
    path
        A file that ends in .png or .svg; its folder is made.
    width, height
        Size in pixels.

    Raises
    ------
    ParameterError
        Another ending, or a path that cannot be written.
    StockstreamError
        No Chromium is on the path, or it failed.
    """
    from stockstream.reports.page import bare_page

    target = Path(path)
    kind = target.suffix.lower()
    if kind not in {".png", ".svg"}:
        message = f"expected a path that ends in .png or .svg; found {path}"
        raise ParameterError(message)
    browser()
    _prepare(target.resolve())
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "figure.html"
        page.write_text(bare_page(figure, width, height, vector=kind == ".svg"), encoding="utf-8")
        if kind == ".png":
            return take_picture(page, target, width=width, height=height)
        drawn = run_browser(page, "--dump-dom", f"--window-size={width},{height}")
    start, end = drawn.find("<svg-text>"), drawn.find("</svg-text>")
    if start < 0 or end < 0:
        message = f"Chromium drew no figure for {path}"
        raise StockstreamError(message)
    import html

    target.write_text(html.unescape(drawn[start + len("<svg-text>") : end]), encoding="utf-8")
    return target


def run_browser(page: Path, *options: str) -> str:
    """Open a file without a network and return what the browser prints."""
    with tempfile.TemporaryDirectory() as profile:
        command = [browser(), *_FLAGS, f"--user-data-dir={profile}", *options, page.as_uri()]
        try:
            done = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=True)
        except (subprocess.SubprocessError, OSError) as error:
            said = (getattr(error, "stderr", None) or b"").decode(errors="replace").strip().splitlines()
            message = f"Chromium could not open {page.name}: {said[-1] if said else error}"
            raise StockstreamError(message) from error
    return done.stdout.decode(errors="replace")


def _prepare(target: Path) -> None:
    """Make the folder of a picture, and take away an old one."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
    except OSError as error:
        message = f"cannot write the picture to {target}: {error.strerror}. Give the path of a file such as report.png"
        raise ParameterError(message) from error
