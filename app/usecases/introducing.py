"""Boxes that do not know this desktop learn of it from whoever holds the site's root key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from app.context import changing_keys
from app.fleet.client import BoxClient
from app.fleet.failures import problems_of
from app.store import boxes as box_store
from app.store.records import Box
from app.usecases import roots, trust
from app.usecases.crew import side_by_side
from app.usecases.parted import chain_of
from edge_runtime.contracts.errors import (
    BoxRefused,
    InputInvalid,
    LinesideError,
    NotFound,
    NotIntroduced,
    RootKeyWrong,
    TrustRefused,
)
from edge_runtime.update.parted import Chain, who_returns
from edge_runtime.update.roots import RootFacts, is_signed_by, read_root

if TYPE_CHECKING:
    from pathlib import Path

    from app.context import Context
    from cloud_sync.release.root_key import RootKey

Told = Callable[[str, str | None], None]
"""Called for each box with its name, and with why it did not take the root; None: it has it now."""


def introduce_all(ctx: Context, names: list[str], *, root_key: Path, passphrase: str, told: Told) -> dict[str, str]:
    """Bring boxes that do not know this desktop a root that lists it, with the root key as the proof; returns why boxes
    did not take it, by name.

    :param names: of the boxes; empty: all that have not heard of the newest root.
    :raises NotIntroduced: there were some, and none took it.
    :raises PassphraseWrong, RootKeyWrong, NotFound: the root key cannot be used; nothing was changed.
    """
    chosen = [box_store.get_box(ctx.database, name) for name in names]
    if not names:
        newest = ctx.roots().facts
        chosen = [box for box in box_store.list_boxes(ctx.database) if roots.is_pending(box, newest)]
    with changing_keys(ctx.places):
        key = _any_root_key(ctx, root_key, passphrase)
    reasons = introduce_with(ctx, chosen, key, told=told)
    if chosen and len(reasons) == len(chosen):
        raise NotIntroduced(" ".join(f"{name}: {reason}" for name, reason in reasons.items()))
    return reasons


def _any_root_key(ctx: Context, root_key: Path, passphrase: str) -> RootKey:
    """Also one that was replaced: it signs nothing any more, and a box that was off meanwhile knows no other holder."""
    from cloud_sync.release.root_key import open_key, sealed_key

    try:
        return trust.unlock_root(ctx, root_key, passphrase)
    except RootKeyWrong:
        key = open_key(sealed_key(root_key), passphrase, root_key.name)
        ctx.roots().certificate_of(key.keyid)
        return key


def introduce_with(ctx: Context, chosen: Sequence[Box], key: RootKey, *, told: Told) -> dict[str, str]:
    """As :func:`introduce_all`, with a key that is open already; none may have taken it."""
    certificate = ctx.roots().certificate_of(key.keyid)
    if certificate is None:
        raise InputInvalid("The site's root is of before: boxes do not know the root key yet.", hint="Enrol them anew.")

    def tell(box: Box) -> str | None:
        try:
            with problems_of(box.address), BoxClient(box.address, box.certificate, identity) as client:
                _introduce(ctx, box, client, key)
        except LinesideError as error:
            return str(error)
        return None

    reasons = {}
    with trust.root_identity(key, certificate) as identity:
        for box, reason in side_by_side(tell, chosen, "introduce"):
            told(box.name, reason)
            if reason is not None:
                reasons[box.name] = reason
    return reasons


def _introduce(ctx: Context, box: Box, client: BoxClient, key: RootKey) -> None:
    """Afterwards the box's newest root is this desktop's, byte for byte, and lists it.

    :raises TrustRefused: it cannot be so.
    """
    there = client.newest_root()
    if not there:
        raise TrustRefused("It belongs to no site yet.", hint="Enrol it.")
    theirs = client.root(there)
    # Two at once, of this desktop, would each make a root of one number.
    with changing_keys(ctx.places):
        _settle(ctx, box, client, there, theirs, key)
    own = ctx.roots()
    if ctx.identity.fingerprint not in own.desktops():
        raise TrustRefused(
            f"Root {own.version} of the site, which it has, does not list this desktop: it was struck off.",
            hint="Have it admitted again.",
        )
    lacked = range(there + 1, own.version + 1)
    for version in lacked:
        try:
            client.put_root(version, own.body(version))
        except BoxRefused as error:
            if version == lacked[0] or key.keyid in own.keyids:
                raise
            raise TrustRefused(
                f"It has root {version - 1} now, and with that it does not know this root key any more.",
                hint="Introduce it once more, with the root key that took its place.",
            ) from error
    if client.root(own.version) != own.newest or client.newest_root() != own.version:
        raise TrustRefused(f"It did not take root {own.version}.")
    if lacked:
        words = f"Brought root {own.version} to {box.name} with the root key."
        ctx.database.write(lambda writer: writer.activity("trust.root-delivered", box.box, words))


def _settle(ctx: Context, box: Box, client: BoxClient, there: int, theirs: bytes, key: RootKey) -> None:
    """Afterwards this desktop's newest root is the one of the box, or may follow it there. Call it while
    :func:`changing_keys`.
    """
    own = ctx.roots()
    newer = there > own.version
    if not newer and theirs == own.body(there):
        return
    facts = read_root(theirs)
    if facts.version != there or not is_signed_by(own.newest if newer else own.body(there), theirs):
        raise TrustRefused(f"What it has as root {there} is not signed with this root key.")
    # First: what it has in the place of ours decides nothing before it is known to be the site's.
    goes_on = newer and _has(client, own.version, own.newest)
    there_too = Chain(facts, client.root)
    returning = who_returns(chain_of(own), there_too)
    listed_there = ctx.identity.fingerprint in (facts.desktops or {})
    leads_there = newer and all(there_too.get(version) is not None for version in range(own.version + 1, there))
    if leads_there and not returning and (goes_on or listed_there):
        # Made after this desktop's newest one, with the root key: it counts, whomever it strikes off.
        roots.level(ctx, box, client, there, facts.digest)
    elif there >= own.version or returning:
        _climb(ctx, box, facts, key)


def _has(client: BoxClient, version: int, body: bytes) -> bool:
    """Whether the box's roots go on from this one.

    :raises TrustRefused: what it has in its place is no root of the site.
    """
    try:
        theirs = client.root(version)
    except NotFound:
        return False
    if theirs != body and not is_signed_by(body, theirs):
        raise TrustRefused(f"What it has as root {version} is not signed with this root key.")
    return theirs == body


def _climb(ctx: Context, box: Box, theirs: RootFacts, key: RootKey) -> None:
    """Make roots until one is above ours and above that of the box, which was made beside it. Whom either of the two
    does not list stays out: what one of them struck off must not come back.

    Each of the roots lists this desktop, so that it may be cut short anywhere.
    """
    own = ctx.roots()
    here, listed = ctx.identity.fingerprint, own.desktops()
    if here not in listed:
        raise TrustRefused("This desktop is not one of the site's any more.", hint="Have it admitted again.")
    kept = {
        fingerprint: desktop
        for fingerprint, desktop in listed.items()
        if fingerprint == here or fingerprint in (theirs.desktops or {})
    }
    names = ", ".join(sorted(desktop.name for desktop in kept.values()))
    above = max(own.version, theirs.version) + 1
    words = f"{box.name} has another root {theirs.version}. Root {above} takes its place and lists {names}."
    with trust.noted(ctx, "trust.roots-joined", box.box, words):
        while ctx.roots().version < above:
            trust.sign_root(ctx, kept, key)
