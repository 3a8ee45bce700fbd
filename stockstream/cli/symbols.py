"""The commands `symbols update`, `symbols diff` and `symbols list`: the lists of companies in a lake."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from stockstream.cli.application import Command, Commands
from stockstream.cli.logs import start_logging, stay_silent
from stockstream.cli.options import LakePath, need_ingest
from stockstream.cli.output import (
    Format,
    FormatOption,
    OutputOption,
    choose_format,
    print_json,
    print_table,
    say,
    working,
    write_frame,
)
from stockstream.errors import LakeError, ParameterError, counted

if TYPE_CHECKING:
    from stockstream.ingest.company_lists import DayList
    from stockstream.ingest.symbol_update import SymbolUpdate
    from stockstream.lake.location import Location

#: The last good list stands in for one that did not come or was not believed.
PARTIAL: Final = 3

UPDATE_EXAMPLES: Final = """
Examples:
  stockstream symbols update
  stockstream symbols update --config config/symbols.json --lake data/asx

Exit codes: 0 done; 2 refused; 3 no good list came, the last one goes on.
"""

DIFF_EXAMPLES: Final = """
Examples:
  stockstream symbols diff
  stockstream symbols diff 2026-05-22 2026-08-22 --format csv
"""

LIST_EXAMPLES: Final = """
Examples:
  stockstream symbols list
  stockstream symbols list 2026-05-22 --format csv
"""

app = typer.Typer(cls=Commands, no_args_is_help=True, rich_markup_mode="rich")

DayArgument = Annotated[str | None, typer.Argument(metavar="[DATE]", help="A day, like 2024-01-31.")]


@app.command("update", cls=Command, epilog=UPDATE_EXAMPLES)
def update(
    lake: LakePath = None,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="The market, such as config/symbols.json.")
    ] = None,
    day: Annotated[
        str | None, typer.Option("--date", metavar="DATE", help="The day it stands for; today at the exchange.")
    ] = None,
    accept_shorter: Annotated[
        bool, typer.Option("--accept-shorter", help="Believe a list under 97 % of the last good one.")
    ] = False,
    form: Annotated[Format, typer.Option("--format", help="table or json.", show_default=False)] = Format.table,
) -> None:
    """Fetch the list of companies, store it, and say what has changed.

    A list that is cut off is not believed: the last good one goes on serving, and the reason is kept in the lake.
    With --format json the same is logged on stderr, from LOG_LEVEL on.
    """
    from stockstream import sessions
    from stockstream.ingest.configured import symbol_sources
    from stockstream.ingest.market import Market, load_market
    from stockstream.ingest.symbol_update import update_symbols
    from stockstream.settings import load

    if form not in {Format.table, Format.json}:
        message = f"expected --format table or json; found {form}"
        raise ParameterError(message)
    need_ingest()
    settings = load()
    if form is Format.json:
        start_logging(settings)
    else:
        stay_silent()
    market = Market() if config is None else load_market(config)
    sources = symbol_sources(market, settings)
    stands_for = datetime.now(sessions.timezone(market.calendar)).date() if day is None else _day("--date", day)
    with working("Fetching the list of companies …"):
        done = update_symbols(
            _place(lake),
            sources,
            stands_for,
            every_days=market.every_days,
            drop_temporary=market.drop_temporary,
            accept_shorter=accept_shorter,
        )
    if form is Format.json:
        print_json(summary(done))
    else:
        _say(done)
    if done.kept:
        raise typer.Exit(PARTIAL)


def summary(done: SymbolUpdate) -> dict[str, Any]:
    """Return an update as plain values."""
    return {
        "date": done.day.isoformat(),
        "list_date": done.companies.day.isoformat(),
        "source": done.companies.source,
        "companies": len(done.companies.rows),
        "fetched_now": done.fresh,
        "last_good_list_kept": done.kept,
        "compared_with": done.before.isoformat() if done.before else None,
        "additions": list(done.changes.additions),
        "removals": list(done.changes.removals),
        "missing": list(done.missing),
        "delisted": list(done.delisted),
        "temporary_codes": sorted(done.companies.temporary),
        "rejected": [rejection._asdict() for rejection in done.rejected],
    }


def _listed(companies: DayList) -> str:
    count = counted(len(companies.rows), "company", "companies")
    return f"{count} from {companies.source or 'an unknown source'}"


def _say(done: SymbolUpdate) -> None:
    companies = done.companies
    for rejection in done.rejected:
        say(f"not believed: {rejection.source}: {rejection.reason}", style="yellow")
    came = "fetched now" if done.fresh else "the last good list" if done.kept else "there already"
    say(f"{companies.day}: {_listed(companies)}, {came}")
    if done.before is None and not done.kept:
        say("nothing to compare it with")
    for words, codes in (
        (f"added since {done.before}", done.changes.additions),
        (f"removed since {done.before}", done.changes.removals),
        ("delisted: five lists in a row are without", done.delisted),
        ("missing, still fetched", done.missing),
        ("left out for a time only", sorted(companies.temporary)),
    ):
        if codes:
            say(f"{words}: {_some(codes)}")


def _some(codes: Any, most: int = 12) -> str:
    more = f" and {len(codes) - most} more" if len(codes) > most else ""
    return f"{', '.join(list(codes)[:most])}{more}"


@app.command("diff", cls=Command, epilog=DIFF_EXAMPLES)
def diff(
    first: DayArgument = None,
    last: DayArgument = None,
    lake: LakePath = None,
    form: FormatOption = None,
    output: OutputOption = None,
) -> None:
    """Compare the lists of two days: who came, who went, who has another name.

    Without dates: the last two lists. With one: that day's and the last. A day without a list has the one before it.
    """
    import polars as pl

    from stockstream.ingest.company_lists import changes

    form, path = choose_format(form, output)
    place = _place(lake)
    before, after = _two(place, first, last)
    found = changes(before, after)
    old, new = ({row.symbol: row for row in side.rows} for side in (before, after))
    rows = [("added", code, new[code].name, "") for code in found.additions]
    rows += [("removed", code, old[code].name, "") for code in found.removals]
    rows += [("renamed", code, now, was) for code, (was, now) in sorted(found.renamed.items())]
    columns = ["change", "symbol", "name", "was"]
    if form is not Format.table:
        write_frame(pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row"), form, path)
        return
    if rows:
        print_table(columns, rows, wrap=["name", "was"])
    counts = f"{len(found.additions)} added, {len(found.removals)} removed, {len(found.renamed)} renamed"
    held = counted(len(before.rows), "company", "companies")
    say(f"{before.day} ({held}) to {after.day} ({len(after.rows):,}): {counts}")


@app.command("list", cls=Command, epilog=LIST_EXAMPLES)
def show(
    day: DayArgument = None, lake: LakePath = None, form: FormatOption = None, output: OutputOption = None
) -> None:
    """Show the list of companies of a day, the last one without a date."""
    import polars as pl

    form, path = choose_format(form, output)
    found = _list(_place(lake), None if day is None else _day("DATE", day))
    frame = pl.DataFrame(
        [(row.symbol, row.name, row.sector, row.market_cap) for row in found.rows],
        schema={"symbol": pl.String, "name": pl.String, "sector": pl.String, "market_cap": pl.Int64},
        orient="row",
    )
    write_frame(frame, form, path)
    if form is Format.table:
        say(f"{found.day}: {_listed(found)}")


def _place(lake: str | None) -> Location:
    from stockstream.lake.location import locate

    return locate(lake)


def _two(place: Location, first: str | None, last: str | None) -> tuple[DayList, DayList]:
    after = _list(place, None if last is None else _day("DATE", last))
    if first is not None:
        return _list(place, _day("DATE", first)), after
    earlier = sorted(day for day in place.list_days() if day < after.day)
    if not earlier:
        message = f"expected two lists to compare; the lake at {place} has the one of {after.day} alone"
        raise LakeError(message)
    return _list(place, earlier[-1]), after


def _list(place: Location, day: date | None) -> DayList:
    from stockstream.ingest.company_lists import latest

    found = latest(place, day)
    if found is None:
        when = "" if day is None else f" of {day} or earlier"
        message = f"the lake at {place} has no list of companies{when}; `stockstream symbols update` fetches one"
        raise LakeError(message)
    return found


def _day(what: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        message = f"expected {what} like 2024-01-31; found {text!r}"
        raise ParameterError(message) from None
