"""Every built-in indicator with several sets of parameters, made from its declaration alone."""

import numpy as np

from stockstream.errors import ParameterError
from stockstream.indicators.catalogue import builtin
from stockstream.indicators.declaration import LARGEST_WINDOW

#: Lengths that windows take: the shortest, one more, one that divides nothing, one of many bars.
LENGTHS = (1, 2, 7, 45)
DEFAULTS = [cls() for cls in builtin().values()]


def with_windows(cls, length):
    """Give all windows one length, or, where a declaration wants them apart, lengths one bar apart."""
    windows = [
        name for name, allowed in cls.ranges().items() if (allowed.kind, allowed.high) == ("int", LARGEST_WINDOW)
    ]
    for apart in (0, 1, -1):
        lengths = {name: max(cls.ranges()[name].low, length + apart * place) for place, name in enumerate(windows)}
        try:
            return cls(**{name: int(value) for name, value in lengths.items()})
        except ParameterError:
            continue
    return None


def variants(cls):
    """Give the sets of parameters besides the defaults: each switch, windows of each length, other numbers."""
    ranges, defaults = cls.ranges(), cls.defaults()
    for name, allowed in ranges.items():
        if allowed.kind == "choice":
            for value in allowed.choices[1:]:
                yield cls(**{name: value})
        elif allowed.kind == "float":
            yield cls(**{name: min(allowed.high, max(allowed.low, defaults[name] * 0.75))})
        elif allowed.high < LARGEST_WINDOW:
            yield from (cls(**{name: value}) for value in range(int(allowed.low), int(allowed.high) + 1))
    yield from (found for length in LENGTHS if (found := with_windows(cls, length)) is not None)


CASES = list(dict.fromkeys([*DEFAULTS, *(case for cls in builtin().values() for case in variants(cls))]))


def dated(series, first="2019-12-30"):
    """Add weekdays as dates to named series."""
    days = np.busday_offset(np.datetime64(first), np.arange(len(series["close"])), roll="forward")
    return {**series, "date": days.astype("datetime64[D]").astype(np.float64)}
