"""Hand-made bars and scripted orders, for scenarios that can be worked out on paper."""

import numpy as np

import stockstream as ss


def market(volume=1000.0, **symbols):
    """Return Bars of rows per symbol: a price, (open, high, low, close), or None for a day without a bar.

    `volume` is one number, or symbol -> list.
    """
    rows = {symbol: [_row(row) for row in bars] for symbol, bars in symbols.items()}
    columns = np.array([np.array(bars).T for bars in rows.values()])
    sizes = np.array([volume[s] if isinstance(volume, dict) else [volume] * columns.shape[2] for s in rows], float)
    sizes[np.isnan(columns[:, 0])] = np.nan
    return ss.Bars.from_arrays(
        symbols=list(rows),
        dates=np.arange(columns.shape[2]).astype("datetime64[D]"),
        volume=sizes,
        **{name: np.ascontiguousarray(columns[:, i]) for i, name in enumerate(("open", "high", "low", "close"))},
    )


def _row(row):
    if row is None:
        return (np.nan,) * 4
    return row if isinstance(row, tuple) else (float(row),) * 4


def with_panels(bars, **panels):
    """Return the bars with dividends, splits or factors: name -> list, or rows of lists."""
    columns = {name: getattr(bars, name) for name in ("open", "high", "low", "close", "volume")}
    extras = {name: np.atleast_2d(np.array(values, float)) for name, values in panels.items()}
    return ss.Bars.from_arrays(symbols=bars.symbols, dates=bars.dates, **columns, **extras)


class Script(ss.Strategy):
    """Answers what a plan says: session -> action or actions, given on the first symbol with a bar that day."""

    def __init__(self, plan, look=None):
        self.plan, self.look = plan, look
        self.done = set()

    def on_data(self, date, symbol, data, portfolio):
        session = (np.datetime64(date) - np.datetime64("1970-01-01")).astype(int)
        if self.look:
            self.look(int(session), symbol, portfolio)
        if session in self.done:
            return None
        self.done.add(session)
        return self.plan.get(int(session))


def play(bars, plan, *, cash=1000.0, look=None, **options):
    """Run a plan."""
    return ss.backtest(Script(plan, look), bars, cash=cash, **options)


def signals(bars, *, cash=1000.0, levels=None, run=None, **sides):
    """Run signals: side -> sessions on which it is true, for the first symbol, or symbol -> sessions."""
    panels = {side: np.zeros(bars.shape, bool) for side in sides}
    for side, given in sides.items():
        for symbol, sessions in (given if isinstance(given, dict) else {bars.symbols[0]: given}).items():
            panels[side][bars.row(symbol), sessions] = True
    return ss.backtest(ss.SignalStrategy(**panels, **(levels or {})), bars, cash=cash, **(run or {}))


def fills(result):
    """Return (session, symbol, signed quantity, price) of every fill, rounded to 9 digits."""
    return [
        (
            int(f["session"]),
            result.bars.symbols[f["symbol"]],
            round(float(f["quantity"]), 9),
            round(float(f["price"]), 9),
        )
        for f in result.ledgers["fills"]
    ]


def endings(result):
    """Return (status, reason) of every order."""
    return list(zip(result.orders["status"], result.orders["reason"], strict=True))
