"""The libraries that only reports need, and what is said when they are missing."""

from __future__ import annotations

import importlib
from typing import Any

from stockstream.errors import StockstreamError


def optional(module: str) -> Any:
    """Import a module of the extra ``reports``.

    Raises
    ------
    StockstreamError
        Its package is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        message = f'reports need the package {package}, which is not installed; type `pip install "stockstream[reports]"`'
        raise StockstreamError(message) from error
