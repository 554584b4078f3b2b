"""Figures on their way to the bucket, killed at a chosen step: run as a process of its own.

Arguments: the site's home, the store's folder, the step. A step is each transaction of the database, and each object
that is written or deleted, before and after. Step 0 never comes; how many there were is then printed.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from app.context import open_context
from app.store.writer import Writer
from app.usecases.metrics import exporting, keeping
from cloud_sync.objects.folder import FolderStore

T = TypeVar("T")


class Steps:
    def __init__(self, fatal: int) -> None:
        self.seen = 0
        self._fatal = fatal

    def step(self) -> None:
        self.seen += 1
        if self.seen == self._fatal:
            os.kill(os.getpid(), signal.SIGKILL)


class Store(FolderStore):
    def __init__(self, folder: Path, steps: Steps) -> None:
        super().__init__(folder)
        self._steps = steps

    def put(self, key: str, data: bytes) -> None:
        self._steps.step()
        super().put(key, data)
        self._steps.step()

    def delete(self, key: str) -> None:
        self._steps.step()
        super().delete(key)
        self._steps.step()


def main() -> None:
    home, folder, fatal = sys.argv[1:]
    steps = Steps(int(fatal))
    with open_context(Path(home)) as ctx, closing(Store(Path(folder), steps)) as store:
        write = ctx.database.write

        def counted(work: Callable[[Writer], T]) -> T:
            steps.step()
            done = write(work)
            steps.step()
            return done

        # The database of this one process, not the class.
        object.__setattr__(ctx.database, "write", counted)
        exporting.export(ctx, store)
        keeping.keep_house(ctx, store)
    sys.stdout.write(f"{steps.seen}\n")


if __name__ == "__main__":
    main()
