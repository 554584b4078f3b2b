"""Whose runs are in the runtime, kept where it outlives a crash of the process: one thread of the runtime's own works
for all of them, and does not say for whom it crashed.

A run has a byte of a mapped file for as long as it lasts: neither a call of the kernel's nor a lock. The file is never
synced: what is in a mapping outlives the process.
"""

from __future__ import annotations

import logging
import mmap
import os
from typing import Final

REQUEST: Final = 1
"""A program's, over the inference listeners."""
OWN: Final = 2
"""A line's or a shadow's, or for a model that is being loaded."""
PLACES = mmap.PAGESIZE
"""More than a box has threads."""
_log = logging.getLogger(__name__)


class InRuntime:
    """Used by several threads. Until it is kept somewhere it is in memory alone."""

    def __init__(self) -> None:
        self._places: bytearray | mmap.mmap = bytearray(PLACES)
        # What one thread takes no other one has: the interpreter does each of these in one.
        self._free = list(range(PLACES))

    def enter(self, whose: int) -> int:
        """A run begins.

        :param whose: :data:`REQUEST` or :data:`OWN`.
        :returns: its place, for :meth:`leave`.
        """
        place = self._free.pop()
        self._places[place] = whose
        return place

    def leave(self, place: int) -> None:
        """It has come to its end, whatever came of it."""
        self._places[place] = 0
        self._free.append(place)

    def keep_in(self, file: int) -> None:
        """From now on in this open file, of which nothing is left. Before the first run. Where that cannot be had, in
        memory as before."""
        try:
            # Written and not only made longer: a page without room on the disk would end the process.
            os.pwrite(file, bytes(PLACES), 0)
            self._places = mmap.mmap(file, PLACES)
        except (OSError, ValueError) as error:
            _log.warning("whose runs are under way would not outlive a crash: %s", error)


def only_requests(places: bytes) -> bool:
    """Whether there were runs under way, and all of them programs'. Pure."""
    return REQUEST in places and OWN not in places
