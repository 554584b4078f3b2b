"""A share whose server is gone, as the kernel sees it: a real file system (FUSE) of which nobody answers what is asked.

Whoever looks at it waits in ``stat`` or in the listing itself, and only a kill, or the end of the share, ends that.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import pytest

_DEVICE = "/dev/fuse"
_GETATTR, _INIT, _INTERRUPT = 3, 26, 36
_HEADER, _ANSWER = struct.Struct("<IIQQIIII"), struct.Struct("<IiQ")
_FORCE_AND_DETACH = 3
"""Whoever waits is told, the server too."""


def _is_there() -> bool:
    if os.name == "nt" or os.geteuid() != 0:
        return False
    with suppress(OSError):
        os.close(os.open(_DEVICE, os.O_RDWR))
        return True
    return False


needed = pytest.mark.skipif(not _is_there(), reason="a dead share needs root and /dev/fuse")


class DeadShare:
    """Mounted over a folder, whose files come back when it ends.

    :param knows_folder: what the share's folder looks like is answered (the kernel may still know it), and the rest
        is not.
    """

    def __init__(self, folder: Path, *, knows_folder: bool = False) -> None:
        self._folder = str(folder).encode()
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._device = os.open(_DEVICE, os.O_RDWR)
        options = f"fd={self._device},rootmode=40000,user_id=0,group_id=0,allow_other"
        if self._libc.mount(b"share", self._folder, b"fuse", 0, options.encode()):
            os.close(self._device)
            pytest.skip(f"nothing can be mounted here: {os.strerror(ctypes.get_errno())}")
        self._server = threading.Thread(target=self._answer, args=(knows_folder,), daemon=True)
        self._server.start()

    def __enter__(self) -> DeadShare:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> None:
        """The share is gone, and whoever waited for it is told so; may be called again."""
        if self._device >= 0:
            self._libc.umount2(self._folder, _FORCE_AND_DETACH)
            self._server.join()
            device, self._device = self._device, -1
            os.close(device)

    def _answer(self, knows_folder: bool) -> None:
        device = self._device
        with suppress(OSError):
            while True:
                request = os.read(device, 2**17)
                _, kind, unique, *_ = _HEADER.unpack_from(request)
                if kind == _INIT:
                    body = struct.pack("<IIIIHHIIHHI28x", 7, 31, 2**16, 0, 16, 12, 2**16, 1, 0, 0, 0)
                elif kind == _GETATTR and knows_folder:
                    attributes = (1, 0, 0, 0, 0, 0, 0, 0, 0, stat.S_IFDIR | 0o755, 2, 0, 0, 0, 512, 0)
                    body = struct.pack("<QII6Q10I", 0, 0, 0, *attributes)
                elif kind == _INTERRUPT:
                    # Somebody who waits was killed: that he is let go of is the one thing that such shares do.
                    (unique,) = struct.unpack_from("<Q", request, _HEADER.size)
                    os.write(device, _ANSWER.pack(_ANSWER.size, -errno.EINTR, unique))
                    continue
                else:
                    continue
                os.write(device, _ANSWER.pack(_ANSWER.size + len(body), 0, unique) + body)
