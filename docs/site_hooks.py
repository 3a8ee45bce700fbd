"""What the site needs that a reader of the repository does not.

The records of decisions are listed by number, and links to files outside the documentation become plain words.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(((?:\.\./)+[^)\s#]*)(#[^)\s]*)?\)")


def on_config(config: Any, **_: Any) -> Any:
    """List the records of decisions in the menu."""
    records = sorted(Path(config["docs_dir"], "decisions").glob("*.md"))
    for entry in config["nav"]:
        if "Decisions" in entry:
            entry["Decisions"] = [f"decisions/{record.name}" for record in records]
    return config


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Keep links between pages; of one that leads out of the documentation keep the words."""
    folder = posixpath.dirname(page.file.src_uri)

    def kept(link: re.Match[str]) -> str:
        outside = posixpath.normpath(posixpath.join(folder, link[2])).startswith("..")
        return link[1] if outside else link[0]

    return LINK.sub(kept, markdown)
