"""A box's clock, as a desktop measures and sets it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from edge_runtime.contracts.rows import Count, Moment

LATEST_MS = 7_258_118_400_000
"""The year 2200: no system takes much later ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxClock:
    """The answer to ``GET`` and ``POST /v1/clock``."""

    at_ms: Moment
    """The box's clock, milliseconds since 1970."""
    floor_ms: Count = 0
    """It takes no time before this: its software was built then, or a release that it accepted was signed."""
    may_set: bool = False
    """The system lets the box's process set the clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetClock:
    """``POST /v1/clock``: this is the time now."""

    at_ms: Annotated[int, Meta(ge=0, le=LATEST_MS)]
