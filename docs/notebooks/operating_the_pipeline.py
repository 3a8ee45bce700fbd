# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Operating the pipeline
#
# A daily run asks a source for a session's prices and lands them in a lake. This notebook runs two days of it against CSV
# files instead of Yahoo, so that it needs no network, and looks at what a run leaves behind. The real thing is one command:
# `stockstream ingest --config config/symbols.json`.

# %%
import csv
import json
import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import stockstream as ss
from stockstream.ingest.run import Wanted, run_day
from stockstream.lake import check

shutil.rmtree("pipeline-lake", ignore_errors=True)
FOLDER = Path("prices")
FOLDER.mkdir(exist_ok=True)


def publish(symbol, last, wrong_on=None):
    """Write what the source knows by `last`: a price for each weekday since 26 April, one of them wrong."""
    with (FOLDER / f"{symbol}.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["date", "open", "high", "low", "close", "volume"])
        day = date(2024, 4, 26)
        while day <= last:
            if day.weekday() < 5:
                price = 40 + day.day / 10 if day != wrong_on else 4000.0
                writer.writerow([day, price, price, price, price, 100_000])
            day += timedelta(days=1)


market = {"symbols": ["BHP", "CBA"], "price_source": {"name": "csv_folder", "path": str(FOLDER)}}

# %% [markdown]
# ## The first day
#
# The run finds the last settled session, cuts the symbols into batches, fetches them and writes a manifest. `now` is given here so
# that the notebook is the same every day; leave it out.

# %%
publish("BHP", date(2024, 5, 2), wrong_on=date(2024, 5, 1))
publish("CBA", date(2024, 5, 2))
evening = datetime(2024, 5, 2, 12, tzinfo=UTC)
first = run_day(Wanted(lake="pipeline-lake", market=market, now=evening))
first

# %% [markdown]
# ## Run it again
#
# Safe at any time. A session that is complete is not asked for again; an interrupted one is completed.

# %%
again = run_day(Wanted(lake="pipeline-lake", market=market, now=evening + timedelta(minutes=30)))
again

# %% [markdown]
# ## What is in the lake

# %%
for path in sorted(Path("pipeline-lake").rglob("*.*")):
    print(path)
print(check(ss.Lake("pipeline-lake").location, write=True))

# %% [markdown]
# The manifest says who is missing and why. Look here first when a run is `partial`.

# %%
manifest = json.loads(Path("pipeline-lake", first["manifest"]).read_text())
print(list(manifest))

# %% [markdown]
# ## The second day
#
# The source has corrected itself. Each run asks for some weeks again, so the correction arrives by itself; the first answer
# stays, and can be read as of its day.

# %%
publish("BHP", date(2024, 5, 3))
publish("CBA", date(2024, 5, 3))
second = run_day(Wanted(lake="pipeline-lake", market=market, now=datetime(2024, 5, 3, 12, tzinfo=UTC)))
lake = ss.Lake("pipeline-lake")
query = "SELECT date, close FROM prices WHERE symbol = 'BHP' AND date = DATE '2024-05-01'"
then, now = lake.sql(query, as_of="2024-05-02").pl(), lake.sql(query).pl()
print(then, now)

# %% [markdown]
# ## Quality
#
# `stockstream quality --fail-on error` does this on the command line and ends with 3 when there is an error.

# %%
print(lake.quality())

# %% [markdown]
# ## When something is wrong
#
# | what you see | do |
# |---|---|
# | exit code 3, `partial` | run it again; what is missing is asked for again |
# | exit code 1 | read the sentence on stderr, then the manifest |
# | a symbol without prices for days | `stockstream symbols diff`: it may have been delisted or renamed |
# | a bucket that cannot be reached | `stockstream doctor --lake s3://bucket` |

# %%
assert first["state"] == second["state"] == "complete"
assert now["close"].to_list() == [40.1]
