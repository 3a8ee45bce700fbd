"""Lengths of the state of kernels that keep ladders or tiles, as `stockstream_kernels.ladders` and `.tiles` have them.

Said again here because declarations must not load compiled code; a test holds the two together.
"""

from __future__ import annotations

from typing import Final

CHUNK: Final = 256
#: Bars that are worked on together where a kernel keeps them in its state.
STRETCH: Final = 512
#: Tiles that are part of the state.
TILE: Final = 256
WIDE: Final = 512
PART: Final = 2300
#: What an update of the streaming form costs.
DOUBLING: Final = "O(log window): windows are put together from stretches of 1, 2, 4, … bars"
MOVED: Final = "O(window): the values of the window are moved, as fast as memory is copied"


def room(window: int) -> int:
    """Return how many bars a chunk has."""
    return max(CHUNK, window // 8)


def ladder(window: int, chunk: int | None = None) -> int:
    """Return the length of a ladder for windows up to `window`."""
    rungs = int(window).bit_length()
    return (1 << rungs) - 1 + rungs * (room(window) if chunk is None else chunk)


def means(window: int) -> int:
    """Return the state of a mean by blocks."""
    return 4 + 2 * window


def extremes(window: int) -> int:
    """Return the state of a highest and a lowest: two numbers and two ladders."""
    return 2 + 2 * ladder(window)
