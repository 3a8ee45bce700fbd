"""Run the notebooks, which are scripts with cells, and keep them with their outputs: `make notebooks` runs this."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

SCRIPTS = Path(__file__).resolve().parent / "notebooks"


def main(target: Path) -> None:
    """Write one ``.ipynb`` for each script."""
    target.mkdir(parents=True, exist_ok=True)
    for script in sorted(SCRIPTS.glob("*.py")):
        notebook = jupytext.read(script)
        with tempfile.TemporaryDirectory() as folder:
            NotebookClient(notebook, timeout=600, resources={"metadata": {"path": folder}}).execute()
        made = target / f"{script.stem}.ipynb"
        nbformat.write(notebook, made)
        print(made)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
