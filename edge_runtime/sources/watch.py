"""Finds the finished files of a folder into which other programs write, each once, also after a restart."""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.sources.base import Order
from edge_runtime.sources.memory import open_memory, remember

POLL_S = 0.05
PATIENCE_S = 2.0
"""How long a file that looks unfinished may stay as it is before it is taken to be finished."""
UNFILLED_S = 10.0
"""The same for one that ends in zeros: its place on the disk may have been made beforehand, with the writing still to
come, and no decoder can tell that from black."""
RECHECK_S = 1.0
"""How often files that were seen before are looked at for new content under the old name."""
LONGEST_PAUSE_S, LONGEST_RECHECK_S = 10.0, 300.0
"""The longest pauses between two looks, and between two at files that were seen before, however long they take."""
ANSWERS_S = 2.0
"""What takes longer is no work: the share does not answer."""
AWAY_S = 0.5
"""How long a call may be away, however many files there are to look at: it comes back, and the next one goes on."""
UNFINISHED = (".part", ".tmp")
"""How names end of files that are not to be looked at yet."""
_TICK_NS = 50_000_000
_TAIL = 64
_FORGET_ABOVE = 10_000
_SIZE_BITS = 40
_MAX_SIZE = (1 << _SIZE_BITS) - 1
_MAX_TIME = (1 << 63) - 1
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
_TABLE = "CREATE TABLE IF NOT EXISTS seen (name BLOB PRIMARY KEY, mtime_ns INT, size INT) WITHOUT ROWID"


class File(NamedTuple):
    """A finished file; one that is longer than the limit is cut one byte behind it, one that is refused is empty."""

    name: str
    data: bytes
    look: int
    problem: str | None = None
    """Why it is empty, where it is refused."""


class _Ready(NamedTuple):
    """What sorts by time and then by name."""

    mtime_ns: int
    name: str
    look: int
    since: float
    """Since when nobody has written to it, as far as is known."""
    ctime_ns: int
    holds: bool = False
    """It lay there for long at the first look: nothing that comes after it is read before it, unless somebody writes
    to it."""
    due: float = 0.0
    """When it is to be read, by the monotonic clock."""


class _Refused(NamedTuple):
    """A file that was there and could not be read: rights that change leave the content's time as it was."""

    look: int
    ctime_ns: int
    problem: str


class _Pending(NamedTuple):
    look: int
    since: float
    wait_s: float
    """For so long nobody may write to it before it is read, again where it was."""


class FileWatch:
    """Gives whole files, in order of time or name among those that are there; the files are left alone.

    A file is read when this box has seen it unchanged for :data:`PATIENCE_S` (:data:`UNFILLED_S` where it ends in
    zeros), by its own monotonic clock, for a share's may be wrong; where ``whole`` finds its end, two looks that agree
    will do, a poll apart, or one at an old file. What is to be read once keeps its order: there, one that may not be
    finished holds up those behind it, which grow older meanwhile. Names that begin with a dot or end in ``.part`` or
    ``.tmp`` are not looked at, nor is anything but regular files. One that may not be read comes as refused, and again
    when its rights have changed.

    :param limit: bytes of a file that are read at most, and one more.
    :param whole: tells a finished content from one that is cut off; None where contents do not show it.
    :param endings: names (in lower case) that are looked at; all where it is empty.
    :raises InputInvalid: what is to be read once is not there or cannot be read.
    """

    def __init__(
        self,
        folder: Path,
        memory: Path,
        *,
        limit: int,
        whole: Callable[[bytes], bool] | None = None,
        endings: tuple[str, ...] = (),
        order: Order = "time",
        once: bool = False,
    ) -> None:
        if once:
            _refuse_without(folder)
        self._folder, self._limit, self._whole, self._once = folder, limit, whole, once
        self._prefix = f"{folder}{os.sep}"
        self._endings = endings
        self._key = itemgetter(0, 1) if order == "time" else itemgetter(1)
        self._memory = memory
        self._database, self._seen = open_memory(memory, _TABLE, _load)
        self._waiting: dict[str, _Pending] = {}
        self._ready: deque[_Ready] = deque()
        self._uncommitted: list[tuple[bytes, int, int]] = []
        self._folder_time = -1
        self._next_scan = self._next_recheck = self._look_s = self._cost_s = 0.0
        self._scanned = self._rechecks = False
        self._steps: Iterator[None] | None = None
        """What is left of the look that is under way."""
        self._trouble: str | None = None
        self._refused: dict[str, _Refused] = {}

    @property
    def problem(self) -> str | None:
        """What is wrong with the folder, or else with a file in it."""
        return self._trouble or next((refused.problem for refused in self._refused.copy().values()), None)

    @property
    def finished(self) -> bool:
        """What was to be read once has been handed over."""
        return self._once and self._scanned and not (self._ready or self._waiting)

    def next(self, timeout_s: float) -> File | None:
        """The next finished file, or None when none was found in time; :meth:`done` must follow.

        :raises InputInvalid: the folder is to be read once, and cannot be.
        """
        begun = now = time.monotonic()
        deadline, away_until = begun + timeout_s, begun + max(timeout_s, AWAY_S)
        while now <= away_until and not self.finished:
            due = self._ready[0].due if self._ready else deadline
            if self._ready and now >= due:
                if (file := self._take(self._ready.popleft())) is not None:
                    return file
            elif self._steps is not None or now >= self._next_scan:
                self._scan(now, away_until)
            elif now >= deadline:
                return None
            else:
                time.sleep(max(0.0, min(self._next_scan, due, deadline) - now))
            now = time.monotonic()
        return None

    def done(self, file: File) -> None:
        """All of this file has been handed on: :meth:`commit` may remember it, unless there was nothing to read."""
        if file.problem is not None:
            return
        self._seen[file.name] = file.look
        self._uncommitted.append((os.fsencode(file.name), *_apart(file.look)))

    def commit(self) -> None:
        """Remember for good what is done."""
        if not self._uncommitted:
            return
        sql = "INSERT OR REPLACE INTO seen VALUES (?, ?, ?)"
        if remember(self._database, self._memory, lambda: self._database.executemany(sql, self._uncommitted)):
            self._uncommitted.clear()

    def close(self) -> None:
        self._database.close()

    def _scan(self, now: float, until: float) -> None:
        """Look around, or go on with that; where it is not over by then, another call does."""
        if self._steps is None:
            self._cost_s = 0.0
            self._steps = self._look_around(now)
        try:
            for _ in self._steps:
                if (now := self._counted(now)) > until:
                    return
            self._counted(now)
            self._trouble, self._scanned = None, True
            self._next_pauses()
        except OSError as error:
            self._steps = None
            self._trouble = _unreadable(self._folder, error)
            if self._once and not self._scanned:
                raise InputInvalid(self._trouble) from error
            self._waiting.clear()
            self._folder_time = -1
        self._steps = None
        self._next_scan = time.monotonic() + min(max(POLL_S, 10 * self._look_s), LONGEST_PAUSE_S)

    def _counted(self, begun: float) -> float:
        """Now; what was done since ``begun`` is part of what the look costs, where the share answered."""
        now = time.monotonic()
        if (took := now - begun) < ANSWERS_S:
            self._cost_s += took
        else:
            # What it has missed meanwhile nobody knows until the look is over.
            self._trouble = f"The folder {self._folder} did not answer for {took:.0f} s; it is being looked at again."
        return now

    def _next_pauses(self) -> None:
        """However many files lie there, looking takes a tenth of a core at most."""
        if self._rechecks:
            # Names that are written again are rare where there are very many: a fiftieth of a core is enough.
            pause_s = min(max(RECHECK_S, 50 * self._cost_s), LONGEST_RECHECK_S)
            self._next_recheck = time.monotonic() + pause_s
        else:
            self._look_s = self._cost_s

    def _look_around(self, now: float) -> Iterator[None]:
        """Find what is new or finished, in short steps."""
        folder_time = self._folder.stat().st_mtime_ns
        self._rechecks = recheck = now >= self._next_recheck and not (self._once and self._scanned)
        changed = folder_time != self._folder_time and not (self._once and self._scanned)
        ready: list[_Ready] = []
        if changed or recheck:
            yield from self._list(ready, everything=recheck)
            # Another file may still arrive within the tick of the folder's own time.
            self._folder_time = folder_time if time.time_ns() - folder_time > _TICK_NS else -1
        for name, pending in list(self._waiting.items()):
            if pending.since < now:
                self._settle(name, pending, now, ready)
                yield
        if self._ready and self._ready[0].due:
            self._look_at_holder(self._ready[0])
        if ready:
            self._ready = deque(sorted((*self._ready, *ready), key=self._key))

    def _look_at_holder(self, holder: _Ready) -> None:
        """Who is written to, or gone, holds up nobody."""
        try:
            look = _look(os.lstat(self._prefix + holder.name))
        except OSError:
            self._ready.popleft()
            return
        if look != holder.look:
            self._ready.popleft()
            self._waiting[holder.name] = _Pending(look, time.monotonic(), self._first_wait_s())

    def _list(self, ready: list[_Ready], *, everything: bool) -> Iterator[None]:
        names: list[str] = []
        with os.scandir(self._folder) as entries:
            while some := [entry.name for entry in islice(entries, 1000)]:
                names += some
                yield
        queued = {one.name for one in self._ready}
        if len(self._seen) > 2 * len(names) + _FORGET_ABOVE:
            self._forget(set(names))
        seen, waiting, refused = self._seen, self._waiting, self._refused
        if refused and everything:
            for name in refused.keys() - set(names):
                del refused[name]
        # A clock that was put back makes files look young, which costs one more look at them; one that is ahead of a
        # share's makes half a file look old, so that this counts only where contents tell.
        settled_ns = time.time_ns() - int(PATIENCE_S * 1e9)
        for name in names if everything else [name for name in names if name not in seen]:
            if name in waiting or name in queued or not self._wanted(name):
                continue
            yield
            try:
                found = os.lstat(self._prefix + name)
            except PermissionError:
                # That one may not look at a file is the folder's doing, and true for all of them.
                raise
            except OSError:
                continue
            look = _look(found)
            if look == seen.get(name) or not stat.S_ISREG(found.st_mode):
                continue
            if (known := refused.get(name)) is not None:
                if known[:2] == (look, found.st_ctime_ns):
                    continue
                del refused[name]
            if self._whole is not None and found.st_mtime_ns < settled_ns:
                # Its time proves nothing besides: some programs give it to a file before its content.
                # What comes later with an old time holds up nobody: there is no end to how much of it may come.
                holds, since = not self._scanned, time.monotonic()
                ready.append(_Ready(found.st_mtime_ns, name, look, since, found.st_ctime_ns, holds))
            else:
                waiting[name] = _Pending(look, time.monotonic(), self._first_wait_s())

    def _wanted(self, name: str) -> bool:
        if name.startswith(".") or name.endswith(UNFINISHED):
            return False
        return not self._endings or name.lower().endswith(self._endings)

    def _settle(self, name: str, pending: _Pending, now: float, ready: list[_Ready]) -> None:
        """Queue a file once it has stopped changing."""
        try:
            found = os.lstat(self._prefix + name)
        except OSError:
            del self._waiting[name]
            return
        if (look := _look(found)) != pending.look:
            self._waiting[name] = _Pending(look, now, self._first_wait_s())
        elif now - pending.since >= pending.wait_s:
            del self._waiting[name]
            ready.append(_Ready(found.st_mtime_ns, name, look, pending.since, found.st_ctime_ns))

    def _take(self, ready: _Ready) -> File | None:
        """Read a file; None where it is gone, being written again, or recent and perhaps not finished."""
        name, look = ready.name, ready.look
        problem = None
        try:
            data, found = _read(self._prefix + name, look, self._limit)
        except FileNotFoundError:
            return None
        except OSError as error:
            # It cannot be read, but it is there. Some programs open a file to others only when it is finished; if
            # not, an empty frame tells the line so.
            data, found = b"", look
            problem = f"The file cannot be read: {error.strerror or error}."
        if found != look:
            self._waiting[name] = _Pending(found, time.monotonic(), self._first_wait_s())
            return None
        if time.monotonic() - ready.since < (wait_s := self._wait_s(data)):
            if ready.holds or self._once:
                self._ready.appendleft(ready._replace(due=ready.since + wait_s))
            else:
                self._waiting[name] = _Pending(look, ready.since, wait_s)
            return None
        if problem is not None:
            # The time of before the attempt: rights that changed since then are news.
            self._refused[name] = _Refused(look, ready.ctime_ns, f"{text_of(name)}: {problem}")
        return File(name, data, look, problem)

    def _first_wait_s(self) -> float:
        """How long a file that was just written to is left alone before it is read."""
        return PATIENCE_S if self._whole is None else 0.0

    def _wait_s(self, data: bytes) -> float:
        """How long nobody may have written to a file with this content for it to be finished."""
        if self._whole is not None and self._whole(data):
            return 0.0
        if data and not data[-_TAIL:].strip(b"\0"):
            return UNFILLED_S
        return 0.0 if self._whole is None else PATIENCE_S

    def _forget(self, present: set[str]) -> None:
        """Drop the memory of files that are gone; only of very many, so that an unmounted disk costs nothing."""
        gone = [name for name in self._seen if name not in present]
        self.commit()
        rows = [(os.fsencode(name),) for name in gone]
        sql = "DELETE FROM seen WHERE name = ?"
        remember(self._database, self._memory, lambda: self._database.executemany(sql, rows))
        # Also where the disk took neither: memory must not grow for as long as that lasts.
        for name in gone:
            del self._seen[name]
        forgotten = {name for (name,) in rows}
        self._uncommitted = [row for row in self._uncommitted if row[0] not in forgotten]


def text_of(name: str) -> str:
    """A file's name as text, whatever bytes it is made of."""
    return name if name.isascii() else os.fsencode(name).decode("utf-8", "replace")


def _refuse_without(folder: Path) -> None:
    try:
        there = folder.is_dir()
    except OSError as error:
        raise InputInvalid(_unreadable(folder, error)) from error
    if not there:
        raise InputInvalid(f"There is no folder {folder}.")


def _unreadable(folder: Path, error: OSError) -> str:
    return f"The folder {folder} cannot be read: {error.strerror or error}."


def _read(path: str, look: int, limit: int) -> tuple[bytes, int]:
    """Content of a regular file and how it looked meanwhile: other than ``look`` where it changed."""
    handle = os.open(path, _FLAGS)
    try:
        opened = os.fstat(handle)
        before = _look(opened)
        if before != look:
            return b"", before
        most = min(opened.st_size, limit) + 1
        data = os.read(handle, most)
        if 0 < len(data) < min(opened.st_size, most):
            data = b"".join(_rest(handle, data, most))
        return data, _look(os.fstat(handle))
    finally:
        os.close(handle)


def _rest(handle: int, data: bytes, most: int) -> Iterable[bytes]:
    """A read may end early, on a network file system for one."""
    left = most
    while data:
        yield data
        left -= len(data)
        data = os.read(handle, left)


def _look(found: os.stat_result) -> int:
    """Time and size as one number, which takes a third of a tuple's memory: there are very many of them."""
    return min(found.st_mtime_ns, _MAX_TIME) << _SIZE_BITS | min(found.st_size, _MAX_SIZE)


def _apart(look: int) -> tuple[int, int]:
    return look >> _SIZE_BITS, look & _MAX_SIZE


def _load(database: sqlite3.Connection) -> dict[str, int]:
    rows = database.execute("SELECT name, mtime_ns, size FROM seen")
    return {os.fsdecode(name): mtime_ns << _SIZE_BITS | size for name, mtime_ns, size in rows}
