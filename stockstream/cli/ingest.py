"""The commands `ingest` and `fetch`: a session's prices into a lake."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from stockstream.cli.options import LakePath, split_list
from stockstream.cli.output import print_json, say
from stockstream.errors import LakeError, ParameterError, SourceError, counted

if TYPE_CHECKING:
    from stockstream.ingest.run import Wanted

FAILED: Final = 1
PARTIAL: Final = 3

#: How many symbols a line names.
SAMPLE: Final = 8

INGEST_EXAMPLES: Final = """
Examples:
  stockstream ingest
  stockstream ingest --config config/symbols.json --lake data/asx
  stockstream ingest --symbols BHP,CBA --backfill 2010-01-01
  stockstream ingest --quiet || echo "look at runs/ in the lake"

Exit codes:
  0  complete, or nothing to do
  1  failed
  2  refused, nothing was asked for
  3  fewer symbols than the coverage threshold have the session's bar:
     run it again
"""

FETCH_EXAMPLES: Final = """
Examples:
  stockstream fetch --config config/symbols.json --output data/
  stockstream fetch --symbols BHP,CBA --start 2010-01-01 --output data/

Exit codes: as for `stockstream ingest`.
"""

_Config = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="What to fetch, such as config/symbols.json; default: the ASX."),
]
_Symbols = Annotated[
    str | None, typer.Option("--symbols", metavar="A,B,…", help="Only these, instead of those of the configuration.")
]
_Quiet = Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")]
_Json = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]


def ingest(
    lake: LakePath = None,
    symbols: _Symbols = None,
    config: _Config = None,
    day: Annotated[
        str | None, typer.Option("--date", metavar="DATE", help="The session; by default the last that has settled.")
    ] = None,
    backfill: Annotated[
        str | None, typer.Option("--backfill", metavar="DATE", help="Fetch from this day on, not only the last weeks.")
    ] = None,
    quiet: _Quiet = False,
    as_json: _Json = False,
) -> None:
    """Fetch a session into a lake: the list of companies, their prices in parallel batches, a manifest.

    Safe to run again at any time: it completes what is missing, and does nothing when nothing is.
    """
    _run(
        _wanted(lake, symbols, config, session=_day("--date", day), backfill=_day("--backfill", backfill)),
        quiet=quiet,
        as_json=as_json,
    )


def fetch(
    output: Annotated[Path, typer.Option("--output", metavar="FOLDER", help="Where the files go.", show_default=False)],
    config: _Config = None,
    symbols: _Symbols = None,
    start: Annotated[
        str | None, typer.Option("--start", metavar="DATE", help="First day; by default the last weeks.")
    ] = None,
    quiet: _Quiet = False,
    as_json: _Json = False,
) -> None:
    """Fetch prices into a folder of their own: Parquet files under raw-data/, readable as a lake.

    The same as `stockstream ingest` with the folder for a lake.
    """
    _run(
        _wanted(str(output), symbols, config, session=None, backfill=_day("--start", start)),
        quiet=quiet,
        as_json=as_json,
    )


def _wanted(
    lake: str | None, symbols: str | None, config: Path | None, *, session: date | None, backfill: date | None
) -> Wanted:
    """Return what the flags ask for; a configuration with a mistake in it is refused before anything is asked for."""
    from stockstream.ingest.configured import price_source, symbol_sources
    from stockstream.ingest.market import Market, load_market, market_from
    from stockstream.ingest.run import Wanted
    from stockstream.settings import load

    market = Market() if config is None else load_market(config)
    keys = market.model_dump(mode="json", exclude_unset=True)
    if symbols is not None:
        keys |= {"symbols": split_list("--symbols", symbols), "extra_symbols": [], "exclude": []}
        market = market_from(keys, "--symbols")
    settings = load()
    price_source(market, settings)
    symbol_sources(market, settings)
    return Wanted(lake=lake, market=keys, session=session, backfill=backfill)


def _run(wanted: Wanted, *, quiet: bool, as_json: bool) -> None:
    from stockstream.cli.application import print_problem
    from stockstream.cli.logs import start_logging, stay_silent
    from stockstream.cli.progress import BatchProgress
    from stockstream.ingest.run import run_day
    from stockstream.settings import load

    stay_silent() if quiet else start_logging(load())
    try:
        with BatchProgress(shown=not quiet) as progress:
            done = run_day(wanted, processes=True, observer=progress.observe)
    except (SourceError, LakeError) as error:
        print_problem("error", str(error))
        raise typer.Exit(FAILED) from None
    if as_json:
        print_json(done)
    elif not quiet:
        _say(done, progress.failures, wanted.lake)
    if done.get("state", "complete") != "complete":
        raise typer.Exit(PARTIAL if done["state"] == "partial" else FAILED)


def _say(done: dict[str, Any], failures: dict[int, str], lake: str | None) -> None:
    if not done.get("new_session", True):
        say(f"nothing to do: {done['reason']}")
        return
    share = f"{done['received']:,} of {counted(done['symbols'], 'symbol')} ({done['coverage']:.1%})"
    say(f"{done['session']}: {done['state']}, {share} have the session's bar")
    others = {name: count for name, count in done["outcomes"].items() if name != "ok"}
    if others:
        say("without prices: " + ", ".join(_named(done, others, lake)))
    if done["revisions"]:
        say(f"history that changed, fetched whole: {counted(done['revisions'], 'symbol')}")
    if done["backfill_queue"]:
        say(f"sessions still missing, asked for again by later runs: {counted(done['backfill_queue'], 'symbol')}")
    checked = {"rows refused": "quarantined", "days hidden": "hidden", "doubts": "findings"}
    told = [f"{words} {done[key]:,}" for words, key in checked.items() if done[key]]
    if told:
        say(f"checks of the rows: {', '.join(told)}; the manifest names them")
    for number, words in sorted(failures.items()):
        say(f"batch {number} gave up: {words}", style="yellow")
    say(f"manifest: {done['manifest']} in the lake")


def _named(done: dict[str, Any], others: dict[str, int], lake: str | None) -> list[str]:
    """Return how many symbols came to what, and the first of them by name."""
    from stockstream.ingest.manifest import read_manifest
    from stockstream.lake.location import locate

    manifest = read_manifest(locate(lake), date.fromisoformat(done["session"])) or {}
    told = []
    for outcome, count in others.items():
        names = list(manifest.get("failures", {}).get(outcome, ()))[:SAMPLE]
        more = ", …" if names and count > len(names) else ""
        told.append(f"{count} {outcome.replace('_', ' ')}" + (f" ({', '.join(names)}{more})" if names else ""))
    return told


def _day(flag: str, text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        message = f"expected a date like 2024-01-31 for {flag}; found {text!r}"
        raise ParameterError(message) from None
