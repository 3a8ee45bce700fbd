"""The measures of a run, written once more as their definitions read: lists, exact sums, no shortcuts."""

import math

#: Equities are floats, so a return is known to a few units of 2.2e-16; smaller movements are none.
NOISE = 4e-15


def mean(values):
    return math.fsum(values) / len(values)


def deviation(values):
    """Sample standard deviation; 0 when the values differ by rounding only."""
    if max(values) - min(values) < NOISE:
        return 0.0
    centre = mean(values)
    return math.sqrt(math.fsum((value - centre) ** 2 for value in values) / (len(values) - 1))


def ratio(numerator, denominator):
    if denominator > 0:
        return numerator / denominator
    return math.inf if numerator > 0 else math.nan


def survived(equity):
    """The path up to the first bar without equity."""
    for bar, value in enumerate(equity):
        if value <= 0:
            return list(equity[: bar + 1])
    return list(equity)


def returns_of(equity, cash):
    return [after / before - 1 for before, after in zip([cash, *equity], equity, strict=False)]


def drawdowns_of(equity, cash):
    return [max(value / max([cash, *equity[: bar + 1]]) - 1, -1.0) for bar, value in enumerate(equity)]


def percentile(values, share):
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def per_period(risk_free, periods_per_year):
    return (1 + risk_free) ** (1 / periods_per_year) - 1


def return_measures(equity, cash, periods_per_year=252, risk_free=0.0):
    """Sharpe and its kin."""
    equity = survived(equity)
    returns = returns_of(equity, cash)
    n, year = len(returns), math.sqrt(periods_per_year)
    excess = [value - per_period(risk_free, periods_per_year) for value in returns]
    growth, depth = equity[-1] / cash, min(0.0, *drawdowns_of(equity, cash), 0.0)
    few = n < 2
    spread = math.nan if few else deviation(returns)
    below = math.nan if few else math.sqrt(mean([min(value, 0.0) ** 2 for value in excess]))
    annual = math.nan if few else max(growth, 0.0) ** (periods_per_year / n) - 1
    annual = -1.0 if growth <= 0 else annual
    if few:
        sortino = math.nan
    elif below < NOISE:
        sortino = math.inf if mean(excess) > NOISE else math.nan
    else:
        sortino = mean(excess) / below * year
    falls = -depth > NOISE
    return {
        "total_return": growth - 1,
        "annual_return": annual,
        "sharpe": mean(excess) / spread * year if spread > 0 else math.nan,
        "sortino": sortino,
        "max_drawdown": depth,
        "volatility": spread * year,
        "downside_risk": below * year,
        "calmar": annual / -depth if falls else math.nan,
        "recovery_factor": (growth - 1) / -depth if falls else math.nan,
        "best_day": max(returns),
        "worst_day": min(returns),
    }


def shape_measures(equity, cash, periods_per_year=252, risk_free=0.0):
    """Moments, quantiles, gains against losses."""
    returns = returns_of(survived(equity), cash)
    names = ["skew", "kurtosis", "positive_days", "omega", "var_95", "cvar_95", "tail_ratio"]
    n = len(returns)
    if n < 2:
        return dict.fromkeys(names, math.nan)
    centre = mean(returns)
    moments = [mean([(value - centre) ** power for value in returns]) for power in (2, 3, 4)]
    flat = deviation(returns) == 0
    excess = [value - per_period(risk_free, periods_per_year) for value in returns]
    low, high = percentile(returns, 0.05), percentile(returns, 0.95)
    return {
        "skew": math.nan if flat else moments[1] / moments[0] ** 1.5,
        "kurtosis": math.nan if flat else moments[2] / moments[0] ** 2 - 3,
        "positive_days": sum(value > 0 for value in returns) / n,
        "omega": ratio(
            math.fsum(value for value in excess if value > 0), -math.fsum(value for value in excess if value < 0)
        ),
        "var_95": low,
        "cvar_95": mean([value for value in returns if value <= low]),
        "tail_ratio": ratio(abs(high), abs(low)),
    }


def drawdown_measures(equity, cash):
    """Spells under water, each a list of (bar, drawdown)."""
    equity = survived(equity)
    depths = drawdowns_of(equity, cash)
    spells, spell = [], []
    for bar, depth in enumerate(depths):
        if depth < 0:
            spell.append((bar, depth))
        elif spell:
            spells.append(spell)
            spell = []
    spells += [spell] if spell else []
    recovery = math.nan
    if spells:
        deepest = min(depths)
        bottom = depths.index(deepest)
        peak = max([cash, *equity[:bottom]])
        back = [bar for bar in range(bottom, len(equity)) if equity[bar] >= peak]
        recovery = back[0] - bottom if back else math.nan
    return {
        "average_drawdown": mean([min(depth for _, depth in spell) for spell in spells]) if spells else 0.0,
        "max_drawdown_bars": max((len(spell) for spell in spells), default=0),
        "average_drawdown_bars": mean([len(spell) for spell in spells]) if spells else 0.0,
        "recovery_bars": recovery,
        "ulcer_index": math.sqrt(mean([depth**2 for depth in depths])),
    }


def longest_run(flags):
    best = run = 0
    for flag in flags:
        run = run + 1 if flag else 0
        best = max(best, run)
    return best


def trade_measures(trades):
    """Trades are (net gain, money at entry, bars held), closed, in the order of their exits."""
    gains = [gain for gain, _, _ in trades]
    n = len(gains)
    wins, losses = [gain for gain in gains if gain > 0], [gain for gain in gains if gain < 0]
    win, loss = (mean(wins) if wins else math.nan), (mean(losses) if losses else math.nan)
    return {
        "win_rate": len(wins) / n if n else math.nan,
        "profit_factor": ratio(math.fsum(wins), -math.fsum(losses)),
        "average_win": win,
        "average_loss": loss,
        "trades": n,
        "expectancy": mean(gains) if n else math.nan,
        "average_trade_return": mean([gain / spent for gain, spent, _ in trades]) if n else math.nan,
        "sqn": math.sqrt(n) * mean(gains) / deviation(gains) if n > 1 and max(gains) > min(gains) else math.nan,
        "payoff_ratio": win / -loss,
        "kelly": len(wins) / n - len(losses) / n / (win / -loss) if wins and losses else math.nan,
        "best_trade": max(gains, default=math.nan),
        "worst_trade": min(gains, default=math.nan),
        "average_bars_held": mean([bars for _, _, bars in trades]) if n else math.nan,
        "longest_bars_held": max((bars for _, _, bars in trades), default=0),
        "consecutive_wins": longest_run([gain > 0 for gain in gains]),
        "consecutive_losses": longest_run([gain < 0 for gain in gains]),
    }


def geometric(values):
    return math.prod(1 + value for value in values) ** (1 / len(values)) - 1


def relative_measures(equity, prices, periods_per_year=252, risk_free=0.0):
    """Against a benchmark, from the second bar on, for paths on which both move."""
    equity = survived(equity)
    own, other = returns_of(equity[1:], equity[0]), returns_of(prices[1 : len(equity)], prices[0])
    rate, year = per_period(risk_free, periods_per_year), math.sqrt(periods_per_year)
    mean_own, mean_other = mean(own), mean(other)
    covariance = math.fsum((a - mean_own) * (b - mean_other) for a, b in zip(own, other, strict=True)) / (len(own) - 1)
    beta = covariance / deviation(other) ** 2
    active = [a - b for a, b in zip(own, other, strict=True)]
    up = [(a, b) for a, b in zip(own, other, strict=True) if b > 0]
    down = [(a, b) for a, b in zip(own, other, strict=True) if b < 0]

    def capture(pairs):
        return geometric([a for a, _ in pairs]) / geometric([b for _, b in pairs]) if pairs else math.nan

    return {
        "alpha": (mean_own - rate - beta * (mean_other - rate)) * periods_per_year,
        "beta": beta,
        "correlation": covariance / deviation(own) / deviation(other),
        "information_ratio": mean(active) / deviation(active) * year,
        "tracking_error": deviation(active) * year,
        "benchmark_return": prices[len(equity) - 1] / prices[0] - 1,
        "up_capture": capture(up),
        "down_capture": capture(down),
    }
