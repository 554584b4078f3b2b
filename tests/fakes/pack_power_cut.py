"""``lineside visit pack`` that is killed at a chosen step of what it does to the stick.

Arguments: the site's home, the stick, the step. A step is whatever makes, opens for writing, renames or removes
something on the stick, and the middle of each piece that is written there. Step 0 never comes; how many there were is
then printed.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import IO, Any

from app.context import open_context
from app.usecases.visits import packing
from tests.fakes.fatal_step import Steps

CHANGES = {"os.rename", "os.mkdir", "os.remove"}


class StickSteps(Steps):
    def __init__(self, stick: str, fatal: int) -> None:
        super().__init__(fatal)
        self._stick = stick

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if (writes or event in CHANGES) and str(arguments[0]).startswith(self._stick):
            self.step()


def main() -> None:
    home, stick, fatal = sys.argv[1:]
    steps = StickSteps(stick, int(fatal))
    whole = packing._write_all

    def by_halves(target: IO[bytes], chunk: bytes) -> None:
        whole(target, chunk[: len(chunk) // 2])
        steps.step()
        whole(target, chunk[len(chunk) // 2 :])

    packing._write_all = by_halves
    with open_context(Path(home)) as ctx:
        sys.addaudithook(steps.hook)
        packing.pack_visit(ctx, Path(stick))
    steps.say()


if __name__ == "__main__":
    main()
