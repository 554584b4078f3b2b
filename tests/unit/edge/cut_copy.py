"""A process whose spool is taken away, and that is killed while what it held is written anew.

Arguments: the box's folder; "within" or "after" the copy.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
from pathlib import Path

import pytest

from edge_runtime.service.spool_tables import SpoolTables
from tests.unit.edge.rows import open_spool, result, sample
from tests.waiting import wait_until

RESULTS = 300


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main(home: Path, when: str, patch: pytest.MonkeyPatch) -> None:
    whole = SpoolTables.copy

    def within(tables: SpoolTables, target: sqlite3.Connection) -> None:
        # What does not fit goes to the disk before its transaction is over.
        target.execute("PRAGMA cache_size=1")
        steps = iter(range(15))
        tables._database.backup(target, pages=1, progress=lambda *_: die() if next(steps, None) is None else None)

    def after(tables: SpoolTables, target: sqlite3.Connection) -> None:
        whole(tables, target)
        die()

    patch.setattr(SpoolTables, "copy", {"within": within, "after": after}[when])
    spool = open_spool(home)
    spool.put_sample(sample(spool, b"\xff\xd8\xff whole"), b"\xff\xd8\xff whole")
    spool.audit("box.started", "before")
    for number in range(RESULTS):
        spool.put_result(result(spool, f"frame-{number}"))
    assert spool.flush()
    (home / "spool.db").unlink()
    wait_until(lambda: False, 60, "the end of this process")


if __name__ == "__main__":
    with pytest.MonkeyPatch.context() as patch:
        main(Path(sys.argv[1]), sys.argv[2], patch)
