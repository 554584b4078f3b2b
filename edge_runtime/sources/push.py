"""Frames that other programs hand in, by HTTP or otherwise."""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Literal

from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.sources.base import Frame, Shown, SourceOptions

MAX_WAITING = 64
MAX_WAITING_BYTES = 64 * 2**20
ADDRESS = "push:"
"""How the address of such a source begins."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
Offered = Literal["taken", "full", "unknown"]


class PushQueue:
    """What was pushed under one name and waits for its turn; it outlives the source that reads it."""

    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque()
        self._bytes = self._given = self._before = 0
        self._closed = False
        self._changed = threading.Condition()

    def put(self, data: bytes) -> Offered:
        """What :meth:`PushBoard.offer` says of this queue; a frame that is larger than it fits an empty one."""
        with self._changed:
            if self._closed:
                return "unknown"
            if len(self._waiting) >= MAX_WAITING or (self._waiting and self._bytes + len(data) > MAX_WAITING_BYTES):
                return "full"
            self._waiting.append(data)
            self._bytes += len(data)
            self._changed.notify()
        return "taken"

    def mark(self) -> None:
        """What waits now came before what is being tried."""
        with self._changed:
            self._before = len(self._waiting)

    def take(self, timeout_s: float) -> tuple[int, bytes, bool] | None:
        """The next frame, its number, from 1, and whether it came before :meth:`mark`; None when none came in time."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._waiting, timeout_s):
                return None
            data = self._waiting.popleft()
            self._bytes -= len(data)
            self._given += 1
            marked, self._before = self._before > 0, max(self._before - 1, 0)
            return self._given, data, marked

    def close(self) -> tuple[int, int]:
        """Take no more and drop what waits; how many frames that were, and their bytes."""
        with self._changed:
            self._closed = True
            dropped = len(self._waiting), self._bytes
            self._waiting.clear()
            self._bytes = 0
        return dropped


class PushBoard:
    """Where pushed frames meet the pipelines that wait for them; safe to call from several threads.

    :param dropped: told how many frames, and how many bytes, were taken and will never be answered.
    """

    def __init__(self, dropped: Callable[[int, int], None] = lambda _count, _size: None) -> None:
        self._dropped = dropped
        self._lock = threading.Lock()
        self._queues: dict[str, PushQueue] = {}
        self._readers: dict[str, PushSource] = {}

    @property
    def names(self) -> Collection[str]:
        """Those under which frames are taken now, each as it stands behind ``push:``."""
        with self._lock:
            return tuple(self._queues)

    def offer(self, name: str, data: bytes) -> Offered:
        """Hand a frame in. ``taken`` means that it waits in memory for its turn, not that it has been answered.

        :param name: what stands behind ``push:``, whatever the pipeline is called.
        """
        with self._lock:
            queue = self._queues.get(name)
        return "unknown" if queue is None else queue.put(data)

    def keep(self, names: Collection[str]) -> None:
        """From now on these names take frames, whether or not somebody reads them yet, and no others do."""
        with self._lock:
            gone = [self._queues.pop(name) for name in list(self._queues) if name not in names]
            for name in names:
                self._queues.setdefault(name, PushQueue())
            # Whoever still reads a queue that is gone has no claim to the name, should that come back.
            self._readers = {name: reader for name, reader in self._readers.items() if name in self._queues}
        for queue in gone:
            count, size = queue.close()
            if count:
                self._dropped(count, size)

    def mark(self) -> None:
        """What waits now came before what is being tried."""
        with self._lock:
            for queue in self._queues.values():
                queue.mark()

    def add(self, source: PushSource) -> PushQueue:
        """The queue of the source's name, with all that waits in it already.

        :raises InputInvalid: another source takes what is pushed under this name.
        """
        with self._lock:
            if source.name in self._readers:
                raise InputInvalid(f"Another pipeline takes what is pushed to {source.name!r}.")
            self._readers[source.name] = source
            return self._queues.setdefault(source.name, PushQueue())

    def remove(self, source: PushSource) -> None:
        """Somebody else may read under this name now; what waits goes on waiting."""
        with self._lock:
            if self._readers.get(source.name) is source:
                del self._readers[source.name]


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
        self.address = f"{ADDRESS}{location}"
        self.problem = None
        self.finished = False
        self._board = options.board
        self._queue = self._board.add(self)

    def read(self, timeout_s: float) -> Frame | None:
        taken = self._queue.take(timeout_s)
        if taken is None:
            return None
        number, data, waited = taken
        return Frame(f"{self.name}-{number:06}", data, waited=waited)

    def commit(self) -> None:
        """Nothing to remember: a frame that was pushed comes no second time."""

    def close(self) -> None:
        self._board.remove(self)
