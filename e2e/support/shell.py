"""A shell into which text is pasted."""

import secrets
import subprocess
import threading
from pathlib import Path

from .processes import Failed


class Shell:
    def __init__(self, env: dict, folder: Path):
        both = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        argv = ["bash", "--noprofile", "--norc"]
        self.child = subprocess.Popen(argv, env=env, cwd=folder, stdin=subprocess.PIPE, text=True, **both)

    def paste(self, text: str, seconds: float = 60) -> tuple[int, str]:
        """Pastes lines, and waits for them; the exit code of the last, and what all have printed."""
        end = secrets.token_hex(8)
        self.child.stdin.write(f"{text.strip()}\nprintf '\\n%s %s\\n' {end} $?\n")
        self.child.stdin.flush()
        late = threading.Timer(seconds, self.child.kill)
        late.start()
        printed = []
        for line in self.child.stdout:
            if line.startswith(end):
                late.cancel()
                return int(line.split()[1]), "".join(printed)
            printed.append(line)
        late.cancel()
        raise Failed(f"the shell ended, or was ended after {seconds:.0f} s: {text}\n{''.join(printed)}")
