"""Bringing a file to a box: what it has, making one from another, and one box that hands it to the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, Literal

from msgspec import Meta

from edge_runtime.contracts.rows import Count, Digest

MAX_PIECE_BYTES: Final = 256 * 1024
"""Of ``GET /v1/objects/SHA256/bytes``, in one answer."""
MAX_HANDOVER_S: Final = 3600
LEAST_BYTES_PER_S: Final = 16 * 1024
"""Of a neighbour, where it is not said: slower ones are a burden, or do it on purpose."""

_Certificate = Annotated[str, Meta(max_length=16 * 1024)]
_Seconds = Annotated[int, Meta(ge=0, le=MAX_HANDOVER_S)]
FetchState = Literal["running", "done", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchStatus:
    """How a box gets on that fetches a file from a neighbour."""

    state: FetchState
    reason: str | None = None
    """Why it failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectState:
    """The answer to ``GET /v1/objects/SHA256``, with ``size`` of the whole where the asker knows it."""

    have: Count
    """Bytes that are there: where a sender goes on."""
    complete: bool
    """It is there whole: delivered, or as a model that the box runs or ran."""
    gap: Count | None = None
    """So many bytes are missing there, and what follows them is there; None: all that follows is missing."""
    fetch: FetchStatus | None = None
    """Of the last time that it was told to fetch it; nothing after a restart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """The answer to a piece of a file, and to a file that was made."""

    have: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeRequest:
    """``POST /v1/objects/SHA256/make``: make the file from one that the box has and a patch that was delivered."""

    base: Digest
    patch: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestRequest:
    """``POST /v1/guests``: another box may read one file here, and nothing else."""

    certificate: _Certificate
    """PEM of that box."""
    sha256: Digest
    seconds: _Seconds
    """From now on; 0: not any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchRequest:
    """``POST /v1/objects/SHA256/fetch``: get the file from another box, which was told to let this one read it."""

    host: Annotated[str, Meta(min_length=1, max_length=253)]
    port: Annotated[int, Meta(ge=1, le=65535)]
    certificate: _Certificate
    """PEM of that box; nobody else is asked."""
    size: Annotated[int, Meta(ge=1)]
    seconds: _Seconds
    """After which it is given up."""
    least_bytes_per_s: Annotated[int, Meta(ge=1)] = LEAST_BYTES_PER_S
    """A neighbour that is slower for a while is given up."""
