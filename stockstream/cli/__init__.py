"""The command line: `main` is what the installed command `stockstream` and ``python -m stockstream`` call.

Heavy libraries are imported inside the commands, so that ``--help`` answers at once.
"""

from __future__ import annotations

import typer

from stockstream.cli import (
    audits,
    backtests,
    config,
    demonstration,
    doctor,
    indicators,
    ingest,
    judgements,
    lakes,
    plugins,
    quality,
    strategies,
    sweeps,
    symbols,
    trials,
    verification,
    walks,
)
from stockstream.cli.application import EPILOG, HELP, Command, Commands, common_options, version

__all__ = ["app", "main"]

app = typer.Typer(
    cls=Commands,
    name="stockstream",
    help=HELP,
    epilog=EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

# The order is that of the help page.
for _panel, _name, _function, _examples in (
    ("Start here", "demo", demonstration.demo, demonstration.EXAMPLES),
    ("Data", "ingest", ingest.ingest, ingest.INGEST_EXAMPLES),
    ("Data", "fetch", ingest.fetch, ingest.FETCH_EXAMPLES),
    ("Data", "import", lakes.import_files, lakes.IMPORT_EXAMPLES),
    ("Data", "query", lakes.query, lakes.QUERY_EXAMPLES),
    ("Data", "compact", lakes.compact, lakes.COMPACT_EXAMPLES),
    ("Data", "quality", quality.quality, quality.EXAMPLES),
    ("Research", "backtest", backtests.backtest, backtests.EXAMPLES),
    ("Research", "sweep", sweeps.sweep, sweeps.EXAMPLES),
    ("Research", "walk-forward", walks.walk_forward, walks.EXAMPLES),
    ("Research", "judge", judgements.judge, judgements.EXAMPLES),
    ("Research", "audit", audits.audit, audits.EXAMPLES),
    ("Research", "verify", verification.verify, verification.EXAMPLES),
    ("Research", "strategies", strategies.strategies, strategies.EXAMPLES),
    ("Research", "indicators", indicators.indicators, indicators.EXAMPLES),
    ("About", "doctor", doctor.doctor, doctor.EXAMPLES),
    ("About", "config", config.config, config.EXAMPLES),
    ("About", "plugins", plugins.plugins, plugins.EXAMPLES),
    ("About", "version", version, None),
):
    app.command(_name, cls=Command, epilog=_examples, rich_help_panel=_panel)(_function)

app.add_typer(symbols.app, name="symbols", help="The lists of companies: fetch, compare, show.", rich_help_panel="Data")
app.add_typer(trials.app, name="trials", help="What was tried on which prices.", rich_help_panel="Research")
app.callback()(common_options)


def main() -> None:
    """Run the command line on `sys.argv` and exit."""
    app()
