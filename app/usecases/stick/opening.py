"""Whose stick it is: found out before anything on it is believed, or written to it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.usecases.visits import seal
from edge_runtime.contracts.errors import InputInvalid, ObjectMissing
from edge_runtime.contracts.stick_errors import StickBusy, StickForeign, StickMissing, StickUnsigned
from edge_runtime.identity import fingerprint_of

if TYPE_CHECKING:
    from app.context import Context
    from cloud_sync.objects import ObjectStore
    from cloud_sync.stick.header import Facts, Header

FOLDER = "lineside"
"""Of a stick, so that nothing of ours lies between a person's own files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stick:
    """One that belongs to this site."""

    store: ObjectStore
    folder: Path
    header: Header | None
    """None: nothing was exported to it yet."""
    prefix: str

    @property
    def block_bytes(self) -> int:
        """What a file of one byte takes."""
        if not hasattr(os, "statvfs"):
            return 2**15
        return os.statvfs(self.folder).f_frsize


@contextmanager
def opened(ctx: Context, given: Path, *, new: bool) -> Iterator[Stick]:
    """The stick in this folder.

    :param given: the stick itself, or the folder on it that an export made.
    :param new: nothing needs to have been exported to it; the folder is made, in one that is there.
    :raises StickMissing: nothing was exported to it, or the folder is not there.
    :raises StickForeign, StickTooNew, StickDamaged: it is not for this site, or not for this version.
    """
    from cloud_sync.objects.folder import FolderStore
    from cloud_sync.stick.header import HEADER_KEY, MAX_HEADER_BYTES, decode_header

    if not given.is_dir():
        raise StickMissing(f"There is no folder {given}.", hint="Check that the stick is plugged in and mounted.")
    folder = given if (given / HEADER_KEY).is_file() else given / FOLDER
    if not new and not folder.is_dir():
        raise StickMissing(f"Nothing of Lineside is in {given}.")
    store = FolderStore(folder)
    header = None
    try:
        header = decode_header(store.get(HEADER_KEY, max_bytes=MAX_HEADER_BYTES))
    except ObjectMissing as error:
        if not new:
            raise StickMissing(f"Nothing of Lineside is in {given}.") from error
        if next(store.list(""), None) is not None:
            raise InputInvalid(
                f"{folder} holds files, and none of them says of which site they are.", hint="Choose another folder."
            ) from error
    if header is not None and header.facts.site != ctx.site.site:
        raise StickForeign(
            f"{folder} belongs to the site {header.facts.name!r} ({header.facts.site[:12]}); this desktop is of "
            f"{ctx.site.name!r} ({ctx.site.site[:12]})."
        )
    yield Stick(store=store, folder=folder, header=header, prefix=f"sites/{ctx.site.site}")


def sign_header(ctx: Context, facts: Facts) -> bytes:
    """The header as this desktop writes it."""
    from cloud_sync.stick.header import encode_header

    return encode_header(facts, ctx.identity.certificate_pem, seal.sign(ctx.identity, "stick", facts.signed))


def require_signed(ctx: Context, header: Header) -> None:
    """:raises StickUnsigned: no desktop of the site, as its roots are known here, answers for the header."""
    listed = ctx.roots().facts.desktops
    try:
        fingerprint = fingerprint_of(header.certificate)
    except InputInvalid as error:
        raise StickUnsigned(f"The stick's header is signed by nobody: {error.message}") from error
    if listed is not None and fingerprint not in listed:
        raise StickUnsigned(f"The desktop that wrote this stick ({fingerprint[:12]}) is none of the site's.")
    if not seal.is_signed(header.certificate, "stick", header.facts.signed, header.signature):
        raise StickUnsigned("The stick's header was changed after it was written.")


@contextmanager
def alone(ctx: Context) -> Iterator[None]:
    """:raises StickBusy: another window or command of this desktop exports or imports."""
    from filelock import FileLock, Timeout

    lock = FileLock(ctx.places.home / "stick.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise StickBusy("Another window or command of this desktop exports or imports.") from error
    try:
        yield
    finally:
        lock.release()
