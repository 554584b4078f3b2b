"""Versions of the box's own program, as a desktop sees them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from edge_runtime.contracts.rows import Count, Digest
from edge_runtime.contracts.status import RuntimeStatus

RUNTIME_TARGET = r"^lineside-edge/[0-9][0-9A-Za-z.+]{0,49}-[a-z0-9_]{1,20}-[0-9a-f]{12}\.runtime\Z"
KIND: Literal["runtime"] = "runtime"
PROGRAM = "lineside-edge"
"""The name under which its floor stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeFacts:
    """What a desktop signs beside the digest of an edge bundle's manifest: TUF's ``custom``."""

    kind: Literal["runtime"]
    release: Count
    """Second of the build, since 1970."""
    version: Annotated[str, Meta(pattern=r"^[0-9][0-9A-Za-z.+]{0,49}\Z")]
    arch: Annotated[str, Meta(pattern=r"^[a-z0-9_]{1,20}\Z")]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeAnswer:
    """The answer to ``GET /v1/runtime``."""

    status: RuntimeStatus
    arch: Annotated[str, Meta(pattern=r"^[a-z0-9_]{0,20}\Z")]
    python: Annotated[str, Meta(pattern=r"^3\.[0-9]{1,2}\Z")]
    wheels: Annotated[tuple[Digest, ...], Meta(max_length=500)] = ()
    """Those of the base: they need not be brought."""
    free_bytes: Count = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeRequest:
    """``POST /v1/runtime``: put a version on trial whose signatures, manifest and wheels were brought before."""

    target: Annotated[str, Meta(pattern=RUNTIME_TARGET)]
    again: bool = False
    """Even though it was refused here before."""
