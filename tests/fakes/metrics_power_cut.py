"""Figures on their way to the bucket, killed at a chosen step: run as a process of its own.

Arguments: the site's home, the store's folder, the step. A step is each transaction of the database, and each object
that is written or deleted, before and after. Step 0 never comes; how many there were is then printed.
"""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path

from app.context import open_context
from app.usecases.metrics import exporting, keeping
from cloud_sync.objects.folder import FolderStore
from tests.fakes.fatal_step import Steps


class Store(FolderStore):
    def __init__(self, folder: Path, steps: Steps) -> None:
        super().__init__(folder)
        self._steps = steps

    def put(self, key: str, data: bytes) -> None:
        put = super().put
        self._steps.around(lambda: put(key, data))

    def delete(self, key: str) -> None:
        delete = super().delete
        self._steps.around(lambda: delete(key))


def main() -> None:
    home, folder, fatal = sys.argv[1:]
    steps = Steps(int(fatal))
    with open_context(Path(home)) as ctx, closing(Store(Path(folder), steps)) as store:
        steps.count_transactions(ctx)
        exporting.export(ctx, store)
        keeping.keep_house(ctx, store)
    steps.say()


if __name__ == "__main__":
    main()
