"""What the C library keeps of memory that was freed."""

from __future__ import annotations

import ctypes
import sys


def give_back_freed_memory() -> None:
    """Let the system have it. Every thread that opens a model allocates in a place of its own, and without this each
    swap leaves about a model's size behind. Takes some milliseconds; where the C library is not glibc nothing happens.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)
