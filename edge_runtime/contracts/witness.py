"""A box as the witness of a desktop's own chain: it keeps how far that had come, in the desktop's own signed words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from edge_runtime.contracts.rows import Digest, MaybeDigest

Entry = Annotated[int, Meta(ge=1, le=2**62)]
Signature = Annotated[str, Meta(pattern=r"^[0-9a-f]{128}\Z")]
_SAYS = "lineside: so far this desktop's chain of activity has come"


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityHead:
    """Where a desktop's chain stands, as it says itself."""

    entry: Entry
    digest: Digest
    """Of that entry, which covers all before."""
    signature: Signature
    """Of the desktop's key over :func:`said`, in hex: a box can keep it, and not make it up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TellRequest:
    """``PUT /v1/witness``: the box keeps the head if it lies beyond the one that it has."""

    head: ActivityHead
    after: MaybeDigest = ""
    """Digest of the head that the box has, which this desktop has found in its chain; nothing: the box has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Witnessed:
    """The answer to ``GET`` and ``PUT /v1/witness``: what the box has of the desktop that asks."""

    head: ActivityHead | None = None
    at_ms: int = 0
    """When it was told, by the box's clock."""


def said(desktop: str, entry: int, digest: str) -> bytes:
    """What a desktop signs of its head.

    :param desktop: its fingerprint.
    """
    return "\0".join((_SAYS, desktop, str(entry), digest)).encode()
