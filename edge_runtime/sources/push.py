"""Frames that other programs hand in, by HTTP or otherwise."""

from __future__ import annotations

import re
import threading
from collections import deque
from pathlib import Path
from typing import Literal

from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.sources.base import Frame, Shown, SourceOptions

MAX_WAITING = 64
MAX_WAITING_BYTES = 64 * 2**20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


class PushBoard:
    """Where pushed frames meet the pipelines that wait for them; safe to call from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sources: dict[str, PushSource] = {}

    def offer(self, pipeline: str, data: bytes) -> Literal["taken", "full", "unknown"]:
        """Hand a frame in. ``taken`` means that it waits in memory for its turn, not that it has been answered.

        :param pipeline: the name behind ``push:``.
        """
        with self._lock:
            source = self._sources.get(pipeline)
        if source is None:
            return "unknown"
        return source.put(data)

    def add(self, source: PushSource) -> None:
        """:raises InputInvalid: another source takes what is pushed under this name."""
        with self._lock:
            if source.name in self._sources:
                raise InputInvalid(f"Another pipeline takes what is pushed to {source.name!r}.")
            self._sources[source.name] = source

    def remove(self, source: PushSource) -> None:
        with self._lock:
            if self._sources.get(source.name) is source:
                del self._sources[source.name]


class PushSource(Shown):
    """What is pushed under one name, first come, first served; what nobody has read when the box stops is lost.

    :raises InputInvalid: the name is not one, another source has it, or this program takes no pushed frames.
    """

    @staticmethod
    def check(location: str) -> None:
        """:raises InputInvalid: not a name."""
        if not _NAME.fullmatch(location):
            raise InputInvalid(f"What is pushed needs a name of letters, digits, - and _, not {location!r}.")

    def __init__(self, location: str, memory: Path, options: SourceOptions) -> None:
        self.check(location)
        if options.board is None or options.once:
            raise InputInvalid("Only a running box takes pushed frames.")
        self.name = location
        self.address = f"push:{location}"
        self.problem = None
        self._waiting: deque[bytes] = deque()
        self._bytes = self._taken = 0
        self._closed = False
        self._changed = threading.Condition()
        self._board = options.board
        self._board.add(self)

    @property
    def finished(self) -> bool:
        return self._closed

    def put(self, data: bytes) -> Literal["taken", "full", "unknown"]:
        """What :meth:`PushBoard.offer` says of this source; a frame that is larger than the queue fits an empty one."""
        with self._changed:
            if self._closed:
                return "unknown"
            if len(self._waiting) >= MAX_WAITING or (self._waiting and self._bytes + len(data) > MAX_WAITING_BYTES):
                return "full"
            self._waiting.append(data)
            self._bytes += len(data)
            self._changed.notify()
        return "taken"

    def read(self, timeout_s: float) -> Frame | None:
        with self._changed:
            if not self._changed.wait_for(lambda: self._waiting, timeout_s):
                return None
            data = self._waiting.popleft()
            self._bytes -= len(data)
            self._taken += 1
            return Frame(f"{self.name}-{self._taken:06}", data)

    def commit(self) -> None:
        """Nothing to remember: a frame that was pushed comes no second time."""

    def close(self) -> None:
        self._board.remove(self)
        with self._changed:
            self._closed = True
            self._waiting.clear()
