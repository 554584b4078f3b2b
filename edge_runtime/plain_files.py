"""Opening and reading a file that somebody else put there."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

_STEP_BYTES = 64 * 1024


def open_plain(path: Path) -> BinaryIO:
    """Open a plain file; neither follow a link nor wait for the other end of a pipe.

    :raises OSError: it cannot be opened, or is something else.
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    handle = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "it is not a plain file")
    return os.fdopen(handle, "rb")


def read_at_most(file: BinaryIO, most: int) -> bytes:
    """The rest of a file, or ``most`` + 1 bytes where there is more. It takes as much memory as there is to read, not
    as there may be at most: Python makes room for all that it is asked for."""
    wanted, left = min(os.fstat(file.fileno()).st_size, most) + 1, most + 1
    pieces: list[bytes] = []
    # Some files are longer than they say, and some are being written to.
    while left > 0 and (piece := file.read(min(wanted, left))):
        pieces.append(piece)
        left -= len(piece)
        wanted = _STEP_BYTES
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
