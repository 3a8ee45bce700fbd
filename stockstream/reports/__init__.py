"""Reports: a finished run as one HTML page that opens anywhere, and its figures one by one.

Needs the extra ``reports`` (``pip install "stockstream[reports]"``); importing this package does not.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from stockstream.reports import figures as figures
    from stockstream.reports.figures import heatmap as heatmap
    from stockstream.reports.figures import parallel as parallel
    from stockstream.reports.figures import relief as relief
    from stockstream.reports.figures import sensitivity as sensitivity
    from stockstream.reports.page import write_figure as write_figure
    from stockstream.reports.pictures import take_picture as take_picture
    from stockstream.reports.pictures import write_image as write_image
    from stockstream.reports.quality import write_quality as write_quality
    from stockstream.reports.sweeps import write_sweep as write_sweep
    from stockstream.reports.tearsheet import write_report as write_report

#: Public name -> module that holds it; names are resolved on first use, so that importing costs nothing.
_HOMES: Final[dict[str, str]] = {
    "figures": "stockstream.reports.figures",
    "heatmap": "stockstream.reports.figures",
    "parallel": "stockstream.reports.figures",
    "relief": "stockstream.reports.figures",
    "sensitivity": "stockstream.reports.figures",
    "take_picture": "stockstream.reports.pictures",
    "write_figure": "stockstream.reports.page",
    "write_image": "stockstream.reports.pictures",
    "write_quality": "stockstream.reports.quality",
    "write_report": "stockstream.reports.tearsheet",
    "write_sweep": "stockstream.reports.sweeps",
}

__all__ = [
    "figures",
    "heatmap",
    "parallel",
    "relief",
    "sensitivity",
    "take_picture",
    "write_figure",
    "write_image",
    "write_quality",
    "write_report",
    "write_sweep",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        message = f"module 'stockstream.reports' has no attribute {name!r}"
        raise AttributeError(message)
    module = importlib.import_module(_HOMES[name])
    value: object = module if name == "figures" else getattr(module, name)
    globals()[name] = value
    return value
