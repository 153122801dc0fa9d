"""Processes with log files, and waiting for what can be observed."""

import ctypes
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36  # prctl(2)


class Failed(Exception):
    """What the test set out to see was not seen."""


class Unexpected(Failed):
    """An answer was another than expected; it may be right later."""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def until(what: str, probe, seconds: float = 60, alive=()):
    """The first answer of `probe` that is true, unless one of the processes `alive` ends first."""
    give_up = time.monotonic() + seconds
    while True:
        seen = ""
        try:
            if found := probe():
                return found
        except Unexpected as answer:
            seen = f"; {answer}"
        for process in alive:
            process.expect_running(f"while waiting: {what}")
        if time.monotonic() > give_up:
            raise Failed(f"not within {seconds:.0f} s: {what}{seen}")
        time.sleep(0.1)


class Process:
    """A process that writes to a log file of its own."""

    def __init__(self, name: str, argv: list, env: dict, log: Path):
        self.name, self.log = name, log
        with log.open("ab") as out:
            self.child = subprocess.Popen(
                [str(word) for word in argv],
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=log.parent,
            )

    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def expect_running(self, when: str):
        code = self.child.poll()
        if code is not None:
            raise Failed(f"{self.name} ended with exit code {code} {when}")

    def exit_code(self, what: str, seconds: float) -> int:
        """Waits for the process to end by itself."""
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failed(f"not within {seconds:.0f} s: {what}") from None

    def stop(self, seconds: float = 10) -> int:
        """Asks the process to end, and waits for it."""
        self.child.terminate()
        return self.exit_code(f"{self.name} ends when told to", seconds)


def adopt_orphans():
    """Makes grandchildren whose parents end children of this process, so that none gets lost."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_descendants():
    """Ends all processes below this one: politely, then by force. Nobody else's are touched."""
    for number, patience in (signal.SIGTERM, 2), (signal.SIGKILL, 5):
        give_up = time.monotonic() + patience
        told = set()
        while time.monotonic() < give_up:
            reap()
            living = descendants(os.getpid())
            if not living:
                return
            for pid in living - told:  # the ends of some make others appear
                told.add(pid)
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    pass
            time.sleep(0.05)


def reap():
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def descendants(ancestor: int) -> set:
    children: dict = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            # The name, in parentheses, may have spaces; the state and the parent's id follow it.
            parent = int((folder / "stat").read_text(errors="replace").rpartition(")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(folder.name))
    found, below = set(), [ancestor]
    while below:
        below = [child for pid in below for child in children.get(pid, [])]
        found.update(below)
    return found
