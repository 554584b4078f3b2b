"""Work that one process of this desktop does at a time, whichever window or command it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

WAIT_S = 1.0


@contextmanager
def alone(lock_file: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold it for as long as this lasts; the system lets go of it with the process, however that ends.

    :param waiting: called every second until it is free; what it raises ends the waiting.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(lock_file)
    while True:
        try:
            lock.acquire(timeout=WAIT_S)
            break
        except Timeout:
            waiting()
    try:
        yield
    finally:
        lock.release()
