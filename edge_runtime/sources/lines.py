"""Lines of text: of a log file that grows, or of a folder of finished text files."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.sources.base import Frame, Shown, SourceOptions
from edge_runtime.sources.folder import check_path
from edge_runtime.sources.pieces import Pieces
from edge_runtime.sources.tail import LogTail
from edge_runtime.sources.watch import File, FileWatch, text_of

MAX_LINE_BYTES = 64 * 1024
MAX_FILE_BYTES = 32 * 2**20
NOTE_S = 60.0
"""How long it is told that a line was cut."""
_EMPTY_LINES = 10_000
"""So many of them are passed over in a few milliseconds."""


class LinesSource(Shown):
    """Each line that is not empty is a frame, without its end, as the bytes that it is made of.

    A file that another program writes to is followed over rotation and truncation, from its beginning and after a
    restart from where it was left. Of a folder, the finished ``.txt`` files are read (how they are found,
    :class:`FileWatch` says). Of a line that is longer than :data:`MAX_LINE_BYTES`, only so much is given.

    :raises InputInvalid: not an absolute path.
    """

    takes: ClassVar[frozenset[str]] = frozenset({"order"})

    @staticmethod
    def check(location: str) -> None:
        """:raises InputInvalid: not an absolute path."""
        check_path(location)

    def __init__(self, location: str, memory: Path, options: SourceOptions) -> None:
        self.check(location)
        self.address = f"lines:{location}"
        self._path, self._memory, self._options = Path(location), memory, options
        if options.once and not self._path.exists():
            raise InputInvalid(f"There is no file and no folder {location}.")
        self._reader = self._open()
        self._cut_at: float | None = None

    @property
    def problem(self) -> str | None:
        if self._reader.problem is None and self._cut_at is not None and time.monotonic() - self._cut_at < NOTE_S:
            return f"A line of more than {MAX_LINE_BYTES} bytes was cut."
        return self._reader.problem

    @property
    def finished(self) -> bool:
        return self._reader.finished

    def read(self, timeout_s: float) -> Frame | None:
        if (found := self._reader.next(timeout_s)) is None:
            self._look_what_it_is()
            return None
        name, line = found
        if len(line) > MAX_LINE_BYTES:
            self._cut_at = time.monotonic()
            line = line[:MAX_LINE_BYTES]
        return Frame(name, line)

    def commit(self) -> None:
        self._reader.commit()

    def close(self) -> None:
        self._reader.close()

    def _open(self) -> LogTail | _Files:
        if self._path.is_dir():
            return _Files(self._path, self._memory, self._options)
        return LogTail(self._path, self._memory, longest=MAX_LINE_BYTES, once=self._options.once)

    def _look_what_it_is(self) -> None:
        """A folder may come where there was nothing, such as a share that is mounted late, and a file where it was."""
        if self._reader.problem is None:
            return
        with suppress(OSError):  # the reader says what is in the way
            if self._path.is_file() if isinstance(self._reader, _Files) else self._path.is_dir():
                self._reader.close()
                self._reader = self._open()


class _Files:
    """The lines of finished files."""

    def __init__(self, folder: Path, memory: Path, options: SourceOptions) -> None:
        self._watch = FileWatch(
            folder,
            memory,
            limit=MAX_FILE_BYTES,
            endings=(".txt",),
            order=options.order or "time",
            once=options.once,
        )
        self._pieces = Pieces(self._watch, self._split)
        self._unusable: str | None = None

    @property
    def problem(self) -> str | None:
        return self._watch.problem or self._unusable

    @property
    def finished(self) -> bool:
        return self._pieces.finished

    def next(self, timeout_s: float) -> tuple[str, bytes] | None:
        return self._pieces.next(timeout_s)

    def commit(self) -> None:
        self._pieces.commit()

    def close(self) -> None:
        self._pieces.close()

    def _split(self, file: File) -> Iterator[tuple[str, bytes] | None]:
        """Lines that are not empty, and None now and then among empty ones."""
        name, data = text_of(file.name), file.data[:MAX_FILE_BYTES]
        self._unusable = None
        if len(file.data) > MAX_FILE_BYTES:
            self._unusable = f"{name} is longer than {MAX_FILE_BYTES} bytes; the rest was left out."
        begin = number = 0
        while begin < len(data):
            end = data.find(b"\n", begin)
            end = end if end >= 0 else len(data)
            number += 1
            if line := data[begin:end].removesuffix(b"\r"):
                yield f"{name}:{number}", line
            elif number % _EMPTY_LINES == 0:
                yield None
            begin = end + 1
