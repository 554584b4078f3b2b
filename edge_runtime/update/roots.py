"""The site's root metadata: whom it lists, and whether one may take the place of another.

Bytes in, facts out: nothing here reads a file or a clock. The rules are TUF's own (python-tuf's trusted set): the next
root has the next number and is signed by the keys of the one before it and by its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import InputInvalid, TrustRefused
from edge_runtime.contracts.rows import Digest, Name
from edge_runtime.identity import fingerprint_of

if TYPE_CHECKING:
    from tuf.api.metadata import Metadata, Root

MAX_ROOT_BYTES = 2**20
MOST_BROUGHT = 256
MAX_DESKTOPS = 64
RELEASE_ROLES = ("targets", "snapshot", "timestamp")
FIELD = "lineside"
"""Where a root keeps what TUF does not know of: signed like everything else in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedDesktop:
    """A desktop that the root admits: one certificate for talking to boxes, one key for signing releases."""

    name: Name
    certificate: str
    """PEM."""
    keyid: Digest
    """TUF id of its signing key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RootFacts:
    """What a root says; whether it may be believed is another question."""

    version: int
    digest: str
    """sha256 of its bytes."""
    desktops: dict[str, ListedDesktop] | None
    """By fingerprint. None: a root of the time before it listed desktops."""
    root_certificate: str | None
    """Of the root key itself, PEM: whoever holds that key may bring a box the next root, and nothing else."""
    before: str | None
    """sha256 of the root that it was made after, as that one was signed and kept. None: the first one, or one of an
    earlier release, which does not tell.
    """
    signers: dict[str, frozenset[str]]
    """The TUF ids of the keys that sign releases, by role."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Field:
    desktops: dict[Digest, ListedDesktop] = field(default_factory=dict)
    root_certificate: str | None = None
    before: Digest | None = None


def encode_field(desktops: dict[str, ListedDesktop], root_certificate: str, before: str | None) -> dict[str, Any]:
    """What a root carries under :data:`FIELD`.

    :param before: sha256 of the root that it is made after; None: it is the first one.
    """
    return wire.to_dict(_Field(desktops=desktops, root_certificate=root_certificate, before=before))


def read_root(body: bytes) -> RootFacts:
    """What a root says, without a look at its signatures.

    :raises InputInvalid: it is no root, or its list does not fit its keys.
    """
    if len(body) > MAX_ROOT_BYTES:
        raise InputInvalid(f"Root metadata of {len(body)} bytes is not accepted.")
    try:
        signed = json.loads(body)["signed"]
        kind, version, listed = signed["_type"], signed["version"], signed.get(FIELD)
        signers = {role: frozenset(map(str, signed["roles"][role]["keyids"])) for role in RELEASE_ROLES}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise InputInvalid(f"This is not the root metadata of a site: {error}.") from error
    if kind != "root" or type(version) is not int or version < 1:
        raise InputInvalid("This is metadata of another role, not a root.")
    digest = hashlib.sha256(body).hexdigest()
    if listed is None:
        return RootFacts(
            version=version, digest=digest, desktops=None, root_certificate=None, before=None, signers=signers
        )
    facts = wire.from_dict(listed, _Field, what="list of desktops in the root")
    if not 1 <= len(facts.desktops) <= MAX_DESKTOPS:
        raise InputInvalid(f"A root lists between 1 and {MAX_DESKTOPS} desktops, this one {len(facts.desktops)}.")
    for fingerprint, desktop in facts.desktops.items():
        if fingerprint_of(desktop.certificate) != fingerprint or desktop.keyid not in signers["targets"]:
            raise InputInvalid(f"The root's entry of desktop {fingerprint[:12]} does not fit its keys.")
    if facts.root_certificate is not None:
        fingerprint_of(facts.root_certificate)
    return RootFacts(
        version=version,
        digest=digest,
        desktops=facts.desktops,
        root_certificate=facts.root_certificate,
        before=facts.before,
        signers=signers,
    )


def to_be_brought(chain: Sequence[bytes]) -> list[bytes]:
    """The last of a site's roots, the newest one at the end, as a box is brought them: all of them, but at most
    :data:`MOST_BROUGHT`, and together no more than one root may have.
    """
    found: list[bytes] = []
    room = MAX_ROOT_BYTES
    for body in reversed(chain[-MOST_BROUGHT:]):
        room -= len(body)
        if found and room < 0:
            break
        found.append(body)
    return found[::-1]


def check_root(body: bytes) -> RootFacts:
    """The facts of a root that is signed as it says itself: enough where it comes over a trusted way.

    :raises InputInvalid: it is no such root.
    """
    facts = read_root(body)
    root = _parse(body)
    if not _signed(root, by=root):
        raise InputInvalid("This root metadata is not signed as it says itself.")
    return facts


def follow(trusted: bytes, successor: bytes) -> RootFacts:
    """The facts of a root that may take the place of the trusted one.

    :raises InputInvalid: it is no root.
    :raises TrustRefused: it does not follow from the trusted one.
    """
    facts = read_root(successor)
    before = _parse(trusted)
    if facts.version != before.signed.version + 1:
        raise TrustRefused(
            f"Root {facts.version} does not follow root {before.signed.version}, which is the newest one here.",
            hint="Bring the roots in between first; an older one is never taken back.",
        )
    root = _parse(successor)
    if not _signed(root, by=before) or not _signed(root, by=root):
        raise TrustRefused(
            f"Root {facts.version} is not signed with the root key of this site.",
            hint="Somebody may be trying to pass off keys of their own; nothing was changed.",
        )
    return facts


def is_signed_by(trusted: bytes, body: bytes) -> bool:
    """Whether a root of any number is signed with the root key that the trusted one names: whoever holds that key made
    it, whatever lies between the two.
    """
    return _signed(_parse(body), by=_parse(trusted))


def same_site(one: bytes, other: bytes) -> bool:
    """Whether one of two roots is signed by the root key of the other: they belong to one site, whatever lies between
    them. A root key that was rotated in between hides that.
    """
    first, second = _parse(one), _parse(other)
    return _signed(second, by=first) or _signed(first, by=second)


def _parse(body: bytes) -> Metadata[Root]:
    # Only here: it takes a while to load, and a daemon starts without.
    from tuf.api.exceptions import RepositoryError
    from tuf.api.metadata import Metadata, Root

    try:
        metadata = Metadata[Root].from_bytes(body)
    except (RepositoryError, ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
        raise InputInvalid(f"This is not the root metadata of a site: {error}.") from error
    if not isinstance(metadata.signed, Root):
        raise InputInvalid("This is metadata of another role, not a root.")
    return metadata


def _signed(root: Metadata[Root], *, by: Metadata[Root]) -> bool:
    from tuf.api.exceptions import RepositoryError

    try:
        by.signed.verify_delegate("root", root.signed_bytes, root.signatures)
    except (RepositoryError, ValueError, TypeError, KeyError):
        return False
    return True
