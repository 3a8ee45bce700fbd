"""The three steps of the daily run, from plain values to plain values: Lambda handlers wrap them, a laptop calls them.

They hand over references, never data: the lake holds all that passes between them. Each may be run again at any time
and does what is missing.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final

from stockstream import sessions
from stockstream.errors import BatchIncompleteError, ParameterError, counted
from stockstream.ingest import manifest as manifests
from stockstream.ingest.batches import Batches, fix_batches, has_batches, read_batches
from stockstream.ingest.fetching import Batch, Wish
from stockstream.ingest.sources import Outcome
from stockstream.ingest.stored_verdicts import judge_stored
from stockstream.lake.location import locate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stockstream.ingest.market import Market
    from stockstream.ingest.sources import Pace
    from stockstream.lake.location import Location
    from stockstream.settings import Settings

#: The whole batch should come back later: the source refuses, or there was no time.
LATER: Final = frozenset({Outcome.rate_limited, Outcome.not_tried})


#: Characters of an error's words that go into the manifest.
MOST_SAID: Final = 500


def update_symbols(event: Mapping[str, Any]) -> dict[str, Any]:
    """Find the session, store the day's list of companies, and fix the session's batches.

    Parameters
    ----------
    event
        All keys may be left out: ``lake`` (folder or s3://…), ``market`` (the keys of config/symbols.json), ``session``
        (the last settled one), ``now`` (the instant that everything is stamped with), ``backfill`` (first day wanted).

    Returns
    -------
    dict
        ``new_session``; if it is False, ``reason``; else ``batches``, numbers, and ``run``, which the next steps take.

    Raises
    ------
    ParameterError
        The session is none, or has not settled.
    SourceError
        There is no list of companies, neither a new one nor an old one.
    LakeError
        The lake cannot be read or written.
    """
    settings, market = _settings(), _market(event)
    location = locate(event.get("lake"))
    session = _session(event, market)
    backfill = _day(event.get("backfill"))
    started = has_batches(location, session)
    symbols = market.wanted(()) if started else _symbols(location, market, session, event)
    batches = fix_batches(location, session, symbols, settings.batch_size)
    done = manifests.read_manifest(location, session)
    if done is not None and _is_done(done, batches, backfill):
        reason = f"the session of {session} is complete already"
        return {"new_session": False, "session": session.isoformat(), "reason": reason}
    if not batches.symbols:
        message = f"expected at least one company on {market.market}; the list and the configuration leave none"
        raise ParameterError(message)
    run = {
        "lake": event.get("lake"),
        "market": dict(event.get("market") or {}),
        "session": session.isoformat(),
        "now": event.get("now"),
        "backfill": None if backfill is None else backfill.isoformat(),
    }
    return {"new_session": True, "session": session.isoformat(), "batches": batches.numbers, "run": run}


def fetch_batch(event: Mapping[str, Any], *, pace: Pace | None = None, deadline: float | None = None) -> dict[str, Any]:
    """Fetch, check and store one batch.

    Parameters
    ----------
    event
        ``run`` of `update_symbols`, and ``number``.
    pace
        How fast the source may be asked; by default that of the settings, shared with no other batch.
    deadline
        Seconds of `time.monotonic` after which no further symbol is tried. Storing comes after it: leave a few seconds
        and the time-out of one request.

    Returns
    -------
    dict
        ``number``, ``symbols`` and ``outcomes``, counted.

    Raises
    ------
    BatchIncompleteError
        Symbols were refused for haste or not tried. What came is stored; the same call asks for the rest.
    LakeError
        The lake cannot be read or written.
    """
    from stockstream.ingest.configured import pipeline_steps, price_source

    settings, run = _settings(), event["run"]
    market, location = _market(run), locate(run.get("lake"))
    session, number = date.fromisoformat(run["session"]), int(event["number"])
    batches = read_batches(location, session)
    batch = Batch(
        location=location,
        number=number,
        symbols=batches.batch(number),
        batches=len(batches.symbols),
        wish=_wish(location, market, settings, run, into_empty=batches.into_empty),
        source=price_source(market, settings),
        steps=pipeline_steps(market, settings),
        pace=pace or _own_pace(settings),
        deadline=deadline,
    )
    receipt = batch.run()
    outcomes = Counter(str(receipt[symbol]["outcome"]) for symbol in batch.symbols)
    waiting = sum(outcomes[outcome] for outcome in LATER)
    if waiting:
        message = (
            f"batch {number} of {session}: {waiting} of {counted(len(batch.symbols), 'symbol')} still to be asked for"
        )
        raise BatchIncompleteError(message)
    return {"number": number, "symbols": len(batch.symbols), "outcomes": dict(sorted(outcomes.items()))}


def report_run(event: Mapping[str, Any]) -> dict[str, Any]:
    """Judge what was stored, and write the manifest of the run.

    Parameters
    ----------
    event
        ``run`` of `update_symbols`, and ``results``: what the batches returned, or their number and error.

    Returns
    -------
    dict
        ``state`` (complete, partial, failed), ``session``, ``coverage``, and counts; the rest is in ``manifest``, the
        name of the file inside the lake.

    Raises
    ------
    LakeError
        The lake cannot be read or written.
    """
    settings, run = _settings(), event["run"]
    location, session = locate(run.get("lake")), date.fromisoformat(run["session"])
    stored = judge_stored(
        location,
        manifests.doubtful(location, session),
        session,
        exchange=_market(run).calendar,
        decided_at=_now(run),
    )
    ending = manifests.Ending(
        stored=stored,
        failed_batches={one["number"]: _failure(one) for one in event.get("results", ()) if "error" in one},
        threshold=settings.coverage_threshold,
        backfill=_day(run.get("backfill")),
        reported_at=_now(run),
    )
    composed = manifests.compose(location, session, ending)
    manifests.store(location, session, composed)
    counts = {name: len(composed[name]) for name in ("revisions", "backfill_queue", "failed_batches")}
    counts["quarantined"] = sum(composed["quarantined"].values())
    counts["hidden"] = sum(sum(days.values()) for days in composed["hidden"].values())
    counts["findings"] = sum(composed["findings_by_kind"].values())
    told = {name: composed[name] for name in ("state", "session", "coverage", "symbols", "received", "outcomes")}
    return {**told, **counts, "manifest": manifests.manifest_name(session)}


def _failure(result: Mapping[str, Any]) -> str:
    """Return an error and what it said, which on AWS is a page with a traceback."""
    said = " ".join(str(result.get("cause", "")).split())[:MOST_SAID]
    return f"{result['error']}: {said}" if said else str(result["error"])


def _settings() -> Settings:
    from stockstream.settings import load

    return load()


def _market(event: Mapping[str, Any]) -> Market:
    from stockstream.ingest.market import market_from

    return market_from(event.get("market") or {}, "the market of the run")


def _now(event: Mapping[str, Any]) -> datetime:
    text = event.get("now")
    if text is None:
        return datetime.now(UTC)
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        message = f"expected an instant with a time zone for now; found {text!r}"
        raise ParameterError(message)
    return moment


def _day(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except (TypeError, ValueError) as error:
        message = f"expected a date like 2024-01-31; found {text!r}"
        raise ParameterError(message) from error


def _session(event: Mapping[str, Any], market: Market) -> date:
    settled = sessions.last_closed(_now(event), market.calendar, sessions.SETTLED_AFTER)
    session = _day(event.get("session")) or settled
    if session > settled:
        message = f"expected a session of {market.calendar} that has settled, {settled} at the latest; found {session}"
        raise ParameterError(message)
    if not sessions.is_session(session, market.calendar):
        message = f"expected a session of {market.calendar}; found {session}, on which it does not trade"
        raise ParameterError(message)
    return session


def _is_done(manifest: Mapping[str, Any], batches: Batches, backfill: date | None) -> bool:
    """Whether a finished run has asked for every symbol, for changed ones whole, and as far back as is wanted now."""
    if manifest["state"] != manifests.COMPLETE or manifest["symbols"] != sum(map(len, batches.symbols)):
        return False
    if manifest["whole_due"]:
        return False
    since = manifest.get("backfilled_from")
    return backfill is None or (since is not None and since <= backfill.isoformat())


def _symbols(location: Location, market: Market, session: date, event: Mapping[str, Any]) -> list[str]:
    """Return the codes to fetch: those of the configuration, or of the list of companies, fetched if it is time."""
    from stockstream.ingest.company_lists import latest
    from stockstream.ingest.configured import symbol_sources
    from stockstream.ingest.symbol_update import update_symbols as update_list

    if market.symbols != "all":
        return market.wanted(())
    last = latest(location)
    if last is not None and last.day > session:  # a list of today serves a session of last week
        return market.wanted(sorted(last.symbols))
    updated = update_list(
        location,
        symbol_sources(market, _settings()),
        session,
        now=_now(event),
        every_days=market.every_days,
        drop_temporary=market.drop_temporary,
    )
    return market.wanted(updated.symbols)


def _wish(location: Location, market: Market, settings: Settings, run: Mapping[str, Any], *, into_empty: bool) -> Wish:
    session = date.fromisoformat(run["session"])
    before = manifests.latest_manifest(location, session) or {}
    queue = before.get("backfill_queue", {})
    return Wish(
        session=session,
        now=None if run.get("now") is None else _now(run),
        overlap_days=settings.overlap_days,
        backfill=_day(run.get("backfill")),
        gaps={symbol: [date.fromisoformat(day) for day in days] for symbol, days in queue.items()},
        whole_due=frozenset(before.get("whole_due", ())),
        exchange=market.calendar,
        into_empty=into_empty,
    )


def _own_pace(settings: Settings) -> Pace:
    from stockstream.ingest.budget import Budget

    return Budget(delay=settings.seconds_between_symbols).pace()
