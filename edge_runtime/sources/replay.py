"""What was recorded, again at its own pace: a folder of images or a video file."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.inference.preprocess import MAX_FRAME_BYTES
from edge_runtime.plain_files import read_at_most
from edge_runtime.sources.base import Frame, Shown, SourceOptions
from edge_runtime.sources.folder import check_path
from edge_runtime.sources.video import VideoFile
from edge_runtime.sources.watch import UNFINISHED, text_of

LONGEST_PAUSE_S = 60.0
"""A night between two recorded files is not waited for."""


class ReplaySource(Shown):
    """Begins anew at every start and remembers nothing; leaves nothing out, however late it is.

    A folder's files come in order of their names, as far apart as their times of writing; a video's pictures by
    the video's own time. With ``fps``, both come that fast.

    :raises InputInvalid: not an absolute path, or nothing is there that could be replayed.
    """

    takes: ClassVar[frozenset[str]] = frozenset({"fps"})

    @staticmethod
    def check(location: str) -> None:
        """:raises InputInvalid: not an absolute path."""
        check_path(location)

    def __init__(self, location: str, memory: Path, options: SourceOptions) -> None:
        self.check(location)
        self.address = f"replay:{location}"
        self.problem: str | None = None
        self.finished = False
        self._every_s = 1 / options.fps if options.fps else None
        self._video: VideoFile | None = None
        path = Path(location)
        if path.is_dir():
            self._frames = _folder(path)
        else:
            self._video = VideoFile(path)
            if not self._video.is_open:
                self._video.close()
                raise InputInvalid(f"There is no folder and no readable video {location}.")
            self._frames = iter(self._video.next, None)
        self._begun: float | None = None
        self._count = 0
        self._next: tuple[float, Frame] | None = None

    def read(self, timeout_s: float) -> Frame | None:
        self._next = self._next or next(self._frames, None)
        if self._next is None:
            self.finished = True
            return None
        at_s, frame = self._next
        now = time.monotonic()
        if self._begun is None:
            self._begun = now
        due = self._begun + (at_s if self._every_s is None else self._count * self._every_s)
        if due > now + timeout_s:
            time.sleep(timeout_s)
            return None
        time.sleep(max(0.0, due - now))
        self._next = None
        self._count += 1
        return frame

    def commit(self) -> None:
        """Nothing to remember: a replay is there to be played again."""

    def close(self) -> None:
        if self._video is not None:
            self._video.close()


def _folder(path: Path) -> Iterator[tuple[float, Frame]]:
    """Files by name, each with the seconds that it comes after the first."""
    try:
        with os.scandir(path) as entries:
            names = sorted(
                entry.name
                for entry in entries
                if entry.is_file(follow_symlinks=False) and not entry.name.startswith(".")
            )
    except OSError as error:
        raise InputInvalid(f"The folder {path} cannot be read: {error.strerror or error}.") from error
    return _play(path, [name for name in names if not name.endswith(UNFINISHED)])


def _play(path: Path, names: list[str]) -> Iterator[tuple[float, Frame]]:
    at_s = 0.0
    before_s: float | None = None
    for name in names:
        try:
            with (path / name).open("rb") as file:
                data = read_at_most(file, MAX_FRAME_BYTES)
                written_s = os.fstat(file.fileno()).st_mtime
        except OSError:
            # It was there a moment ago: an empty frame tells the line that it cannot be read.
            yield at_s, Frame(text_of(name), b"")
            continue
        if before_s is not None:
            at_s += min(max(0.0, written_s - before_s), LONGEST_PAUSE_S)
        before_s = written_s
        yield at_s, Frame(text_of(name), data)
