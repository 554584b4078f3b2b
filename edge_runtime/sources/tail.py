"""Follows a file to which another program appends lines, over rotation and truncation."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
import time
from collections import deque
from pathlib import Path
from typing import NamedTuple

from edge_runtime.sources.memory import open_memory, remember
from edge_runtime.sources.watch import text_of

POLL_S = 0.05
ROTATION_GRACE_S = 0.5
"""How long the old file is still read when a new one has its name: a writer takes a moment to go over."""
_CHUNK = 32 * 1024
_MOST_CHUNKS = 4
"""That are looked through for a line at a time: a file may be empty lines, or one line, for gigabytes."""
_HEAD = 256
_COMPRESSED = (".gz", ".bz2", ".xz", ".zst")
_FLAGS = os.O_RDONLY | os.O_NONBLOCK
# As text, for there are inodes above 2**63.
_TABLE = "CREATE TABLE IF NOT EXISTS place (inode TEXT, head BLOB, offset INT)"


class Line(NamedTuple):
    """A line without its end, and where it begins and where the next one does."""

    begin: int
    data: bytes
    end: int


class Place(NamedTuple):
    """How far a file was read."""

    inode: int
    head: bytes
    """Its first bytes: they tell a file that was emptied and filled again from one that only grew."""
    offset: int


class LineCutter:
    """Cuts a stream of bytes into lines. Pure.

    :param longest: bytes of a line that are kept at most, and one more.
    """

    def __init__(self, longest: int, offset: int = 0) -> None:
        self._most = longest + 1
        self.position = self._begin = offset
        self._kept = b""

    def feed(self, data: bytes) -> list[Line]:
        """The lines that ``data`` completes."""
        *whole, rest = data.split(b"\n")
        lines = [self._line(piece, self.position + len(piece) + 1) for piece in whole]
        self._kept = (self._kept + rest)[: self._most]
        self.position += len(rest)
        return lines

    def flush(self) -> list[Line]:
        """The last line, where it has no end and will not get one."""
        return [self._line(b"", self.position)] if self.position > self._begin else []

    def _line(self, piece: bytes, end: int) -> Line:
        line = Line(self._begin, (self._kept + piece)[: self._most], end)
        self._kept, self._begin, self.position = b"", end, end
        return line


class LogTail:
    """Gives whole lines with their place; the last one without an end when nothing more can follow it.

    :param longest: as of :class:`LineCutter`.
    :param once: end at the end of what is there.
    """

    def __init__(self, path: Path, memory: Path, *, longest: int, once: bool = False) -> None:
        self._path, self._longest, self._once = path, longest, once
        self._name = text_of(path.name)
        self._handle: int | None = None
        self._inode = -1
        self._head = b""
        self._cutter = LineCutter(longest)
        self._lines: deque[Line] = deque()
        self._replaced_at: float | None = None
        self._memory = memory
        self._database, self._left_at = open_memory(memory, _TABLE, _load)
        self._done = self._committed = self._left_at
        self.problem: str | None = None
        self.finished = False

    def next(self, timeout_s: float) -> tuple[str, bytes] | None:
        """The next line that is not empty, as ``file@offset`` and its bytes."""
        deadline = time.monotonic() + timeout_s
        chunks = 0
        while True:
            while self._lines:
                line = self._lines.popleft()
                self._done = Place(self._inode, self._head, line.end)
                if data := line.data.removesuffix(b"\r"):
                    return f"{self._name}@{line.begin}", data
            if chunks == _MOST_CHUNKS:
                return None
            if self._advance():
                chunks += 1
                continue
            if self._once:
                self.finished = True
                return None
            if (left_s := deadline - time.monotonic()) <= 0:
                return None
            time.sleep(min(POLL_S, left_s))

    def commit(self) -> None:
        """Remember for good how far lines were handed over."""
        place = self._done
        if place is None or place == self._committed:
            return

        def write() -> None:
            self._database.execute("DELETE FROM place")
            self._database.execute("INSERT INTO place VALUES (?, ?, ?)", (str(place.inode), place.head, place.offset))

        if remember(self._database, self._memory, write):
            self._committed = place

    def close(self) -> None:
        self._shut()
        self._database.close()

    def _advance(self) -> bool:
        """Read on, or go over to another file; False where there is nothing to do now."""
        try:
            handle = self._handle if self._handle is not None else self._open()
            return self._read(handle) or self._turn_over()
        except OSError as error:
            self.problem = f"{self._path} cannot be read: {error.strerror or error}."
            self._shut()
            return False

    def _read(self, handle: int) -> bool:
        if os.fstat(handle).st_size < self._cutter.position or os.pread(handle, len(self._head), 0) != self._head:
            # Emptied, and perhaps filled again: behind its last line comes the first of the new ones.
            self._lines.extend(line._replace(end=0) for line in self._cutter.flush())
            self._begin_at(0, b"")
            return True
        data = os.pread(handle, _CHUNK, self._cutter.position)
        if not data:
            return False
        self._lines.extend(self._cutter.feed(data))
        if len(self._head) < _HEAD:
            self._head = os.pread(handle, min(_HEAD, self._cutter.position), 0)
        return True

    def _turn_over(self) -> bool:
        """At the end of the file: whether another one has its name by now."""
        try:
            replaced = os.stat(self._path).st_ino != self._inode  # noqa: PTH116 - twenty times a second
        except FileNotFoundError:
            replaced = False
        now = time.monotonic()
        if replaced and not self._once:
            self._replaced_at = self._replaced_at or now
            if now - self._replaced_at < ROTATION_GRACE_S:
                return False
        if not replaced and not self._once:
            return False
        last = self._cutter.flush()
        self._lines.extend(last)
        if replaced:
            self._shut()
        return replaced or bool(last)

    def _open(self) -> int:
        """Where it was left, under its name or under the one that a rotation gave it; else from the beginning.

        :raises OSError: it is not there, or may not be read.
        """
        left_at, self._left_at = self._left_at, None
        if left_at is not None:
            for path in (self._path, *self._rotated(left_at.inode)):
                if (found := _open_at(path, left_at)) is not None:
                    self._begin_at(found[1].offset, found[1].head)
                    return self._use(found[0])
        handle = os.open(self._path, _FLAGS)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise OSError(errno.EINVAL, "it is not a file")
        self._begin_at(0, b"")
        self._use(handle)
        # What is committed next: this file is known from now on, whatever name it gets.
        self._done = Place(self._inode, b"", 0)
        return handle

    def _use(self, handle: int) -> int:
        self._handle, self._inode = handle, os.fstat(handle).st_ino
        self._replaced_at = self.problem = None
        return handle

    def _begin_at(self, offset: int, head: bytes) -> None:
        self._cutter, self._head = LineCutter(self._longest, offset), head

    def _rotated(self, inode: int) -> list[Path]:
        """Files beside this one, named after it, with this inode."""
        try:
            with os.scandir(self._path.parent) as entries:
                return [
                    Path(entry.path)
                    for entry in entries
                    if entry.name.startswith(self._path.name)
                    and not entry.name.endswith(_COMPRESSED)
                    and entry.inode() == inode
                ]
        except OSError:
            return []

    def _shut(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def _open_at(path: Path, place: Place) -> tuple[int, Place] | None:
    """The file that was left there, and where to go on: at its beginning, if it was emptied since."""
    try:
        handle = os.open(path, _FLAGS)
    except OSError:
        return None
    try:
        found = os.fstat(handle)
        if stat.S_ISREG(found.st_mode) and found.st_ino == place.inode:
            grown = found.st_size >= place.offset and os.pread(handle, len(place.head), 0) == place.head
            return handle, place if grown else place._replace(head=b"", offset=0)
    except OSError:
        pass
    os.close(handle)
    return None


def _load(database: sqlite3.Connection) -> Place | None:
    row = database.execute("SELECT inode, head, offset FROM place").fetchone()
    return Place(int(row[0]), bytes(row[1]), max(0, int(row[2]))) if row else None
