"""One home belongs to one daemon."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edge_runtime.contracts.errors import AlreadyExists
from edge_runtime.update.durable import make_folder


@contextmanager
def only_one(home: Path) -> Iterator[None]:
    """Hold the lock of this home; the system lets it go with the process, however that ends.

    :raises AlreadyExists: another daemon runs in it.
    """
    lock = _open_lock(home)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyExists(
                f"A box runs in {home} already.", hint="Stop it first; one home belongs to one daemon."
            ) from error
        yield
    finally:
        os.close(lock)


def _open_lock(home: Path) -> int:
    """The file that is locked; where nothing can be written, as it lies there, or else the folder itself."""
    make_folder(home / "run")
    path = home / "run" / "lock"
    for target, flags in ((path, os.O_RDWR | os.O_CREAT), (path, os.O_RDONLY)):
        with suppress(OSError):
            return os.open(target, flags | os.O_CLOEXEC, 0o644)
    return os.open(home, os.O_RDONLY | os.O_CLOEXEC)
