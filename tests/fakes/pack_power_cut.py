"""``lineside visit pack`` that is killed at a chosen step of what it does to the stick.

Arguments: the site's home, the stick, the step. A step is whatever makes, opens for writing, renames or removes
something on the stick, and the middle of each piece that is written there. Step 0 never comes; how many there were is
then printed.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import IO, Any

from app.context import open_context
from app.usecases.visits import packing

CHANGES = {"os.rename", "os.mkdir", "os.remove"}


class Steps:
    def __init__(self, stick: str, fatal: int) -> None:
        self.seen = 0
        self._stick, self._fatal = stick, fatal

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if (writes or event in CHANGES) and str(arguments[0]).startswith(self._stick):
            self.step()

    def step(self) -> None:
        self.seen += 1
        if self.seen == self._fatal:
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    home, stick, fatal = sys.argv[1:]
    steps = Steps(stick, int(fatal))
    whole = packing._write_all

    def by_halves(target: IO[bytes], chunk: bytes) -> None:
        whole(target, chunk[: len(chunk) // 2])
        steps.step()
        whole(target, chunk[len(chunk) // 2 :])

    packing._write_all = by_halves
    with open_context(Path(home)) as ctx:
        sys.addaudithook(steps.hook)
        packing.pack_visit(ctx, Path(stick))
    sys.stdout.write(f"{steps.seen}\n")


if __name__ == "__main__":
    main()
