"""A page of the documentation, pasted by a reader who has just started Airlock.

Each block of the language `sh` is pasted, and the next block of `text` or `json` before the one after
it is what it must print. What differs from run to run (ids, times, values of tokens) is compared by
its place: where the page has the same id twice, so must the shell. The marks of blocks:

    start the server    not pasted: the server runs, and has printed what follows
    elsewhere           not pasted: it needs what is not here
    fails               its exit code is not 0
    not printed         a block that is no output
"""

import difflib
import json
import re
from itertools import pairwise
from pathlib import Path

from .airflow import clean_env
from .airlock import Airlock
from .docs import Block, blocks
from .processes import Failed
from .shell import Shell

VARYING = re.compile(
    r"(?P<agent_token>agt_[a-z0-9]{25}_[\w.-]+)"
    r"|(?P<api_token>eyJ[\w.-]+)"
    r"|(?P<short_token>\.\.\.[\w-]{6}\b)"
    r"|(?P<id>\bc[a-z0-9]{24}\b)"
    r"|(?P<request>\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b)"
    r"|(?P<jti>\b[0-9a-f]{32}\b)"
    r"|(?P<key>\bk\d{8}[0-9a-f]{2}\b)"
    r"|(?P<address>\b127\.0\.0\.1:\d+)"
    r"|(?P<time>\b\d{4}-\d\d-\d\dT[\d:.]+Z|\b\w{3}, \d\d \w{3} \d{4} [\d:]+ GMT)"
    r"|(?P<seconds>\b1[78]\d{8}\b)"
    r"|(?P<length>(?<=content-length: )\d\d+)"
)
ONCE = {"agent_token", "api_token", "short_token", "id"}


class Reading:
    """One side of the comparison: the page, or the shell."""

    def __init__(self):
        self.known: dict = {}

    def plain(self, text: str) -> str:
        """The text with names for what varies, and without the blanks that follow from its width."""
        lines = VARYING.sub(self.name, text).strip().splitlines()
        return "\n".join(" ".join(line.split()) for line in lines)

    def name(self, found: re.Match) -> str:
        kind = found.lastgroup
        if kind not in ONCE:
            return f"<{kind}>"
        number = self.known.setdefault(found[0], len(self.known) + 1)
        return f"<{kind} {number}>"


class Page:
    def __init__(self, steps, name: str, binary: Path, folder: Path):
        self.steps, self.name = steps, name
        self.airlock = Airlock(binary, folder / "airlock")
        self.shell = Shell(clean_env(folder, PATH=self.airlock.env["PATH"]), folder)
        self.page, self.shown = Reading(), Reading()
        self.shell.paste("\n".join(re.findall(r"^export AIRLOCK_.*", self.airlock.said, re.MULTILINE)))

    def run(self, only: str | None = None):
        """Pastes all blocks, or those with a mark."""
        for block, after in pairwise([*blocks(self.name), None]):
            if block.language != "sh" or block.mark == "elsewhere" or only and block.mark != only:
                continue
            with self.steps(f"{self.name}:{block.line}: {block.text.splitlines()[0][:60]}"):
                printed = self.paste(block)
                if after and after.language in ("text", "json") and after.mark != "not printed":
                    self.expect(after, printed)

    def paste(self, block: Block) -> str:
        if block.mark == "start the server":
            return self.airlock.said.partition("\ncurl ")[0]
        code, printed = self.shell.paste(block.text)
        if (code != 0) != (block.mark == "fails"):
            raise Failed(f"exit code {code}: {block.text}{printed}")
        return printed

    def expect(self, block: Block, printed: str):
        if block.language == "json":
            wanted, got = (json.dumps(json.loads(text), indent=2) for text in (block.text, printed))
        else:
            wanted, got = block.text, printed
        wanted, got = self.page.plain(wanted), self.shown.plain(got)
        if wanted != got:
            lines = difflib.unified_diff(wanted.splitlines(), got.splitlines(), "the page", "the shell", lineterm="")
            raise Failed("\n".join(["what is printed is not what the page says:", *lines]))
