"""A file without a name that fills the disk: whatever ends the process, the system gives its room back."""

from __future__ import annotations

import logging
import os
import shutil
import threading
from contextlib import suppress
from pathlib import Path

NAME = "drill.ballast"
SYSTEM_BYTES = 8 * 2**20
"""Is never touched, whatever the box's own reserve."""
EDGE_BYTES = 2**20
"""So far into the spool's reserve it goes: the spool's limits act, and give up little."""
_STEP = 64 * 2**20
_log = logging.getLogger(__name__)


def goal_bytes(*, free: int, reserve: int) -> int | None:
    """What is to be left free; None where the disk may not be filled: its reserve is too small, or touched already."""
    goal = reserve - EDGE_BYTES
    return goal if goal >= SYSTEM_BYTES and free > reserve else None


class Ballast:
    """Laid down by a thread of its own; :meth:`drop` ends that and gives the room back. Safe from any thread."""

    def __init__(self, folder: Path, *, leave: int) -> None:
        """:param leave: bytes of the disk that stay free.

        :raises OSError: it cannot be made.
        """
        self._folder, self._leave = folder, leave
        self._stop = threading.Event()
        self.size = 0
        """Bytes so far."""
        path = folder / NAME
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_EXCL, 0o600)
        path.unlink()
        self._thread = threading.Thread(target=self._lay, name="drill-ballast", daemon=True)
        self._thread.start()

    def drop(self) -> None:
        self._stop.set()
        self._thread.join()
        os.close(self._handle)

    def yield_room(self) -> None:
        """Others have taken of what was to stay free: give way by as much."""
        with suppress(OSError):
            short = self._leave - shutil.disk_usage(self._folder).free
            if short > 0 and not self._thread.is_alive():
                self.size = max(self.size - short, 0)
                os.ftruncate(self._handle, self.size)

    def _lay(self) -> None:
        try:
            while not self._stop.is_set():
                room = shutil.disk_usage(self._folder).free - self._leave
                if room <= 0:
                    return
                part = min(room, _STEP)
                os.posix_fallocate(self._handle, self.size, part)
                self.size += part
        except OSError as error:
            _log.warning("the drill cannot fill the disk further: %s", error)


def remove_leftover(folder: Path) -> None:
    """At a start: what a power cut between its two first steps may have left."""
    with suppress(OSError):
        (folder / NAME).unlink(missing_ok=True)
