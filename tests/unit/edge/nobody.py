"""The rights of a file mean nothing to root: what tests them gives that up for a while."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

_VERSION_3 = 0x20080522
_DAC = 1 << 1 | 1 << 2
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH."""


@contextmanager
def as_nobody() -> Iterator[Path]:
    """A folder of one's own, and no more rights in it than its owner has: for this thread and those it starts."""
    with TemporaryDirectory() as name:
        libc = ctypes.CDLL(None, use_errno=True)
        header = (ctypes.c_uint32 * 2)(_VERSION_3, 0)
        held = (ctypes.c_uint32 * 6)()
        assert libc.capget(header, held) == 0
        fewer = (ctypes.c_uint32 * 6)(*held)
        fewer[0] &= ~_DAC
        assert libc.capset(header, fewer) == 0
        try:
            yield Path(name)
        finally:
            assert libc.capset(header, held) == 0
