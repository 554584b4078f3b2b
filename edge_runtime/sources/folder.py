"""A folder into which another program writes image files. The files are left alone."""

from __future__ import annotations

import os
import sqlite3
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.inference.preprocess import MAX_FRAME_BYTES
from edge_runtime.sources.base import Frame

POLL_S = 0.05
PATIENCE_S = 2.0
"""How long a file that looks cut off may stay as it is before it is taken to be finished."""
RECHECK_S = 1.0
"""How often files that were seen before are looked at for new content under the old name."""
_UNFINISHED = (".part", ".tmp")
_ENDINGS = ((b"\xff\xd8\xff", b"\xff\xd9"), (b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"))
_TAIL = 64
_TICK_NS = 50_000_000
_FORGET_ABOVE = 10_000


class Look(NamedTuple):
    """What tells one content of a name from the next."""

    mtime_ns: int
    size: int


@dataclass(slots=True)
class _Pending:
    look: Look
    since: float


class FolderSource:
    """Files in order of their time of writing, each once, also after a restart.

    A file is read when two looks at it, a poll apart, agree; one that is empty or ends in the middle of an
    image gets :data:`PATIENCE_S` more. Names that begin with a dot or end in ``.part`` or ``.tmp`` are not
    looked at, nor is anything but regular files.

    :raises InputInvalid: the location is not an absolute path.
    """

    @staticmethod
    def check(location: str) -> None:
        """:raises InputInvalid: not an absolute path."""
        if not Path(location).is_absolute() or "\0" in location:
            raise InputInvalid(f"A folder source needs an absolute path, not {location!r}.")

    def __init__(self, location: str, memory: Path) -> None:
        self.check(location)
        self.address = f"folder:{location}"
        self._folder = Path(location)
        self._seen, self._database = _remember(memory)
        self._waiting: dict[str, _Pending] = {}
        self._ready: deque[tuple[str, Look]] = deque()
        self._uncommitted: list[tuple[bytes, int, int]] = []
        self._problem: str | None = None
        self._folder_time = -1
        self._next_scan = self._next_recheck = 0.0

    @property
    def problem(self) -> str | None:
        return self._problem

    def read(self, timeout_s: float) -> Frame | None:
        deadline = time.monotonic() + timeout_s
        while True:
            while self._ready:
                name, look = self._ready.popleft()
                if (frame := self._take(name, look)) is not None:
                    return frame
            now = time.monotonic()
            if now >= self._next_scan:
                self._scan(now)
            elif now >= deadline:
                return None
            else:
                time.sleep(max(0.0, min(self._next_scan, deadline) - now))

    def commit(self) -> None:
        if not self._uncommitted:
            return
        with self._database:
            self._database.executemany("INSERT OR REPLACE INTO seen VALUES (?, ?, ?)", self._uncommitted)
        self._uncommitted.clear()

    def close(self) -> None:
        self._database.close()

    def _scan(self, now: float) -> None:
        try:
            changed = self._look_around(now)
        except OSError as error:
            self._problem = f"The folder {self._folder} cannot be read: {error.strerror or error}."
            self._waiting.clear()
            self._folder_time = -1
            changed = 0.0
        # However many files lie there, looking takes a tenth of a core at most.
        self._next_scan = time.monotonic() + max(POLL_S, 10 * changed)

    def _look_around(self, now: float) -> float:
        """Find what is new or finished; returns the seconds that it took."""
        folder_time = self._folder.stat().st_mtime_ns
        recheck = now >= self._next_recheck
        if folder_time != self._folder_time or recheck:
            self._list(now, everything=recheck)
            # Another file may still arrive within the tick of the folder's own time.
            self._folder_time = folder_time if time.time_ns() - folder_time > _TICK_NS else -1
        for name, pending in list(self._waiting.items()):
            if pending.since < now:
                self._settle(name, pending, now)
        self._problem = None
        took = time.monotonic() - now
        if recheck:
            self._next_recheck = now + max(RECHECK_S, 20 * took)
        self._ready = deque(sorted(self._ready, key=lambda item: (item[1].mtime_ns, item[0])))
        return took

    def _list(self, now: float, *, everything: bool) -> None:
        queued = {name for name, _ in self._ready}
        present = 0
        with os.scandir(self._folder) as entries:
            for entry in entries:
                name = entry.name
                present += 1
                if name.startswith(".") or name.endswith(_UNFINISHED) or name in self._waiting or name in queued:
                    continue
                known = self._seen.get(name)
                if (known is not None and not everything) or not entry.is_file(follow_symlinks=False):
                    continue
                try:
                    look = _look(entry.stat(follow_symlinks=False))
                except FileNotFoundError:
                    continue
                if look != known:
                    self._waiting[name] = _Pending(look, now)
        if len(self._seen) > 2 * present + _FORGET_ABOVE:
            self._forget()

    def _settle(self, name: str, pending: _Pending, now: float) -> None:
        """Queue a file once it has stopped changing."""
        path = self._folder / name
        try:
            look = _look(path.stat(follow_symlinks=False))
            if look != pending.look:
                self._waiting[name] = _Pending(look, now)
            elif now - pending.since >= PATIENCE_S or _looks_whole(path, look.size):
                del self._waiting[name]
                self._ready.append((name, look))
        except FileNotFoundError:
            del self._waiting[name]
        except PermissionError:
            # Some programs open the file to others only when it is finished.
            if now - pending.since >= PATIENCE_S:
                del self._waiting[name]
                self._ready.append((name, pending.look))

    def _take(self, name: str, look: Look) -> Frame | None:
        """Read a finished file; None where it is gone, or being written again."""
        data = b""
        try:
            handle = os.open(self._folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with os.fdopen(handle, "rb") as file:
                before = _look(os.fstat(handle))
                data = file.read(MAX_FRAME_BYTES + 1)
                if before != look or _look(os.fstat(handle)) != look:
                    self._waiting[name] = _Pending(before, time.monotonic())
                    return None
        except FileNotFoundError:
            return None
        except OSError:
            # It cannot be read, but it is there: an empty frame tells the line so.
            data = b""
        self._seen[name] = look
        self._uncommitted.append((os.fsencode(name), look.mtime_ns, look.size))
        return Frame(os.fsencode(name).decode("utf-8", "replace"), data)

    def _forget(self) -> None:
        """Drop the memory of files that are gone; only of very many, so that an unmounted disk costs nothing."""
        present = {path.name for path in self._folder.iterdir()}
        gone = [name for name in self._seen if name not in present]
        self.commit()
        with self._database:
            self._database.executemany("DELETE FROM seen WHERE name = ?", [(os.fsencode(name),) for name in gone])
        for name in gone:
            del self._seen[name]


def _look(stat: os.stat_result) -> Look:
    return Look(stat.st_mtime_ns, stat.st_size)


def _looks_whole(path: Path, size: int) -> bool:
    """False for an empty file, and for a JPEG or PNG whose end is missing."""
    if size == 0:
        return False
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as file:
        start = file.read(8)
        file.seek(max(0, size - _TAIL))
        tail = file.read(_TAIL)
    return all(not start.startswith(magic) or ending in tail for magic, ending in _ENDINGS)


def _remember(memory: Path) -> tuple[dict[str, Look], sqlite3.Connection]:
    memory.parent.mkdir(parents=True, exist_ok=True)
    try:
        return _load(memory)
    except sqlite3.DatabaseError:
        # Damaged: better to see the files that are there a second time than not to run.
        for suffix in ("", "-wal", "-shm"):
            memory.with_name(memory.name + suffix).unlink(missing_ok=True)
        return _load(memory)


def _load(memory: Path) -> tuple[dict[str, Look], sqlite3.Connection]:
    database = sqlite3.connect(memory, check_same_thread=False)
    try:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=NORMAL")
        database.execute("CREATE TABLE IF NOT EXISTS seen (name BLOB PRIMARY KEY, mtime_ns INT, size INT)")
        rows = database.execute("SELECT name, mtime_ns, size FROM seen").fetchall()
    except BaseException:
        database.close()
        raise
    return {os.fsdecode(name): Look(mtime_ns, size) for name, mtime_ns, size in rows}, database
