"""An edge bundle's manifest, as the box reads it: hostile until its digest is the one that was signed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from edge_runtime.contracts import wire
from edge_runtime.contracts.rows import Digest

MAX_MANIFEST_BYTES = 2**20
MAX_WHEEL_BYTES = 512 * 2**20
PREFIX = "wheels/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """One file of the bundle; not all of them are wheels."""

    path: Annotated[str, Meta(max_length=300)]
    sha256: Digest
    size: Annotated[int, Meta(ge=1, le=MAX_WHEEL_BYTES)]
    pythons: Annotated[tuple[str, ...], Meta(max_length=20)]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeManifest:
    format: Literal[1]
    version: Annotated[str, Meta(pattern=r"^[0-9][0-9A-Za-z.+]{0,49}\Z")]
    arch: Annotated[str, Meta(pattern=r"^[a-z0-9_]{1,20}\Z")]
    pythons: Annotated[tuple[str, ...], Meta(max_length=20)]
    files: Annotated[tuple[Wheel, ...], Meta(max_length=500)]

    def wheels(self, python: str) -> tuple[Wheel, ...]:
        """Those that a box with this Python (``"3.11"``) runs."""
        return tuple(one for one in self.files if one.path.startswith(PREFIX) and python in one.pythons)


def read_manifest(body: bytes) -> RuntimeManifest:
    """:raises InputInvalid: it is none."""
    return wire.decode(body, RuntimeManifest, what="manifest of the edge bundle")
