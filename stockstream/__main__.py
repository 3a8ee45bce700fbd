"""``python -m stockstream`` is the command ``stockstream``."""

from __future__ import annotations

from stockstream.cli import main

if __name__ == "__main__":
    main()
