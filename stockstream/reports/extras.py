"""The libraries that only reports need, and what is said when they are missing."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from stockstream.errors import StockstreamError

if TYPE_CHECKING:
    from types import ModuleType


def optional(module: str) -> ModuleType:
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
        message = f'reports need the package {package}; type `pip install "stockstream[reports]"`'
        raise StockstreamError(message) from error
