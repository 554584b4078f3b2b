"""What is to be said of a crash of this very process, by one that outlives it."""

from __future__ import annotations

import os
from contextlib import suppress

_SCRIPT = 'read -r _ || printf "%s" "$1" >&"$2"'
"""A line comes where nothing is to be said; none comes where this process has gone without a word."""


class LastWords:
    """A shell that waits for this process to end; says its words unless it was told that they are not needed.

    It is not forked: that would have each of our pages copied when we write to it next, and a start take longer.

    :param words: what it says.
    :param descriptor: where: 1 or 2.
    """

    def __init__(self, words: str, descriptor: int) -> None:
        read, self._line = os.pipe()
        try:
            # In a group of its own: Ctrl+C is for the program, with which this process goes.
            self._pid = os.posix_spawn(
                "/bin/sh",
                ["sh", "-c", _SCRIPT, "sh", words, str(descriptor)],
                os.environ,
                file_actions=[(os.POSIX_SPAWN_DUP2, read, 0)],
                setpgroup=0,
            )
        except OSError:
            # Without a shell, or room for one more process: no reason not to go on.
            self._pid = 0
            os.close(self._line)
        finally:
            os.close(read)

    def not_needed(self) -> None:
        """What could have crashed is done, or was given up; may be called again."""
        if self._pid:
            with suppress(OSError):  # somebody has ended the shell
                os.write(self._line, b"\n")
            os.close(self._line)
            os.waitpid(self._pid, 0)
            self._pid = 0
