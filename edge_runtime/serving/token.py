"""The token that programs on other machines must know."""

from __future__ import annotations

import hmac
import os
import stat
from pathlib import Path

from edge_runtime.contracts.errors import InputInvalid

MIN_CHARACTERS, MAX_CHARACTERS = 16, 4096


def read_token(path: str) -> str:
    """The one line of a file that nobody but its owner may read.

    :raises InputInvalid: it cannot be read, others may read it, or it holds no token.
    """
    try:
        with Path(path).open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(MAX_CHARACTERS + 2).decode("ascii", "replace").strip()
    except OSError as error:
        raise InputInvalid(f"The token's file {path} cannot be read: {error.strerror}.") from error
    if os.name != "nt" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise InputInvalid(f"The token's file {path} can be read by others.", hint=f"Run: chmod 600 {path}")
    if not MIN_CHARACTERS <= len(text) <= MAX_CHARACTERS or not text.isprintable() or " " in text or not text.isascii():
        raise InputInvalid(f"The token in {path} must be one line of {MIN_CHARACTERS} or more visible characters.")
    return text


def bears(authorization: bytes, token: bytes) -> bool:
    """Whether this is what stands in ``Authorization`` of whoever knows the token; a wrong one takes as long to refuse
    wherever it differs."""
    scheme, _, given = authorization.partition(b" ")
    return hmac.compare_digest(given.strip(b" "), token) and scheme.lower() == b"bearer"
