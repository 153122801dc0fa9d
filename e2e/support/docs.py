"""The blocks of the documentation that the test runs, so that the two cannot drift apart.

A block is marked by a comment above it, which readers of the page do not see:

    <!-- e2e: worker -->
    ```sh
    airflow edge worker --edge-hostname <worker name>
    ```
"""

import re
from pathlib import Path

from .processes import Failed

PAGE = Path(__file__).parents[2] / "docs/agents.md"


def block(name: str, **values: str) -> str:
    """A block with a value for each of its `<placeholders>`; `_` stands for a space in the names."""
    found = re.findall(rf"<!-- e2e: {re.escape(name)} -->\n```\w*\n(.*?)```", PAGE.read_text(), re.DOTALL)
    if len(found) != 1:
        raise Failed(f"{PAGE.name} has {len(found)} blocks {name!r} instead of one")
    text = found[0]
    for placeholder, value in values.items():
        marked = f"<{placeholder.replace('_', ' ')}>"
        if marked not in text:
            raise Failed(f"the block {name!r} of {PAGE.name} has no {marked}")
        text = text.replace(marked, value)
    if left := re.search(r"<[^>\n]+>", text):
        raise Failed(f"the block {name!r} of {PAGE.name} has an unknown {left[0]}")
    return text
