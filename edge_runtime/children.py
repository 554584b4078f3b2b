"""Waiting for a process of ours, for no longer than it may take. Time in which all stood still does not count."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from edge_runtime.awake import AwakeClock

LOOK_S = 0.1


def wait_for(child: subprocess.Popen[bytes], timeout_s: float, clock: Callable[[], float] | None = None) -> int:
    """Its exit status.

    :param clock: seconds; those in which this process ran where it is None.
    :raises subprocess.TimeoutExpired: it goes on for longer.
    """
    clock = clock or AwakeClock()
    until = clock() + timeout_s
    while True:
        try:
            return child.wait(LOOK_S)
        except subprocess.TimeoutExpired:
            if clock() >= until:
                raise


@contextmanager
def within(timeout_s: float, give_up: Callable[[], object], clock: Callable[[], float] | None = None) -> Iterator[None]:
    """What stands in this block must be done in time; otherwise ``give_up`` is called, on another thread.

    :param clock: as in :func:`wait_for`.
    """
    clock = clock or AwakeClock()
    done, until = threading.Event(), clock() + timeout_s

    def watch() -> None:
        while not done.wait(LOOK_S):
            if clock() >= until:
                give_up()
                return

    threading.Thread(target=watch, name="patience", daemon=True).start()
    try:
        yield
    finally:
        done.set()
