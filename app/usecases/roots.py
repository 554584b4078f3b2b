"""Roots on their way: every contact of a desktop with a box or with the object store levels them, both ways."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from app.fleet.client import BoxClient
from app.store import boxes as box_store
from app.store.records import Box
from app.usecases import signatures
from app.usecases.parted import Newer, newer_there, require_none_returns
from edge_runtime.contracts.errors import BoxRefused, BoxWrongKey, InputInvalid, NotFound, ObjectMissing, TrustRefused
from edge_runtime.contracts.status import BoxStatus
from edge_runtime.identity import Identity, load_identity
from edge_runtime.update.parted import Chain
from edge_runtime.update.roots import MAX_ROOT_BYTES, RootFacts, follow, read_root

if TYPE_CHECKING:
    from app.context import Context
    from cloud_sync.objects import ObjectStore
    from cloud_sync.release.site_roots import SiteRoots


def level(ctx: Context, box: Box, client: BoxClient, there: int, digest: str) -> int:
    """Bring the box the roots that it lacks, or take those over that this desktop lacks; returns the number that both
    have now.

    :param there: the newest root of the box; 0: a box that does not tell, which is left as it is.
    :param digest: sha256 of that root; empty where the box does not tell.
    :raises TrustRefused: the two have different roots of one number, or were changed apart and somebody who was struck
        off would come back.
    """
    roots = ctx.roots()
    here = roots.version
    if there == 0:
        return there
    if there == here:
        if digest not in ("", roots.facts.digest):
            raise _two_at_once(box.name, here)
        return here
    if there < here:
        require_none_returns(roots, Chain(read_root(client.root(there)), client.root), box.name)
        _bring(client, roots, there)
        _note(ctx, "trust.root-delivered", box.box, f"Brought root {here} to {box.name}.")
        return here
    words = f"Took root {there} over from {box.name}."
    if _other_root(client, here, roots.newest):
        words += f" It takes the place of another root {here}, which was made here: make that change again."
    newer_there(roots, client.root, box.name, until=there).adopt()
    _note(ctx, "trust.root-adopted", box.box, words)
    return there


def _bring(client: BoxClient, roots: SiteRoots, there: int) -> None:
    """All roots after this one. The box takes none that brings somebody back, and waits for one that does not: of this
    desktop's that need be the newest alone.

    :raises TrustRefused: it took no newer one; why it did not take the first.
    """
    refused: TrustRefused | None = None
    for version in range(there + 1, roots.version + 1):
        try:
            client.put_root(version, roots.body(version))
        except TrustRefused as error:
            refused = refused or error
        else:
            refused = None
    if refused is not None:
        raise refused


def ask_status(ctx: Context, box: Box, client: BoxClient) -> BoxStatus:
    """How the box is, after the roots of both were levelled.

    :raises TrustRefused: the two have different roots of one number.
    :raises BoxWrongKey: the box says that it is another one.
    """
    status = client.status()
    # Its key proves who it is; one that was given a new identity a moment ago names the one of before, too.
    if box.box not in (status.box, *status.former):
        raise BoxWrongKey(f"{box.name} ({box.box[:12]}) says that it is the box {status.box[:12]}.")
    rooted = level(ctx, box, client, status.root, status.root_digest) != status.root
    if rooted:
        try:
            status = client.status()
        except BoxRefused:
            own = ctx.roots()
            if ctx.identity.fingerprint in own.desktops():
                raise
            # The root that it has just taken struck this desktop off: that the box has heard of it is the last that is
            # known of it here.
            return replace(status, root=own.version, root_digest=own.facts.digest)
    if rooted or (status.runtime and status.runtime.unsigned):
        signatures.renew(ctx, box, client, status, rooted=rooted)
    return status


def introduce(ctx: Context, box: Box, identity: Identity) -> None:
    """Bring a box that does not know this desktop's keys the newest root, as somebody whom it does know: with the keys
    of before.

    :raises BoxRefused: it does not know that one either.
    """
    with BoxClient(box.address, box.certificate, identity) as client:
        there = client.newest_root()
        level(ctx, box, client, there, hashlib.sha256(client.root(there)).hexdigest() if there else "")


def _other_root(client: BoxClient, version: int, body: bytes) -> bool:
    """Whether a box has another root of this number; not where it has none, because it was enrolled later."""
    try:
        return client.root(version) != body
    except NotFound:
        return False


def connect(ctx: Context, box: Box) -> BoxClient:
    """A connection to a box; one that knows this desktop by its keys of before learns of the new ones first."""
    client = BoxClient(box.address, box.certificate, ctx.identity)
    if (former := ctx.places.former_keys) and is_pending(box, ctx.roots().facts):
        # The oldest first: the root that ends those, once the box has it, lets in those after them.
        for keys in former:
            with suppress(BoxRefused, InputInvalid, NotFound):
                introduce(ctx, box, load_identity(keys))
    return client


def is_pending(box: Box, newest: RootFacts) -> bool:
    """Whether a box has not heard of the newest root, as far as is known here."""
    status = box.status
    if status is None:
        return True
    return status.root > 0 and (status.root != newest.version or status.root_digest not in ("", newest.digest))


def forget_former_keys(ctx: Context) -> None:
    """Once every box knows the new keys, nobody needs those of before."""
    newest = ctx.roots().facts
    former = ctx.places.former_keys
    if former and not any(is_pending(box, newest) for box in box_store.list_boxes(ctx.database)):
        for keys in former:
            shutil.rmtree(keys, ignore_errors=True)


def level_with_store(ctx: Context, store: ObjectStore, prefix: str) -> None:
    """As :func:`level`, with the object store of the site. What lies there is hostile until it follows from the root
    here; of two roots of one number the one that is there stays.

    :raises TrustRefused: what is there does not follow, or somebody who was struck off would come back; or another root
        of the newest number is there.
    """
    roots, there = adopt_from_store(ctx, newer_in_store(ctx, store, prefix)), _roots_in(store, prefix)
    names = set(store.children(_folder(prefix)).objects)
    lacking = [version for version in range(1, roots.version + 1) if _name(version) not in names]
    _require_one_branch(roots, there, lacking)
    # The lowest first: whatever cuts this short, there is no root above one that is missing.
    for version in lacking:
        with suppress(NotFound):
            store.put(_key(prefix, version), roots.body(version))


def _require_one_branch(roots: SiteRoots, there: Callable[[int], bytes], lacking: Sequence[int]) -> None:
    """Before roots are put to those that are in the object store: whether one of these was made elsewhere.

    :param lacking: the numbers that are not there, in order. Below the first of them nothing is between two roots.
    :raises TrustRefused: somebody would come back, or it is another one of the newest number.
    """
    for version in sorted(set(range(1, roots.version + 1)) - set(lacking), reverse=True):
        try:
            body = there(version)
        except (NotFound, InputInvalid):
            continue
        if body != roots.body(version):
            if not _may_stand(roots, version, body):
                continue
            if version == roots.version:
                raise _two_at_once("The object store", version)
            # It stays: what is put above it goes for all.
            require_none_returns(roots, Chain(read_root(body), there), "the object store")
            return
        if not lacking or version < lacking[0]:
            return


def newer_in_store(ctx: Context, store: ObjectStore, prefix: str) -> Newer:
    """What :func:`level_with_store` would take over from there; nothing is written.

    :raises TrustRefused: as there.
    """
    return newer_there(ctx.roots(), _roots_in(store, prefix), "the object store")


def adopt_from_store(ctx: Context, newer: Newer) -> SiteRoots:
    """Take it over; the roots here afterwards."""
    roots = newer.adopt()
    if newer.bodies:
        words = f"Took root {roots.version} over from the object store."
        _note(ctx, "trust.root-adopted", roots.facts.digest, words)
    return roots


def _roots_in(store: ObjectStore, prefix: str) -> Callable[[int], bytes]:
    """Gives the roots that lie there by number; raises NotFound for one that does not."""

    def there(version: int) -> bytes:
        try:
            return store.get(_key(prefix, version), max_bytes=MAX_ROOT_BYTES)
        except ObjectMissing as error:
            raise NotFound(f"The object store has no root {version}.") from error

    return there


def _may_stand(roots: SiteRoots, version: int, body: bytes) -> bool:
    """Whether a root of the site's may be this one; whatever else lies in its place decides nothing."""
    try:
        follow(roots.body(version - 1), body)
    except (TrustRefused, InputInvalid, NotFound):
        return False
    return True


def _two_at_once(name: str, version: int) -> TrustRefused:
    return TrustRefused(
        f"{name} has another root {version} than this desktop: two people changed the keys at once.",
        hint="Join the two with `lineside site introduce BOX` and the root key, with a box that has the other one: "
        "whoever was struck off on either side stays out.",
    )


def _folder(prefix: str) -> str:
    return f"{prefix}/roots"


def _name(version: int) -> str:
    return f"{version}.root.json"


def _key(prefix: str, version: int) -> str:
    return f"{_folder(prefix)}/{_name(version)}"


def _note(ctx: Context, kind: str, subject: str, words: str) -> None:
    ctx.database.write(lambda writer: writer.activity(kind, subject, words))
