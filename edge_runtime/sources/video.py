"""A video file, from its beginning to its end."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import ClassVar

import cv2

from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.sources.base import Frame, Shown, SourceOptions
from edge_runtime.sources.capture import Capture
from edge_runtime.sources.folder import check_path
from edge_runtime.sources.memory import open_memory, remember

_TABLE = "CREATE TABLE IF NOT EXISTS place (look TEXT, pictures INT)"


class VideoFile:
    """The pictures of a file with their time in it.

    :param fps: pictures for a second of the video at most; all of them where it is None.
    """

    def __init__(self, path: Path, *, fps: float | None = None) -> None:
        self.name = path.name
        self._capture = Capture(str(path), cv2.CAP_FFMPEG)
        self.is_open = self._capture.is_open
        self._fps = self._capture.fps if self.is_open else 0.0
        self._every_s = 1 / fps if fps else 0.0
        self._due_s = 0.0
        self.position = 0
        """Pictures passed, those among them that were left out."""

    def skip(self, pictures: int) -> None:
        """Go on behind this many pictures."""
        while self.position < pictures and self._capture.grab():
            self._due()

    def next(self) -> tuple[float, Frame] | None:
        """Seconds from the video's begin, and the picture; None at the end."""
        while self.is_open and self._capture.grab():
            at_s = self.position / self._fps
            if self._due():
                picture = self._capture.picture()
                name = f"{self.name}-{self.position - 1:06}"
                return at_s, Frame(name, picture.jpeg() if picture else b"")
        return None

    def close(self) -> None:
        self._capture.close()

    def _due(self) -> bool:
        at_s = self.position / self._fps
        self.position += 1
        # Half a picture's time of grace, or 10 of 30 a second would come out as every fourth.
        if at_s + 0.5 / self._fps < self._due_s:
            return False
        self._due_s = max(self._due_s + self._every_s, at_s)
        return True


class VideoSource(Shown):
    """All pictures of a video file as fast as they are taken, nothing left out but what ``fps`` says, once.

    After a restart it goes on behind what was committed; a file that has changed begins anew.

    :raises InputInvalid: the location is not an absolute path.
    """

    takes: ClassVar[frozenset[str]] = frozenset({"fps"})

    @staticmethod
    def check(location: str) -> None:
        """:raises InputInvalid: not an absolute path."""
        check_path(location)

    def __init__(self, location: str, memory: Path, options: SourceOptions) -> None:
        self.check(location)
        self.address = f"video:{location}"
        self.problem: str | None = None
        self.finished = False
        self._path = Path(location)
        try:
            found = self._path.stat()
        except OSError as error:
            raise InputInvalid(f"The video {location} cannot be opened: {error.strerror or error}.") from error
        self._look = f"{found.st_mtime_ns} {found.st_size}"
        self._video = VideoFile(self._path, fps=options.fps)
        if not self._video.is_open:
            self._video.close()
            raise InputInvalid(f"{location} is not a video that this box can read, or it is cut off.")
        self._memory = memory
        self._database, place = open_memory(memory, _TABLE, _load)
        if place[0] == self._look:
            self._video.skip(place[1])

    def read(self, timeout_s: float) -> Frame | None:
        found = self._video.next()
        self.finished = found is None
        return found[1] if found else None

    def commit(self) -> None:
        def write() -> None:
            self._database.execute("DELETE FROM place")
            self._database.execute("INSERT INTO place VALUES (?, ?)", (self._look, self._video.position))

        remember(self._database, self._memory, write)

    def close(self) -> None:
        self._video.close()
        self._database.close()


def _load(database: sqlite3.Connection) -> tuple[str, int]:
    row = database.execute("SELECT look, pictures FROM place").fetchone()
    return (str(row[0]), int(row[1])) if row else ("", 0)
