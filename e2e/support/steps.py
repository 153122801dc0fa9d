"""The steps of a test."""

import time
from contextlib import contextmanager


class Steps:
    """Says each step, how long it took, and how many passed and failed."""

    def __init__(self):
        self.passed = self.failed = 0

    @contextmanager
    def __call__(self, name: str):
        start = time.monotonic()
        try:
            yield
        except BaseException:
            self.failed += 1
            print(f"FAILED  {time.monotonic() - start:5.1f} s  {name}", flush=True)
            raise
        self.passed += 1
        print(f"passed  {time.monotonic() - start:5.1f} s  {name}", flush=True)

    def end(self) -> int:
        """Says the sum; the exit code."""
        print(f"{self.passed} passed, {self.failed} failed")
        return 0 if self.passed and not self.failed else 1
