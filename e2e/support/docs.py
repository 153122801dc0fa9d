"""The blocks of the documentation that the tests run, so that the two cannot drift apart.

A block can be marked by a comment above it, which readers of the page do not see:

    <!-- e2e: worker -->
    ```sh
    airflow edge worker --edge-hostname <worker name>
    ```
"""

import re
from dataclasses import dataclass
from pathlib import Path

from .processes import Failed

FOLDER = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"(?:^<!-- e2e: ([^\n]*) -->\n)?^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass
class Block:
    mark: str | None
    language: str
    text: str
    line: int


def blocks(page: str) -> list[Block]:
    """All blocks of a page, in order."""
    text = (FOLDER / page).read_text()
    line = lambda found: text.count("\n", 0, found.start(2)) + 1
    return [Block(found[1], found[2], found[3], line(found)) for found in BLOCK.finditer(text)]


def block(name: str, page: str = "agents.md", **values: str) -> str:
    """A marked block with a value for each of its `<placeholders>`; `_` stands for a space in the names."""
    found = [one.text for one in blocks(page) if one.mark == name]
    if len(found) != 1:
        raise Failed(f"{page} has {len(found)} blocks {name!r} instead of one")
    text = found[0]
    for placeholder, value in values.items():
        marked = f"<{placeholder.replace('_', ' ')}>"
        if marked not in text:
            raise Failed(f"the block {name!r} of {page} has no {marked}")
        text = text.replace(marked, value)
    if left := re.search(r"<[^>\n]+>", text):
        raise Failed(f"the block {name!r} of {page} has an unknown {left[0]}")
    return text
