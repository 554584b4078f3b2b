"""What whoever started the box asks of its process: SIGTERM and SIGINT."""

from __future__ import annotations

import signal
import threading

SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT})


class Orders:
    """Used by the main thread, apart from the two things that it has.

    An order is never lost between two versions of the program that are one process: what comes while nobody listens is
    held back by the kernel, and :meth:`listen` hears it.
    """

    def __init__(self) -> None:
        self.end = threading.Event()
        """This process is to close everything; also set where another version takes its place."""
        self.told = False
        """Somebody told the box to stop."""

    def listen(self) -> None:
        for number in SIGNALS:
            signal.signal(number, self._stop)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def hold(self) -> None:
        """What comes from now on is for the version that takes this process over."""
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)

    def _stop(self, _number: int, _frame: object) -> None:
        self.told = True
        self.end.set()
