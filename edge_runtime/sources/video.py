"""A video file, from its beginning to its end."""

from __future__ import annotations

import math
import sqlite3
import time
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
        self.ended = not self.is_open
        self.position = 0
        """Pictures passed, those among them that were left out."""

    def next(self, timeout_s: float = math.inf, *, behind: int = 0) -> tuple[float, Frame] | None:
        """Seconds from the video's begin, and the picture; None at the end, or when none was found in time.

        :param behind: so many pictures from the begin on are passed over. They have to be decoded, which takes long.
        """
        deadline = time.monotonic() + timeout_s
        while not self.ended:
            if not self._capture.grab():
                self.ended = True
                break
            at_s = self.position / self._fps
            if self._due() and self.position > behind:
                picture = self._capture.picture()
                name = f"{self.name}-{self.position - 1:06}"
                return at_s, Frame(name, picture.jpeg() if picture else b"")
            if time.monotonic() >= deadline:
                break
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
        self._left_at = place[1] if place[0] == self._look else 0

    @property
    def finished(self) -> bool:
        return self._video.ended

    def read(self, timeout_s: float) -> Frame | None:
        found = self._video.next(timeout_s, behind=self._left_at)
        return found[1] if found else None

    def commit(self) -> None:
        # On the way back to where it was left, that is the place.
        position = max(self._left_at, self._video.position)

        def write() -> None:
            self._database.execute("DELETE FROM place")
            self._database.execute("INSERT INTO place VALUES (?, ?)", (self._look, position))

        remember(self._database, self._memory, write)

    def close(self) -> None:
        self._video.close()
        self._database.close()


def _load(database: sqlite3.Connection) -> tuple[str, int]:
    row = database.execute("SELECT look, pictures FROM place").fetchone()
    return (str(row[0]), int(row[1])) if row else ("", 0)
