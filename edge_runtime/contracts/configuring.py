"""The configuration of a box as a desktop reads and changes it over the management channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from edge_runtime.contracts.rows import Count, Digest, Moment

ConfigState = Literal["trial", "in-force", "waiting", "replaced", "returned"]
"""``waiting``: it stands in ``edge.toml`` and counts from the next start; ``returned``: it failed its trial, or
the box crashed again and again with it."""
ConfigOrigin = Literal["found", "sent", "edited", "returned-to", "renamed"]
"""``edited``: by hand, on the box."""
MAX_VERSIONS = 20
Who = Annotated[str, Meta(max_length=64)]
"""Fingerprint of a desktop, or ``box``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigVersion:
    """One text of ``edge.toml``."""

    number: Count
    """Counts up on this box, and never comes again."""
    digest: Digest
    """Of the file as it is, secrets and all, keyed by the box: nobody can try passwords on it."""
    bytes: Count
    at_ms: Moment
    who: Who
    origin: ConfigOrigin
    state: ConfigState
    of: Count | None = None
    """The version whose text it has, where somebody went back to one."""
    counted: bool = True
    """False: an edit by hand that was undone or replaced before it counted."""
    reason: Annotated[str, Meta(max_length=1000)] = ""
    """Why it was given up, or what is amiss with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigHistory:
    """The answer to ``GET /v1/config/versions``, and to every change."""

    versions: Annotated[tuple[ConfigVersion, ...], Meta(max_length=MAX_VERSIONS + 2)] = ()
    """The oldest first."""

    def in_state(self, state: ConfigState) -> ConfigVersion | None:
        """The newest in this state; ``trial``, ``in-force`` and ``waiting`` have one at most."""
        return next((one for one in reversed(self.versions) if one.state == state), None)

    def version(self, number: int) -> ConfigVersion | None:
        return next((one for one in self.versions if one.number == number), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigText:
    """The answer to ``GET /v1/config`` and ``GET /v1/config/versions/N``."""

    toml: str
    """Secrets in addresses of sources are hidden."""
    digest: Digest
    """Of the file as it is, as in :class:`ConfigVersion`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigChange:
    """``PUT /v1/config``: put this text on trial."""

    toml: str
    """Where a secret is hidden, the one that stands there stays."""
    base: Digest
    """What was changed: the digest of ``edge.toml`` as it was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigReturn:
    """``POST /v1/config/roll-back``: put the text of an older version on trial."""

    base: Digest
    version: Count | None = None
    """None: the one that was in force before."""
