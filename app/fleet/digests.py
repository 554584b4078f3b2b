"""Whether a file is the one that a list promised."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import IO

CHUNK_BYTES = 2**20


def is_promised(
    source: IO[bytes], size: int, sha256: str, *, seen: Callable[[int], None] = lambda _bytes: None
) -> bool:
    """Read a file to its end, or as far as shows that it is another one.

    :param seen: told the bytes of each piece that was read; may raise to stop.
    """
    digest, read = hashlib.sha256(), 0
    while read <= size and (chunk := source.read(CHUNK_BYTES)):
        read += len(chunk)
        digest.update(chunk)
        seen(len(chunk))
    return read == size and digest.hexdigest() == sha256
