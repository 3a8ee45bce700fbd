"""Operations of rules that need memory."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from stockstream_kernels._compile import kernel

type Series = NDArray[np.float64]

FALSE: Final = 0
UNKNOWN: Final = 1
TRUE: Final = 2


@kernel
def crosses(first: Series, second: Series, state: Series, out: NDArray[np.int8]) -> None:
    """Where `first` rises from below to above `second`.

    A tie keeps the side it was on before: a tie is not a cross and changes nothing. A bar that is not known makes
    itself and the next one unknown. State: ``[side]``, 0 not known, 1 above, -1 below, 2 tied ever since known.
    """
    side = state[0]
    for t in range(len(first)):
        one, two = first[t], second[t]
        if not (one == one and two == two):
            out[t] = UNKNOWN
            side = 0.0
            continue
        if side == 0.0:
            out[t] = UNKNOWN
        else:
            out[t] = TRUE if one > two and side == -1.0 else FALSE
        if one > two:
            side = 1.0
        elif one < two:
            side = -1.0
        elif side == 0.0:
            side = 2.0
    state[0] = side
