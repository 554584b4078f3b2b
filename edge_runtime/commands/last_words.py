"""What is to be said of a crash of this very process, by one that outlives it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable


class LastWords:
    """A small process that waits for this one to end; says its words unless it was told that they are not needed.

    To be made before any thread and any listener.

    :param say: what it does where this process is gone.
    """

    def __init__(self, say: Callable[[], None]) -> None:
        read, self._line = os.pipe()
        try:
            self._pid = os.fork()
        except OSError:
            # No more processes may be made: what it would say is no reason not to go on.
            self._pid = 0
            os.close(read)
            os.close(self._line)
            return
        if self._pid:
            os.close(read)
            return
        # A signal for the group is for the program; this process goes with it.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        try:
            os.close(self._line)
            if not os.read(read, 1):
                say()
        finally:
            os._exit(0)

    def not_needed(self) -> None:
        """What could have crashed is done, or was given up; may be called again."""
        if self._pid:
            os.write(self._line, b"\0")
            os.close(self._line)
            os.waitpid(self._pid, 0)
            self._pid = 0
