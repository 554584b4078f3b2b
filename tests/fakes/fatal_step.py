"""A program that is killed at a chosen step of its work, and how a test runs it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from app.context import Context
from app.store.writer import Writer

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[2]


class Steps:
    """Inside of the program: counts, and kills it at the step ``fatal``; 0 never comes."""

    def __init__(self, fatal: int) -> None:
        self.seen = 0
        self._fatal = fatal

    def step(self) -> None:
        self.seen += 1
        if self.seen == self._fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, work: Callable[[], T]) -> T:
        """Something that lasts: a step before it, and one after it."""
        self.step()
        done = work()
        self.step()
        return done

    def count_transactions(self, ctx: Context) -> None:
        write = ctx.database.write

        def counted(work: Callable[[Writer], T]) -> T:
            return self.around(lambda: write(work))

        # The database of this one process, not the class.
        object.__setattr__(ctx.database, "write", counted)

    def say(self) -> None:
        """At the end of the program: how many there were."""
        sys.stdout.write(f"{self.seen}\n")


def run_until(module: str, *arguments: str | Path) -> int | None:
    """Outside of it: how many steps there were; None where it was killed. The last argument is the fatal step."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode == -signal.SIGKILL:
        return None
    assert done.returncode == 0, done.stderr
    return int(done.stdout)
