# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Researching a strategy honestly
#
# A sweep finds a best combination even in noise. This notebook asks a strategy the questions that a doubter would: what do
# costs do, does the best of one half hold in the other, is the best a peak or a plateau, and how much of it is luck.

# %%
import numpy as np
import polars as pl

import stockstream as ss
from stockstream.indicators import SMA
from stockstream.lake import sample_rows
from stockstream.research.selection import overfitting

lake = ss.Lake("notebook-lake")
if not lake.location.batches("raw-data"):
    lake.write_rows(sample_rows())
early = lake.bars(["IBM", "MSFT"], end="2006-12-31")
late = lake.bars(["IBM", "MSFT"], start="2007-01-01")


class Trend(ss.RuleStrategy):
    """Hold while a short mean is above a long one."""

    def __init__(self, fast: int = 20, slow: int = 100) -> None:
        self.fast, self.slow = fast, slow

    def rules(self) -> ss.Rules:
        fast, slow = SMA(self.fast), SMA(self.slow)
        return ss.Rules(enter_long=fast.crosses_above(slow), exit_long=fast.crosses_below(slow))


grid = {"fast": range(5, 50, 5), "slow": range(40, 200, 10)}
options = {"where": pl.col("fast") < pl.col("slow"), "portfolio": "shared", "sizing": ss.Sizing.weight(0.5)}

# %% [markdown]
# ## Say beforehand what would convince you
#
# Here: a Sharpe ratio above that of holding both shares, after costs, in years that were not searched. The years from 2007 on
# are put away until the end.

# %% [markdown]
# ## Costs first
#
# The same grid without costs, with a cautious guess, and with twice that.

# %%
searched = ss.sweep(
    Trend, early, grid | {"costs.commission": [0.0, 0.0015, 0.003]}, progress=False, blocks=16, **options
)
searched.frame.group_by("costs.commission").agg(pl.col("sharpe").mean(), pl.col("trades").mean()).sort(
    "costs.commission"
)

# %% [markdown]
# What dies when costs double was never there.

# %% [markdown]
# ## A peak or a plateau
#
# The best single combination, and the best neighbourhood.

# %%
costs = ss.Costs(commission=0.0015)
swept = ss.sweep(Trend, early, grid, costs=costs, progress=False, blocks=16, **options)
peak = swept.best("sharpe", by="combination")
plateau = swept.best("sharpe", by="combination", robust=True)
print({name: peak[name] for name in ("fast", "slow", "sharpe")})
print({name: plateau[name] for name in ("fast", "slow", "sharpe_median")})

# %% [markdown]
# ## How likely is it that choosing the best was luck
#
# The years are cut into 16 pieces. In every way to take 8 of them the best combination is chosen, and looked up in the other
# 8. The figure is the share of the ways in which it comes out below the median of all. Near 0.5 says that the choice was worth
# nothing.

# %%
luck = overfitting(swept.block_sums)
print(f"probability of overfitting {luck.probability:.2f} of {swept.combinations} combinations")

# %% [markdown]
# ## The years put away
#
# Once, with the plateau. Whatever comes out is the result: going back to the grid now would make these years searched, too.

# %%
chosen = Trend(plateau["fast"], plateau["slow"])
outcome = ss.backtest(chosen, late, costs=costs, sizing=ss.Sizing.weight(0.5), benchmark="universe")
held = late.close / late.close[:, :1]
returns = np.diff(held.mean(axis=0)) / held.mean(axis=0)[:-1]
holding = returns.mean() / returns.std(ddof=1) * np.sqrt(252)
print(f"strategy {outcome.metrics.sharpe:.2f}, holding both {holding:.2f}")

# %% [markdown]
# Compare the two numbers with what you said beforehand. Most ideas end here; that is what the afternoon was for.

# %%
assert swept.combinations == searched.combinations / 3
assert 0.0 <= luck.probability <= 1.0
assert np.isfinite(outcome.metrics.sharpe)
