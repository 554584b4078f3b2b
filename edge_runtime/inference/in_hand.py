"""Which frames are in hand, kept where it outlives the process: a frame that hangs or crashes it comes first again
after every restart, and must not do so for ever.

The file is overwritten in place, 33 bytes as a frame is taken up and as it is put down, and never synced: what the
kernel was given outlives a kill, a crash and the watchdog. A power cut may take it along, but is no fault of a frame.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

GIVEN_UP_AFTER = 2
"""Unclean ends that a frame was in hand at."""
HANGS_AFTER_S = 10.0
"""A frame that has been in hand for longer when the box is told to stop is taken for one that hangs."""
CAREFUL_S = 30.0
"""How long the suspects of an end are waited for, to be taken up one by one."""
PLACES = 64
"""Frames in hand at a time that are written down, and as many suspects, the newest."""
_KEY_BYTES = 32
_RECORD = _KEY_BYTES + 1
_NOBODY = b"\0" * _RECORD
_log = logging.getLogger(__name__)


def frame_key(model: str, name: str, digest: str) -> bytes:
    """Names a frame to :class:`InHand`: the same bytes, under the same name, for the same model.

    :param model: bundle id; empty where no model answers.
    :param digest: sha256 of the frame's bytes, in hex.
    """
    return hashlib.sha256(f"{model} {digest} {name}".encode("utf-8", "surrogatepass")).digest()


class InHand:
    """The frames in hand on one line, and how often each was so at an end that nobody had asked for.

    Used by several threads. Where the disk takes nothing, the line goes on without.

    :param path: the line's file, whatever is in it; None where nothing is to be remembered.
    :param blame: false where it is known that something else brought about the last end.
    :param clock: seconds by which it is told what hangs.
    """

    def __init__(self, path: Path | None, *, blame: bool = True, clock: Callable[[], float] = time.monotonic) -> None:
        self.interrupted = False
        """Something was in hand at the last end."""
        self._lock = threading.Lock()
        self._free = list(range(PLACES))
        self._held: dict[int, tuple[bytes, float]] = {}
        self._ends: dict[bytes, int] = {}
        self._fresh: set[bytes] = set()
        """Suspects of the last end that have not come again."""
        self._clock = clock
        self._careful_until = clock() + CAREFUL_S
        self._file: int | None = None
        if path is not None:
            self._open(path, blame)

    @property
    def careful(self) -> bool:
        """Of several frames that were in hand at the last end one is to blame: take them up one at a time."""
        return len(self._fresh) > 1 and self._clock() < self._careful_until

    def ends(self, key: bytes) -> int:
        """At how many unclean ends this frame was in hand; from :data:`GIVEN_UP_AFTER` on it is to be left out."""
        return self._ends.get(key, 0)

    @contextmanager
    def holding(self, key: bytes, *, acquit: bool = True) -> Iterator[None]:
        """The frame is in hand; when this is over, whatever came of it, it has brought nothing down.

        :param acquit: and so is no suspect any more.
        """
        if self._file is None or not self._free:
            yield
            return
        place = self._free.pop()
        self._held[place] = key, self._clock()
        self._write(place, key + bytes([self.ends(key)]))
        try:
            yield
        finally:
            self._held.pop(place, None)
            self._write(place, _NOBODY)
            self._free.append(place)
            if acquit:
                self.acquit(key)

    def stop(self, hangs_after_s: float = HANGS_AFTER_S) -> None:
        """The box is to stop and does not wait: what has only just been taken up is not to blame.

        :param hangs_after_s: whatever was in hand for longer is.
        """
        now = self._clock()
        for place, (_, since) in list(self._held.items()):
            if now - since < hangs_after_s:
                self._write(place, _NOBODY)

    def close(self) -> None:
        with self._lock:
            file, self._file = self._file, None
            if file is not None:
                os.close(file)

    def _open(self, path: Path, blame: bool) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            body = os.pread(self._file, 2 * PLACES * _RECORD, 0)
        except OSError as error:
            _log.warning("frames in hand are not written down: %s", error)
            self.close()
            return
        records = [body[at : at + _RECORD] for at in range(0, len(body) - _RECORD + 1, _RECORD)]
        known = [(record[:_KEY_BYTES], record[_KEY_BYTES]) for record in records if record != _NOBODY]
        suspects = {record[:_KEY_BYTES] for record in records[:PLACES] if record != _NOBODY}
        self.interrupted = bool(suspects)
        # Those in hand stand first in the file: the newest, and the last to be forgotten.
        for key, ends in reversed(known):
            self._ends[key] = max(self._ends.pop(key, 0), min(ends, GIVEN_UP_AFTER))
        if blame:
            for key in suspects:
                self._ends[key] = min(self._ends[key] + 1, GIVEN_UP_AFTER)
            self._fresh = {key for key in suspects if self._ends[key] < GIVEN_UP_AFTER}
        self._write(0, _NOBODY * PLACES + self._suspects())

    def acquit(self, key: bytes) -> None:
        """It is no suspect any more."""
        if key not in self._ends:
            return
        with self._lock:
            self._fresh.discard(key)
            self._ends.pop(key, None)
            suspects = self._suspects()
        self._write(PLACES, suspects)

    def _suspects(self) -> bytes:
        newest = list(self._ends.items())[-PLACES:]
        return b"".join(key + bytes([ends]) for key, ends in reversed(newest)).ljust(PLACES * _RECORD, b"\0")

    def _write(self, place: int, records: bytes) -> None:
        with self._lock:
            if self._file is None:
                return
            try:
                os.pwrite(self._file, records, place * _RECORD)
                return
            except OSError as error:
                _log.warning("frames in hand are written down no more: %s", error)
        self.close()
