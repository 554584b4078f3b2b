"""Boxes that were made from one image: told apart, and the copy given an identity of its own."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from app.fleet.client import BoxClient, split_address
from app.fleet.failures import problems_of
from app.store import boxes as box_store
from app.store import sightings as sighting_store
from app.store.activity import RENEWED
from app.store.records import Box
from app.usecases import clone_rules
from app.usecases.boxes import collect, enter_box, get_box, now_ms, refresh, require_free_name
from app.usecases.clone_rules import Clone
from app.usecases.contact import begin_contact
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import (
    AlreadyExists,
    BoxRefused,
    BoxUnreachable,
    BoxWrongKey,
    InputInvalid,
    LinesideError,
    NotFound,
)
from edge_runtime.contracts.renewal import NewIdentity, RenewRequest, RequestId
from edge_runtime.contracts.rows import Name
from edge_runtime.enrolment import require_box_name
from edge_runtime.identity import fingerprint_of
from edge_runtime.update.durable import write_durably

if TYPE_CHECKING:
    from app.context import Context

AT_ONCE = 8
COME_BACK_S = 20.0
"""How long the copy may take to listen with its new key."""
PAUSE_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A renewal that is under way: enough to go on with it, wherever it was cut off."""

    request: RequestId
    box: str = ""
    """The one that was copied; empty: written down by a version of before."""
    address: str = ""
    name: Name | None = None
    new: NewIdentity | None = None
    """What the copy has prepared; before this is written down it does not take it."""


def known_clones(ctx: Context) -> tuple[Clone, ...]:
    """What the contacts up to now tell; nobody is asked."""
    return clone_rules.find_clones(sighting_store.list_sightings(ctx.database))


def look_for_clones(ctx: Context) -> tuple[Clone, ...]:
    """Ask every box at every address where its key has answered, those that may be two in turns."""
    places = {(box.box, box.address) for box in box_store.list_boxes(ctx.database)}
    places |= {(one.box, one.address) for one in sighting_store.list_sightings(ctx.database)}
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="clones") as pool:
        list(pool.map(lambda place: _ask(ctx, *place), sorted(places)))
    doubtful = clone_rules.suspects(sighting_store.list_sightings(ctx.database))
    # In turns, not at once: only who answers before and after another is alive beside it.
    for place in (*doubtful, *doubtful):
        _ask(ctx, *place)
    return known_clones(ctx)


def is_known_copy(ctx: Context, name: str, address: str) -> bool:
    """Whether what was heard shows that the box was copied, and that one of the two answers there; or the one there has
    made a new identity already.

    :raises NotFound: there is no such box.
    """
    box = get_box(ctx, name)
    begun = _read_begun(_begun_path(ctx, box, address))
    if begun is not None and begun.new is not None:
        return True
    return any(
        "key" in clone.marks and (box.box, address) in {(side.box, side.address) for side in clone.sides}
        for clone in known_clones(ctx)
    )


def begun_renewals(ctx: Context) -> tuple[Begun, ...]:
    """The renewals of which the end was not heard: the copy may have its new identity already, and then it is no clone
    any more. To do the same again ends them.
    """
    found = []
    for path in sorted((ctx.home / "renewals").glob("*.json")):
        with suppress(InputInvalid):
            found.append(_read_begun(path))
    known = {box.box for box in box_store.list_boxes(ctx.database)}
    return tuple(begun for begun in found if begun is not None and begun.box in known)


def forget_renewal(ctx: Context, name: str, address: str) -> None:
    """Let go of a renewal that was begun, where the machine was not told to take its new identity.

    :raises NotFound: there is no such box, or none was begun there.
    :raises InputInvalid: the machine may have it already.
    """
    box = get_box(ctx, name)
    path = _begun_path(ctx, box, address)
    begun = _read_begun(path)
    if begun is None:
        raise NotFound(f"No new identity was begun to be given to a copy of {box.name} at {address}.")
    if begun.new is not None:
        raise InputInvalid(
            f"The machine at {address} may have its new identity already, and only what is kept here knows it.",
            hint="Go on with it: do the same again.",
        )
    path.unlink(missing_ok=True)


def renew(ctx: Context, name: str, address: str, *, new_name: str | None = None) -> Box:
    """Give the copy of a box that answers at ``address`` an identity of its own, and enter it as another box.

    It keeps its spool, its models and its configuration. Cut off anywhere, it is simply done again.

    :param new_name: what it is to be called; None: as it is called now, which must not be the name of another box.
    :raises AlreadyExists: another box has its name.
    :raises BoxUnreachable, BoxWrongKey, BoxRefused: no copy of this box answers there.
    """
    box = get_box(ctx, name)
    split_address(address)
    path = _begun_path(ctx, box, address)
    begun = _read_begun(path)
    if new_name is not None:
        new_name = require_box_name(new_name)
        require_free_name(ctx, begun.new.box if begun and begun.new else "", new_name)
    if begun and begun.new and _has_taken(ctx, box, begun.new, address):
        return _enter(ctx, box, begun.new, address, path)
    _collect_original(ctx, box, address)
    if begun is None or (new_name is not None and begun.name != new_name):
        begun = Begun(request=secrets.token_hex(16), box=box.box, address=address, name=new_name)
    with BoxClient(address, box.certificate, ctx.identity) as client:
        # Nothing is kept of an address where nobody has the box's key.
        called = client.status().name
        if begun.name is None:
            _require_other_name(ctx, called)
        # Written down before the box makes anything, so that the same request comes again.
        _write_begun(path, begun)
        new = client.prepare_identity(RenewRequest(request=begun.request, name=begun.name))
        _check(box, new)
        _write_begun(path, replace(begun, new=new))
        client.take_identity(begun.request)
    if not _has_taken(ctx, box, new, address):
        raise BoxRefused(f"The copy at {address} still answers with its old key.", hint="Do the same again.")
    return _enter(ctx, box, new, address, path)


def _ask(ctx: Context, box_id: str, address: str) -> None:
    """Who answers there with this box's key, if anybody does."""
    box = next((one for one in box_store.list_boxes(ctx.database) if one.box == box_id), None)
    if box is None:
        return
    try:
        with problems_of(address), BoxClient(address, box.certificate, ctx.identity) as client:
            begun = begin_contact(ctx, address)
            status = client.status()
            heard = begun.end(status.at_ms)
    except LinesideError as problem:
        if address == box.address:
            box_store.set_status(ctx.database, box_id, problem=problem)
        if address != box.address or isinstance(problem, BoxWrongKey):
            # Whoever was there has moved, or has another key by now; if it comes back, a scan finds it again.
            sighting_store.forget_place(ctx.database, box_id, address)
    else:
        if address == box.address:
            box_store.set_status(ctx.database, box_id, status=status, seen_ms=now_ms(), heard=heard)
        else:
            sighting_store.note_elsewhere(ctx.database, status, heard)


def _collect_original(ctx: Context, box: Box, address: str) -> None:
    """What both have from before the copying is the original's: it is to be here first."""
    if address == box.address:
        return
    try:
        collect(ctx, box.box)
    except LinesideError:
        # It may be off; then what it has comes later, and counts for both.
        return


def _require_other_name(ctx: Context, name: str) -> None:
    try:
        require_free_name(ctx, "", name)
    except AlreadyExists as error:
        raise AlreadyExists(error.message, hint="Give the copy a name of its own: `--name NAME`.") from error


def _check(box: Box, new: NewIdentity) -> None:
    if fingerprint_of(new.certificate) != new.box or new.box == box.box:
        raise BoxRefused("What the box made is no new identity.", hint="Look at the box's log before you go on.")


def _has_taken(ctx: Context, box: Box, new: NewIdentity, address: str) -> bool:
    """Whether the copy has its new identity. It takes a moment to listen again once it has been told to take it.

    :raises BoxUnreachable: it answers with neither.
    """
    until = time.monotonic() + COME_BACK_S
    while True:
        for certificate, who in ((new.certificate, new.box), (box.certificate, box.box)):
            with suppress(LinesideError), BoxClient(address, certificate, ctx.identity) as client:
                if client.status().box == who:
                    return who == new.box
        if time.monotonic() > until:
            raise BoxUnreachable(
                f"The copy at {address} answers neither with its old nor with its new identity.",
                hint="Do the same again once it does: it goes on from here.",
            )
        time.sleep(PAUSE_S)


def _enter(ctx: Context, box: Box, new: NewIdentity, address: str, path: Path) -> Box:
    require_free_name(ctx, new.box, new.name)
    entered = enter_box(ctx, box=new.box, name=new.name, address=address, certificate=new.certificate)
    sighting_store.forget_place(ctx.database, box.box, address)
    others = [one.address for one in sighting_store.list_sightings(ctx.database) if one.box == box.box]
    if address == box.address and others:
        # The one that keeps the identity is the one that answered elsewhere.
        box_store.set_status(ctx.database, box.box, address=others[-1])
    words = f"Gave the copy of {box.name} at {address} an identity of its own: {new.name}, {new.box[:12]}."
    ctx.database.write(lambda w: w.activity(RENEWED, box.box, words))
    path.unlink(missing_ok=True)
    return refresh(ctx, entered.box)[0]


def _begun_path(ctx: Context, box: Box, address: str) -> Path:
    where = hashlib.sha256(f"{box.box} {address}".encode()).hexdigest()
    return ctx.home / "renewals" / f"{where[:32]}.json"


def _read_begun(path: Path) -> Begun | None:
    try:
        return wire.decode(path.read_bytes(), Begun, what="record of a renewal")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputInvalid(f"{path} cannot be read: {error.strerror}.") from error


def _write_begun(path: Path, begun: Begun) -> None:
    write_durably(path, [wire.encode(begun)], mode=0o600)


def names_of(ctx: Context, boxes: Iterable[str]) -> dict[str, str]:
    """What this desktop calls them."""
    known = {box.box: box.name for box in box_store.list_boxes(ctx.database)}
    return {box: known.get(box, box[:12]) for box in boxes}
