"""Sources as the configuration names them: found among what is installed, made with their options, checked."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from stockstream import plugins
from stockstream.errors import PluginError, SettingsError, StockstreamError, did_you_mean
from stockstream.ingest.market import ASX, Market, Source
from stockstream.ingest.sources import PriceSource, SymbolSource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stockstream.ingest.sources import PipelineStep
    from stockstream.settings import Settings


def price_source(market: Market, settings: Settings) -> PriceSource:
    """Return the source of a market's prices, with the second one behind it if there is one.

    Raises
    ------
    StockstreamError
        A source is not installed, broken, or refuses its options.
    """
    first = _price_source(market, settings, market.price_source or Source(name=settings.price_source))
    second = market.second_price_source
    if second is None:
        return first
    from stockstream.ingest.combined import Combined

    name = (market.price_source or Source(name=settings.price_source)).name
    return Combined(
        (name, first),
        (second.source.name, _price_source(market, settings, second.source)),
        use=second.use,
        tolerance=second.tolerance,
    )


def _price_source(market: Market, settings: Settings, source: Source) -> PriceSource:
    made = make(plugins.PRICE_SOURCES, source, _known(market, settings))
    if not isinstance(made, PriceSource):
        message = f"the price source {source.name!r} has no method fetch: found {made!r}"
        raise PluginError(message)
    return made


def symbol_sources(market: Market, settings: Settings) -> dict[str, SymbolSource]:
    """Return the sources of a market's list of companies by name, in the order in which they are asked.

    Raises
    ------
    StockstreamError
        As for `price_source`.
    """
    chosen = market.symbol_sources
    if chosen is None:
        chosen = tuple(Source(name=name) for name in settings.symbol_sources) if market.market == ASX else ()
    made = {source.name: make(plugins.SYMBOL_SOURCES, source, _known(market, settings)) for source in chosen}
    for name, source in made.items():
        if not isinstance(source, SymbolSource):
            message = f"the symbol source {name!r} has no method fetch: found {source!r}"
            raise PluginError(message)
    return made


def pipeline_steps(market: Market, settings: Settings) -> list[PipelineStep]:
    """Return the checks and transforms that are installed, the built-in ones first.

    Raises
    ------
    SettingsError
        One cannot be made.
    """
    known = _known(market, settings)
    made = []
    for plugin, factory in plugins.load_all(plugins.PIPELINE_STEPS).items():
        taken = inspect.signature(factory).parameters
        try:
            made.append(factory(**{name: value for name, value in known.items() if name in taken}))
        except Exception as error:
            message = f"{plugin} cannot be made: {type(error).__name__}: {error}. Uninstall the package, or mend it."
            raise SettingsError(message) from error
    return made


def _known(market: Market, settings: Settings) -> dict[str, Any]:
    """Return what is known of a market and of requests: handed to the sources that take it."""
    return {
        "suffix": market.yahoo_suffix,
        "exchange": market.calendar,
        "currency": market.money,
        "timeout": settings.timeout_seconds,
        "attempts": settings.attempts,
        "ca_bundle": None if settings.ca_bundle is None else str(settings.ca_bundle),
        "proxy": settings.proxy,
    }


def make(group: str, source: Source, known: Mapping[str, Any]) -> Any:
    """Return what an installed factory makes of its options.

    Parameters
    ----------
    group
        The entry-point group.
    source
        Name and options; an option that the factory does not take is refused.
    known
        Further values, handed over as far as the factory takes them.

    Raises
    ------
    UnknownNameError, PluginError
        It is not installed, or broken.
    SettingsError
        An option is unknown or missing, or the factory refuses it.
    """
    factory = plugins.load(group, source.name)
    what = f"the {plugins.GROUPS[group]} {source.name!r}"
    if not callable(factory):
        message = f"{what}: expected a class or a function; found {factory!r}"
        raise PluginError(message)
    parameters = inspect.signature(factory).parameters
    takes_all = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    for option in source.options:
        if option not in parameters and not takes_all:
            message = f"{what} has no option {option!r}; it takes {', '.join(parameters)}."
            raise SettingsError(message + did_you_mean(option, parameters))
    options = {name: value for name, value in known.items() if name in parameters} | source.options
    missing = [
        name
        for name, parameter in parameters.items()
        if parameter.default is parameter.empty
        and parameter.kind not in {parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL}
        and name not in options
    ]
    if missing:
        message = f'{what} needs the options {", ".join(missing)}: {{"name": "{source.name}", "{missing[0]}": …}}'
        raise SettingsError(message)
    try:
        return factory(**options)
    except StockstreamError:
        raise
    except Exception as error:
        message = f"{what} cannot be made with these options: {type(error).__name__}: {error}"
        raise SettingsError(message) from error
