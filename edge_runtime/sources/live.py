"""Cameras and network streams: the newest picture, for ever, whatever happens at the other end."""

from __future__ import annotations

import logging
import random
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Protocol

import cv2

from edge_runtime.awake import AwakeClock
from edge_runtime.contracts.errors import InputInvalid
from edge_runtime.sources.base import Frame, SourceOptions
from edge_runtime.sources.capture import Capture, Picture
from edge_runtime.sources.diagnosis import why_no_camera, why_no_stream
from edge_runtime.sources.urls import check_url, without_secrets

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
SOUND_AFTER_S = 10.0
"""A connection that lasted this long and then ended is tried again at once; others wait ever longer."""
FROZEN_AFTER_S = 10.0
"""How long pictures may be equal in every bit before a person should know."""
SILENT_AFTER_S = 3.0
"""How long an open connection may give no picture before a person should know."""
MISSED = 3
"""Where few pictures are taken, both are as long as so many of them take to come."""
_CLOSE_S = 0.5
# No other device: to open one can be enough to set it off.
_DEVICE = re.compile(r"[0-9]{1,3}|/dev/video[0-9]{1,3}|/dev/v4l/by-(id|path)/[A-Za-z0-9_.:+-]{1,200}")
_log = logging.getLogger(__name__)


class Feed(Protocol):
    """Something that gives pictures while it is open; :class:`Capture` for one."""

    is_open: bool

    def grab(self) -> bool: ...
    def picture(self) -> Picture | None: ...
    def close(self) -> None: ...


class LiveSource:
    """Reads in a thread of its own, so that a device that hangs holds up nobody, and keeps only the newest picture.

    Opens again for ever, after pauses that grow and vary. A frozen picture is told of and handed on: it is what the
    camera shows.

    :param connect: opens the feed.
    :param explain: why it could not be opened, in plain words and without passwords.
    """

    takes: ClassVar[frozenset[str]] = frozenset({"fps"})
    needs: ClassVar[frozenset[str]] = frozenset()
    finished = False

    def __init__(
        self, address: str, *, fps: float | None, connect: Callable[[], Feed], explain: Callable[[], str]
    ) -> None:
        self.address = address
        self.dropped = 0
        self._every_s = 1 / fps if fps else 0.0
        self._connect, self._explain = connect, explain
        self._stop = threading.Event()
        self._changed = threading.Condition()
        self._newest: tuple[int, Picture] | None = None
        self._before: Picture | None = None
        self._count = 0
        self._trouble: str | None = "It is being opened."
        self._clock = AwakeClock()
        self._last_picture = self._last_look = self._last_change = self._clock()
        """When one came, when one was compared with the one before, and when that found a difference."""
        self._thread = threading.Thread(target=self._run, name=f"read-{address.partition(':')[0]}", daemon=True)
        self._thread.start()

    @property
    def problem(self) -> str | None:
        if self._trouble is not None:
            return self._trouble
        now = self._clock()
        slow_s = MISSED * self._every_s
        if (silent_s := now - self._last_picture) > max(SILENT_AFTER_S, slow_s):
            return f"It is connected, but has sent no picture for {silent_s:.0f} s."
        # Between two that are taken nobody looks at the others.
        if (frozen_s := self._last_look - self._last_change) > max(FROZEN_AFTER_S, slow_s):
            return f"The picture is frozen: for {frozen_s:.0f} s every one has been the same to the last bit."
        return None

    def read(self, timeout_s: float) -> Frame | None:
        with self._changed:
            if not self._changed.wait_for(lambda: self._newest is not None, timeout_s) or self._newest is None:
                return None
            number, picture = self._newest
            self._newest = None
        # Encoded here, so that no work goes into pictures that nobody takes.
        return Frame(f"{self.address.partition(':')[0]}-{number:08}", picture.jpeg())

    def commit(self) -> None:
        """Nothing to remember: what a camera showed will not come again."""

    def close(self) -> None:
        """Ask the thread to end; one that hangs in a device is left behind until the device's own time-out."""
        self._stop.set()
        self._thread.join(_CLOSE_S)

    def _run(self) -> None:
        pause_s = 0.0
        # Many boxes that lose the same switch shall not come back in step.
        vary = random.Random()  # noqa: S311 - not for secrets
        while not self._stop.wait(pause_s * vary.uniform(0.5, 1.0)):
            begun = self._clock()
            try:
                trouble = self._attempt()
            except Exception as error:  # noqa: BLE001 - whatever a driver does, the camera may come back
                _log.exception("%s failed", self.address)
                trouble = f"It failed: {error}"
            if self._stop.is_set():
                return
            if trouble != self._trouble:
                _log.warning("%s: %s", self.address, trouble)
            self._trouble = trouble
            sound = self._clock() - begun > SOUND_AFTER_S and self._last_picture > begun
            pause_s = FIRST_PAUSE_S if sound or not pause_s else min(2 * pause_s, LONGEST_PAUSE_S)

    def _attempt(self) -> str:
        """Read until it ends; returns why it did."""
        feed = self._connect()
        try:
            if not feed.is_open:
                return self._explain()
            return self._read(feed)
        finally:
            feed.close()

    def _read(self, feed: Feed) -> str:
        begun = self._clock()
        due = 0.0
        while not self._stop.is_set():
            if not feed.grab():
                sent = self._last_picture >= begun
                return "It has stopped sending pictures." if sent else "It sends nothing that is a picture."
            now, awake_s = time.monotonic(), self._clock()
            if now < due:
                self._last_picture = awake_s
                continue
            if (picture := feed.picture()) is None:
                continue
            due = max(due + self._every_s, now)
            if self._before is None or not picture.same_as(self._before):
                self._last_change = awake_s
            self._last_picture = self._last_look = awake_s
            self._before = picture
            self._hand_over(picture)
        return ""

    def _hand_over(self, picture: Picture) -> None:
        with self._changed:
            if self._newest is not None:
                self.dropped += 1
            self._count += 1
            self._newest = self._count, picture
            self._changed.notify()
        if self._trouble is not None:
            _log.info("%s gives pictures", self.address)
            self._trouble = None


class CameraSource(LiveSource):
    """A camera of this machine (v4l2): ``0``, ``/dev/video0``, or a name of it under ``/dev/v4l``.

    :raises InputInvalid: the location is neither, or it is to be read once.
    """

    @staticmethod
    def check(location: str) -> None:
        """:raises InputInvalid: neither a number nor a device."""
        if not _DEVICE.fullmatch(location):
            raise InputInvalid(f"A camera is a number or a device such as /dev/video0, not {location!r}.")

    @staticmethod
    def public(location: str) -> str:
        return location

    def __init__(self, location: str, memory: Path, options: SourceOptions) -> None:
        self.check(location)
        _check_endless(options)
        device = f"/dev/video{location}" if location.isdigit() else location
        super().__init__(
            f"camera:{location}",
            fps=options.fps,
            connect=lambda: Capture(device, cv2.CAP_V4L2),
            explain=lambda: why_no_camera(Path(device)),
        )


class StreamSource(LiveSource):
    """A camera in the network: RTSP, or MJPEG over HTTP.

    :raises InputInvalid: the location is no such URL, or it is to be read once.
    """

    @staticmethod
    def check(location: str) -> None:
        """:raises InputInvalid: not the URL of a stream."""
        check_url(location)

    @staticmethod
    def public(location: str) -> str:
        return without_secrets(location)

    def __init__(self, location: str, memory: Path, options: SourceOptions) -> None:
        self.check(location)
        _check_endless(options)
        super().__init__(
            f"stream:{without_secrets(location)}",
            fps=options.fps,
            connect=lambda: Capture(location, cv2.CAP_FFMPEG, network=True),
            explain=lambda: why_no_stream(location),
        )


def _check_endless(options: SourceOptions) -> None:
    if options.once:
        raise InputInvalid("A camera never comes to its end, so it cannot be read once.")
