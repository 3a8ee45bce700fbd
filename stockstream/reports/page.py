"""From data to one HTML file that needs nothing else: templates, style, script and Plotly in it."""

from __future__ import annotations

import json
import os
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stockstream.errors import ParameterError
from stockstream.reports.extras import optional

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from jinja2 import Environment


def write_figure(figure: go.Figure, path: str | Path, *, title: str | None = None) -> Path:
    """Write a Plotly figure as one HTML page that opens without a network, light or dark, and return its path.

    Parameters
    ----------
    figure
        Any Plotly figure. ``layout.meta["description"]``, which the figures of `stockstream.reports` carry, becomes its
        text alternative.
    path
        The file; its folder is made, and a file of that name is replaced.
    title
        Heading and title; default that of the figure.

    Raises
    ------
    ParameterError
        The path cannot be written.
    StockstreamError
        Plotly or Jinja2 is not installed.
    """
    spec = json.loads(figure.to_json())
    own = spec["layout"].pop("title", {}).get("text")  # the page has it as its heading, and needs no room for it
    spec["layout"].get("margin", {}).pop("t", None)
    meta = spec["layout"].get("meta")
    description = meta.get("description", "") if isinstance(meta, dict) else ""
    heading = title or optional("markupsafe").Markup(own or "Figure").unescape()
    return write_page("figure.html", path, title=heading, description=description, figures={"figure": spec})


def bare_page(figure: go.Figure, width: int, height: int, *, vector: bool) -> str:
    """Return a page that shows a figure and nothing else; with `vector` it holds the figure's SVG as text."""
    spec = script_json(json.loads(figure.to_json()))
    size = f"width: {int(width)}, height: {int(height)}"
    vectors = (
        f"Plotly.toImage(spec, {{format: 'svg', {size}}}).then((uri) => {{"
        "const text = document.createElement('svg-text');"
        "text.textContent = decodeURIComponent(uri.slice(uri.indexOf(',') + 1)); document.body.append(text); });"
    )
    drawing = f"const spec = {spec}; spec.layout.width = {int(width)}; spec.layout.height = {int(height)};" + (
        vectors if vector else "Plotly.newPlot('figure', spec.data, spec.layout, {staticPlot: true});"
    )
    head = '<!doctype html><meta charset="utf-8"><body style="margin:0;background:#fff"><div id="figure"></div>'
    return f"{head}<script>{_plotly()}</script><script>{drawing}</script>"


def write_page(template: str, path: str | Path, *, figures: dict[str, Any], **context: Any) -> Path:
    """Render a template with style, script and, where there are figures, Plotly in it, and put it at `path`."""
    markup = optional("markupsafe").Markup
    page = environment().get_template(template)
    text = page.render(
        style=markup(_asset("style.css")),
        script=markup(_asset("script.js")),
        plotly=markup(_plotly()) if figures else None,
        figures=markup(script_json(figures)),
        filter=markup(_asset("filter.js")),
        **context,
    )
    return _put(Path(path), text)


def script_json(value: object) -> str:
    r"""Return JSON that a script element may hold: nothing in it can end the element or the line.

    Examples
    --------
    >>> script_json({"name": "</script>"})
    '{"name":"\\u003c/script\\u003e"}'
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


@cache
def environment() -> Environment:
    """Return the templates; every value is escaped unless it says that it is markup."""
    jinja = optional("jinja2")
    made: Environment = jinja.Environment(
        loader=jinja.PackageLoader("stockstream.reports", "assets"),
        autoescape=True,
        undefined=jinja.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return made


def _asset(name: str) -> str:
    return (files("stockstream.reports") / "assets" / name).read_text(encoding="utf-8")


def _plotly() -> str:
    """Return the script that comes with Plotly for Python, so that no page asks a server for it."""
    script: str = (files(optional("plotly")) / "package_data" / "plotly.min.js").read_text(encoding="utf-8")
    return script


def _put(path: Path, text: str) -> Path:
    """Write beside the target and move, so that a reader never sees half a page."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            part.write_text(text, encoding="utf-8", errors="xmlcharrefreplace")
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        message = f"cannot write the page to {path}: {reason}. Give the path of a file such as report.html"
        raise ParameterError(message) from error
    return path
