"""The walk-through of the lake: each block of the template is run in an empty folder, and its output put below."""

from __future__ import annotations

import contextlib
import io
import os
import re
import tempfile
from pathlib import Path
from unittest.mock import patch

TEMPLATE = Path(__file__).resolve().parent / "lake.template.txt"
BLOCK = re.compile(r"^```(python|console)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
WIDTH = 100


def lake_page() -> str:
    """Return the page: the template with the output of each block."""
    names: dict[str, object] = {"__name__": "walkthrough"}
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder, patch.dict(os.environ, {"COLUMNS": str(WIDTH)}):
        os.chdir(folder)
        try:
            return BLOCK.sub(lambda block: _with_output(block, names), TEMPLATE.read_text(encoding="utf-8"))
        finally:
            os.chdir(before)


def _with_output(block: re.Match[str], names: dict[str, object]) -> str:
    kind, text = block.groups()
    output = _python(text, names) if kind == "python" else _console(text)
    shown = "\n".join(line.rstrip() for line in output.rstrip().splitlines())
    return block[0] + (f"\n```text\n{shown}\n```\n" if shown else "")


def _python(text: str, names: dict[str, object]) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(text, "docs/lake.md", "exec"), names)
    return out.getvalue()


def _console(text: str) -> str:
    import shlex

    from typer.testing import CliRunner

    from stockstream.cli import app

    outputs = []
    for line in text.strip().splitlines():
        _, *arguments = shlex.split(line.removeprefix("$ "))
        outcome = CliRunner().invoke(app, arguments)
        if outcome.exit_code:
            message = f"{line}: {outcome.output}"
            raise RuntimeError(message)
        outputs.append(outcome.stdout)
    return "\n".join(outputs)
