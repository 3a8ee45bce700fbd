"""The pages about honest research do what they say."""

import re
from pathlib import Path

import pytest


@pytest.mark.parametrize("page", ["look-ahead", "passport", "stress"])
def test_the_python_of_a_page_runs(repository: Path, page: str) -> None:
    text = (repository / "docs" / f"{page}.md").read_text()
    source = "\n".join(re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    Path("page.py").write_text(source)  # a file, so that lines have a text
    exec(compile(source, "page.py", "exec"), {"__name__": "page"})
