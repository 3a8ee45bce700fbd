"""What every indicator must fulfil, given something independent to compare it with."""

import numpy as np

from stockstream.indicators import Indicator

#: Relative tolerances; differences of large numbers are judged by the largest of the output.
WINDOWED, RECURSIVE = 1e-9, 1e-8


def outputs(indicator: Indicator, series) -> dict:
    """Compute on named series; one array per output."""
    answer = indicator(*(series[name] for name in indicator.inputs))
    return dict(zip(indicator.outputs, answer if len(indicator.outputs) > 1 else (answer,), strict=True))


def close_to(found, expected, indicator, name):
    """Compare values; NaN agrees with NaN only."""
    tolerance = RECURSIVE if indicator.recursive else WINDOWED
    scale = np.nanmax(np.abs(expected), initial=0.0, where=np.isfinite(expected))
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * scale, err_msg=f"{indicator!r}.{name}")


def agrees_with_twin(indicator, twin, series):
    """Same values and the same bars of NaN as the naive twin."""
    with np.errstate(all="ignore"):
        expected = twin(indicator, *(series[name] for name in indicator.inputs))
    for (name, found), wanted in zip(outputs(indicator, series).items(), expected, strict=True):
        close_to(found, wanted, indicator, name)


def agrees_with_oracle(indicator, oracle, series):
    """Same values as another library wherever there is a value, from the same bar on.

    Where we say NaN and it says a number, the twin has decided already.
    """
    lead = int(np.argmax(~np.isnan(np.array(list(series.values()))).any(axis=0)))
    cut = {name: np.ascontiguousarray(values[lead:]) for name, values in series.items()}
    answer = oracle(indicator, *(cut[name] for name in ("open", "high", "low", "close", "volume")))
    for name, found in outputs(indicator, series).items():
        wanted = np.concatenate([np.full(lead, np.nan), answer[name]])
        known = ~np.isnan(found)
        assert known.sum() > len(found) / 2, "too little to compare"
        assert np.isnan(wanted[: np.argmax(known)]).all(), f"{indicator!r}.{name} starts later than the other library"
        close_to(found[known], wanted[known], indicator, name)


def same_bits_in_chunks(indicator, series, sizes=(1, 2, 3, 7, 64, 1)):
    """Kernel calls on pieces of any length, with the state kept, give the bits of one call."""
    from stockstream.indicators.calling import as_input, find_kernel

    inputs = [np.ascontiguousarray(series[name]) for name in indicator.inputs]
    whole = outputs(indicator, series)
    kernel, state = find_kernel(indicator.kernel), np.zeros(indicator.state_size())
    pieces = [np.empty(len(inputs[0])) for _ in indicator.outputs]
    start, turn = 0, 0
    while start < len(inputs[0]):
        stop = start + sizes[turn % len(sizes)]
        cut = slice(start, stop)
        kernel(*(as_input(x[cut]) for x in inputs), *indicator.arguments(), state, *(p[cut] for p in pieces))
        start, turn = stop, turn + 1
    for (name, wanted), found in zip(whole.items(), pieces, strict=True):
        np.testing.assert_array_equal(found.view(np.int64), wanted.view(np.int64), err_msg=f"{indicator!r}.{name}")


def same_bits_in_stream(indicator, series):
    """Bar by bar through `stream()`."""
    stream, found = indicator.stream(), []
    for t in range(len(series["close"])):
        value = stream.update({name: series[name][t] for name in indicator.inputs})
        found.append(value if len(indicator.outputs) > 1 else (value,))
    for (name, wanted), got in zip(outputs(indicator, series).items(), zip(*found, strict=True), strict=True):
        np.testing.assert_array_equal(np.array(got), wanted, err_msg=f"{indicator!r}.{name}")


def warms_up_as_declared(indicator, series):
    """On clean input the earliest output starts on the declared bar."""
    firsts = [np.flatnonzero(~np.isnan(found)) for found in outputs(indicator, series).values()]
    assert min(first[0] for first in firsts if len(first)) == indicator.warmup(), repr(indicator)
