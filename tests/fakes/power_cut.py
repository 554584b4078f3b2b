"""A box that loses its power at a chosen step of an installation: run as a process of its own.

Arguments: the box's home, the target, the step, ``before``, ``middle`` or ``after``. The step counts what is
written for good: rows of the slot table and bundle files.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

from edge_runtime.update import slot_files
from edge_runtime.update.durable import write_durably
from edge_runtime.update.inbox import Inbox
from edge_runtime.update.installer import Installer
from edge_runtime.update.slot_store import SlotStore


def cut_the_power() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Steps:
    """Counts what is written, and cuts the power at the chosen one."""

    def __init__(self, step: int, moment: str) -> None:
        self._left = step
        self._moment = moment

    def around(self, write: Callable[..., None]) -> Callable[..., None]:
        def counted(*arguments: Any) -> None:
            self._left -= 1
            if self._left == 0 and self._moment == "before":
                cut_the_power()
            write(*arguments)
            if self._left == 0 and self._moment == "after":
                cut_the_power()

        return counted

    def half_written(self, path: Path, chunks: Iterable[bytes]) -> None:
        """The bundle's file, cut off in the middle where that is the chosen moment."""

        def half() -> Iterator[bytes]:
            for chunk in chunks:
                yield chunk[: len(chunk) // 2]
                cut_the_power()

        write_durably(path, half() if self._left == 0 and self._moment == "middle" else chunks)


def main(home: Path, target: str, step: int, moment: str) -> None:
    steps = Steps(step, moment)
    box = Installer(
        home,
        inbox=Inbox(home / "inbox"),
        now_ms=lambda: time.time_ns() // 1_000_000,
        trial_frames=5,
        trial_seconds=10,
    )
    box.recover()
    with (
        patch.object(SlotStore, "save", steps.around(SlotStore.save)),
        patch.object(slot_files, "write_durably", steps.around(steps.half_written)),
    ):
        box.install(target, baseline=None)
        tried = box.active()
        assert tried is not None
        for index in range(5):
            box.observe(tried.id, latency_ms=1.0, ok=True, now_s=index / 10)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4])
