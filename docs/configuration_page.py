"""The page on configuration, made from the settings and the keys as the code declares them; see `docs.generate`."""

from __future__ import annotations

from typing import get_args

from pydantic_core import PydanticUndefined

from stockstream import settings
from stockstream.ingest.market import FREQUENCIES, MARKETS, Market

HEAD = """# Configuration

Two things are configured: how stockstream runs (settings) and what it fetches (a market). `stockstream config` shows
the settings in force and where each came from, with secrets masked.

## Settings

A setting is looked for in the environment, then in the file `.env` of the folder one is in, and has a default
otherwise; an empty value counts as none. [.env.example](../.env.example) has all of them. A name that begins with
`STOCKSTREAM_` and is no setting is refused, with the closest one that is; so is a value that cannot be.

| setting | default | is |
|---|---|---|
"""

MARKET = """
Where AWS names are left out, the AWS tools' own places are looked at: `~/.aws`, a role, the instance. In Python,
`stockstream.settings.load()` gives the settings as an object, and `ss.Lake()` without a path goes where they say.

## What to fetch

`stockstream symbols update --config config/symbols.json` reads a market. Every key acts, and an unknown one is refused.

```json
{
  "market": "ASX",
  "extra_symbols": ["VAS", "IVV", "A200"],
  "exclude": ["CCP"],
  "update_frequency": "daily"
}
```

| key | default | is |
|---|---|---|
"""

TAIL = """
A source is its name, or an object with its name and options: `"yahoo"`,
`{"name": "csv_folder", "path": "prices"}`. `stockstream plugins` lists the names; [plugins](plugins.md) says how to add
one. Options that are not given are taken from the market and the settings, as far as the source has them.

| market | Yahoo's suffix | calendar | currency |
|---|---|---|---|
"""

SOURCES = """
Any other name of a market needs `suffix`, `exchange` and `currency`; any market but the ASX needs `symbols` or
`symbol_sources`.

### A list of companies on a web page

```json
{
  "market": "NZX",
  "symbol_sources": [
    {
      "name": "html_table",
      "url": "https://example.com/listed",
      "table": "table.companies",
      "columns": {"symbol": "Ticker", "name": "Company", "sector": "Industry"}
    }
  ]
}
```

`columns` maps `symbol`, `name`, `sector`, `market_cap` and `listing_date` to the table's own names; only `symbol` is
needed. `table` is a CSS selector; the first table with the symbol's column is taken.

### A second price source

```json
{
  "price_source": "yahoo",
  "second_price_source": {
    "source": {"name": "csv_folder", "path": "prices"},
    "use": "cross_check",
    "tolerance": 0.005
  }
}
```

- `cross_check`: prices are the first one's. Closes that differ by more than `tolerance` (a fraction), and traded days
  that only the second has, become findings in the run's manifest.
- `fill_in`: days that only the second has are added, provided that five or more common days are there and all their
  closes agree; else the finding says why not. Such rows have no adjusted close. A symbol without prices at the
  first source is taken from the second.

## Lists of companies

Each list is stored once as `symbols/YYYY-MM-DD-symbols.csv` with `symbol,name,sector,market_cap`; a market value that
is no number above 0 (`SUSPENDED`, `--`, 0) is empty there. `symbols/YYYY-MM-DD-details.json` beside it keeps such
texts, the listing dates, the source and what was left out. Lists arrive cut off, in two versions in turn, or as a page
that says something else, so:

- A list is believed when it has at least 97 % of the companies of the last good one from the same source (after 30 days
  without one, 0.02 % less a day). Else the next source is asked, and when none is good the last list goes on serving,
  with exit code 3; the reasons stand in `symbols/YYYY-MM-DD-rejected.json`. `--accept-shorter` overrules it once.
- A company that is missing is still fetched. It counts as delisted when five lists in a row are without it.
- A code that returns with another listing date, or without dates after more than a year, is another company:
  `symbols/listings.csv` gives it a listing of its own.
- That file follows from the lists alone: remove it after a list was corrected by hand, and the next update makes it
  anew.
- Codes of the ASX that exist for a time only (`NABN`, `AJQDA`) are left out, and their company counts as listed.
- From the fallback list, what has no industry group and was not listed before is left out: some 130 debt securities
  that the price source does not know.
"""


def configuration_page() -> str:
    """Return the page."""
    lines = [HEAD.rstrip("\n")]
    for field, info in settings.Settings.model_fields.items():
        default = info.default
        shown = ",".join(default) if isinstance(default, tuple) else "" if default is None else str(default)
        names = " or ".join(f"`{name}`" for name in settings.names(field))
        lines.append(f"| {names} | {f'`{shown}`' if shown else ''} | {_cell(info.description)} |")
    lines.append(MARKET.rstrip("\n"))
    for name, info in Market.model_fields.items():
        default = "" if info.default in (None, (), PydanticUndefined) else f'`"{info.default}"`'
        choices = [choice for choice in get_args(info.annotation) if isinstance(choice, str) and choice != info.default]
        said = f" Else {' or '.join(f'`{chr(34)}{choice}{chr(34)}`' for choice in choices)}." if choices else ""
        lines.append(f"| `{name}` | {default} | {_cell(info.description)}{said} |")
    lines.append(TAIL.rstrip("\n"))
    for market, (suffix, calendar, currency) in MARKETS.items():
        lines.append(f"| {market} | {f'`{suffix}`' if suffix else 'none'} | {calendar} | {currency} |")
    lines.append(SOURCES.rstrip("\n"))
    assert list(FREQUENCIES.values()) == [1, 7, 28], "as the description of update_frequency says"
    return "\n".join(lines) + "\n"


def _cell(text: str | None) -> str:
    return (text or "").replace("|", "\\|")
