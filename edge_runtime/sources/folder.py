"""A folder into which another program writes image files. The files are left alone."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.inference.preprocess import MAX_FRAME_BYTES
from edge_runtime.sources.base import Frame, Shown, SourceOptions
from edge_runtime.sources.watch import FileWatch, text_of

_JPEG, _JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
_PNG, _PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
_SCAN = 0xDA
_TAIL = 64


class FolderSource(Shown):
    """Each file is a frame, once, also after a restart; how files are found, :class:`FileWatch` says.

    :raises InputInvalid: the location is not an absolute path.
    """

    takes: ClassVar[frozenset[str]] = frozenset({"order"})

    @staticmethod
    def check(location: str) -> None:
        """:raises InputInvalid: not an absolute path."""
        check_path(location)

    def __init__(self, location: str, memory: Path, options: SourceOptions) -> None:
        self.check(location)
        self.address = f"folder:{location}"
        self._watch = FileWatch(
            Path(location),
            memory,
            limit=MAX_FRAME_BYTES,
            whole=looks_whole,
            order=options.order or "time",
            once=options.once,
        )

    @property
    def problem(self) -> str | None:
        return self._watch.problem

    @property
    def finished(self) -> bool:
        return self._watch.finished

    def read(self, timeout_s: float) -> Frame | None:
        if (file := self._watch.next(timeout_s)) is None:
            return None
        self._watch.done(file)
        return Frame(text_of(file.name), file.data, file.problem)

    def commit(self) -> None:
        self._watch.commit()

    def close(self) -> None:
        self._watch.close()


def check_path(location: str) -> None:
    """:raises InputInvalid: not an absolute path."""
    if not Path(location).is_absolute() or "\0" in location:
        raise InputInvalid(f"This kind of source needs an absolute path, not {location!r}.")


def looks_whole(data: bytes) -> bool:
    """Whether the mark is there at which a JPEG or PNG ends; other formats have none, and may yet grow."""
    tail = max(0, len(data) - _TAIL)
    if data.startswith(_JPEG):
        return data.find(_JPEG_END, max(tail, _scan_begin(data))) >= 0
    return data.startswith(_PNG) and data.find(_PNG_END, tail) >= 0


def _scan_begin(data: bytes) -> int:
    """Where the picture itself begins in a JPEG, or the data's end: what stands before may hold a small one, whole."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != _SCAN:
        # Any number of 0xFF may stand before a segment.
        at += 1 if data[at + 1] == 0xFF else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return at if data[at : at + 2] == bytes((0xFF, _SCAN)) else len(data)
