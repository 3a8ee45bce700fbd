# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # The first hour
#
# Prices into a lake, a question in SQL, an indicator, a backtest, a report. The prices are real: five US companies,
# 2000 to 2013, out of the package bokeh-sampledata.

# %%
import stockstream as ss
from stockstream.indicators import RSI, SMA
from stockstream.lake import sample_rows

lake = ss.Lake("notebook-lake")
if not lake.location.batches("raw-data"):
    lake.write_rows(sample_rows())
lake.symbols()

# %% [markdown]
# ## Ask in SQL
#
# The lake is Parquet, and DuckDB answers. `prices` is as stored, `prices_adjusted` for splits and dividends.

# %%
lake.sql("""
    SELECT symbol, min(date) AS first, count(*) AS bars, round(avg(close * volume) / 1e6) AS million_a_day
    FROM prices GROUP BY symbol ORDER BY symbol
""").pl()

# %% [markdown]
# ## Bars
#
# What the engine runs on: one array a column, a row for each symbol, NaN where a symbol has no bar.

# %%
bars = lake.bars(["IBM", "MSFT"], start="2003-01-01", end="2012-12-31")
print(bars.shape, bars.symbols)

# %% [markdown]
# ## Indicators
#
# The same declaration works on an array, adds a column to a frame, and stands in a rule.

# %%
rsi = RSI(14)(bars.close[0])
ss.with_indicators(bars.to_polars(), [RSI(14), SMA(50)]).tail(3)

# %% [markdown]
# ## A strategy


# %%
class Trend(ss.RuleStrategy):
    """Hold while a short mean is above a long one."""

    def __init__(self, fast: int = 20, slow: int = 100) -> None:
        self.fast, self.slow = fast, slow

    def rules(self) -> ss.Rules:
        fast, slow = SMA(self.fast), SMA(self.slow)
        return ss.Rules(enter_long=fast.crosses_above(slow), exit_long=fast.crosses_below(slow), stop_loss=0.15)


result = ss.backtest(
    Trend(), bars, cash=100_000, costs=ss.Costs(commission=0.001, slippage=0.0005), sizing=ss.Sizing.weight(0.5)
)
result

# %% [markdown]
# Half in each of two shares. Is it any good? Compare it with holding both.

# %%
against = ss.backtest(Trend(), bars, sizing=ss.Sizing.weight(0.5), benchmark="universe")
print(f"alpha {against.metrics.alpha:.3f} a year, beta {against.metrics.beta:.2f}")

# %% [markdown]
# ## Why did it do that?

# %%
trade = result.trades.row(0, named=True)
print(trade)
print(result.why(trade["entry_date"], trade["symbol"]))

# %% [markdown]
# ## A report
#
# One file, which can be mailed and opens anywhere.

# %%
result.report("notebook-report.html")

# %%
assert result.metrics.trades > 10
assert rsi.shape == (bars.shape[1],)
