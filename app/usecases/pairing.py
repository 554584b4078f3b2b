"""Enrolling a box that was imaged in advance, by its one-time code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.fleet.client import BoxClient
from app.fleet.pairing import PairingAddress, ask_who, pair, read_address
from app.store import boxes as box_store
from app.store.records import Box
from app.usecases.boxes import enter_box, refresh, require_free_name
from edge_runtime.config import join_address
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import (
    BoxUnreachable,
    InputInvalid,
    LinesideError,
    PairingInterrupted,
    PairingNotOffered,
)
from edge_runtime.contracts.rows import Count, Digest, Name
from edge_runtime.pairing.code import read_code
from edge_runtime.pairing.messages import BoxFacts, BoxHello, DesktopFacts
from edge_runtime.update.durable import write_durably
from edge_runtime.update.roots import to_be_brought

if TYPE_CHECKING:
    from app.context import Context


@dataclass(frozen=True, slots=True, kw_only=True)
class Half:
    """A box that has proved who it is, and may trust this desktop or not: the last word was not heard yet."""

    box: Digest
    name: Name
    certificate: str
    port: Count


def pair_box(ctx: Context, address: str, code: Callable[[BoxHello], str]) -> Box:
    """Enrol the box at ``address`` by its one-time code.

    Cut off anywhere, it is simply done again: where the box trusts this desktop already, no code is asked for.

    :param address: ``host`` or ``host:port`` of where it takes its code.
    :param code: gives the code, typed as it may be, for the box that greets there.
    :raises AlreadyExists: another box has its name.
    :raises PairingNotOffered: the box takes no code, or there is none.
    :raises PairingCodeWrong, PairingPaused, PairingInterrupted: see there; a try may be used up.
    """
    where = read_address(address)
    try:
        hello = ask_who(where)
    except (PairingNotOffered, BoxUnreachable):
        if box := _finish_half(ctx, where):
            return box
        raise
    require_free_name(ctx, hello.box, hello.name)
    *before, root = to_be_brought(ctx.roots().chain())
    desktop = DesktopFacts(certificate=ctx.identity.certificate_pem, root=root, before=tuple(before))
    try:
        pair(
            where,
            read_code(code(hello)),
            desktop,
            shown=hello,
            check=lambda box, facts: require_free_name(ctx, box, facts.name),
            keep=lambda box, facts: _keep(ctx, box, facts),
        )
    except PairingInterrupted:
        # Perhaps only the last word was lost.
        if box := _finish_half(ctx, where, only=hello.box):
            return box
        raise
    return _enter(ctx, _read_half(_half_path(ctx, hello.box)), where)


def _keep(ctx: Context, box: str, facts: BoxFacts) -> None:
    half = Half(box=box, name=facts.name, certificate=facts.certificate, port=facts.port)
    write_durably(_half_path(ctx, box), [wire.encode(half)], mode=0o600)


def _finish_half(ctx: Context, where: PairingAddress, *, only: str | None = None) -> Box | None:
    """The box there, where it trusts this desktop already: mutual TLS proves that, and both keys.

    :param only: the id that the box has; None: any with which a pairing was cut off.
    """
    for path in sorted((ctx.home / "pairing").glob("*.json")):
        if only is not None and path.stem != only:
            continue
        try:
            half = _read_half(path)
            with BoxClient(join_address(where.host, half.port), half.certificate, ctx.identity) as client:
                client.status()
        except LinesideError:
            continue
        return _enter(ctx, half, where)
    return None


def _enter(ctx: Context, half: Half, where: PairingAddress) -> Box:
    require_free_name(ctx, half.box, half.name)
    address = join_address(where.host, half.port)
    box = enter_box(ctx, box=half.box, name=half.name, address=address, certificate=half.certificate)
    _half_path(ctx, half.box).unlink(missing_ok=True)
    # The first call over mutual TLS: what it says, or why it says nothing, stands in the record.
    refresh(ctx, box.box)
    return box_store.get_box(ctx.database, box.box)


def _half_path(ctx: Context, box: str) -> Path:
    return ctx.home / "pairing" / f"{box}.json"


def _read_half(path: Path) -> Half:
    """:raises InputInvalid: it is damaged."""
    try:
        return wire.decode(path.read_bytes(), Half, what="half of a pairing")
    except OSError as error:
        raise InputInvalid(f"{path} cannot be read: {error.strerror}.") from error
