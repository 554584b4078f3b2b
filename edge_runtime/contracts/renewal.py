"""A new identity for a box that was copied, over the management channel: asked for, then taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from edge_runtime.contracts.rows import Digest, Name

RequestId = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")]
"""Drawn by the desktop: the same one again is the same renewal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewRequest:
    """``POST /v1/identity``: make a new key; the one in force stays until it is taken."""

    request: RequestId
    name: Name | None = None
    """What the box is to be called; None: as before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeRequest:
    """``PUT /v1/identity``: the new key is known to the desktop; go on with it."""

    request: RequestId


@dataclass(frozen=True, slots=True, kw_only=True)
class NewIdentity:
    """The answer to both."""

    box: Digest
    name: Name
    certificate: str
