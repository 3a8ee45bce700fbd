"""Pages that show what their own code prints: blocks of Python and commands, run one by one in an empty folder.

A block that prints is followed by a block of text with what it printed. Commands are those of stockstream, after ``$``.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import sys
import tempfile
from pathlib import Path
from typing import Final
from unittest.mock import patch

BLOCK: Final = re.compile(r"^```(python|console)\n(.*?)^```\n(?:\n```text\n.*?^```\n)?", re.MULTILINE | re.DOTALL)
WIDTH: Final = 100


def with_outputs(page: str, name: str) -> str:
    """Return a page with the output of each block below it, in place of what is there.

    Raises
    ------
    RuntimeError
        A command ended with another exit code than 0.
    """
    names: dict[str, object] = {"__name__": "page"}
    before = Path.cwd()
    with (
        tempfile.TemporaryDirectory() as folder,
        patch.dict(os.environ, {"COLUMNS": str(WIDTH)}),
        patch.object(sys, "argv", ["stockstream"]),  # what commands call themselves when they say what to type next
    ):
        os.chdir(folder)
        try:
            return BLOCK.sub(lambda block: _shown(block, names, name), page)
        finally:
            os.chdir(before)


def _shown(block: re.Match[str], names: dict[str, object], page: str) -> str:
    kind, text = block.groups()
    output = _python(text, names, page) if kind == "python" else _console(text)
    shown = "\n".join(line.rstrip() for line in output.rstrip().splitlines())
    return f"```{kind}\n{text}```\n" + (f"\n```text\n{shown}\n```\n" if shown else "")


def _python(text: str, names: dict[str, object], page: str) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(text, page, "exec"), names)
    return out.getvalue()


def _console(text: str) -> str:
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
