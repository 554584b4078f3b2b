"""Whose stick it is: found out before anything on it is believed, or written to it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.usecases.visits import seal
from edge_runtime.contracts.errors import InputInvalid, ObjectMissing
from edge_runtime.contracts.stick_errors import StickBusy, StickForeign, StickMissing, StickPassphrase, StickUnsigned
from edge_runtime.identity import fingerprint_of

if TYPE_CHECKING:
    from app.context import Context
    from cloud_sync.objects import ObjectStore
    from cloud_sync.objects.sealed import SealKeys
    from cloud_sync.stick.header import Facts, Header
    from edge_runtime.update.roots import RootFacts

FOLDER = "lineside"
"""Of a stick, so that nothing of ours lies between a person's own files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stick:
    """One that belongs to this site, open."""

    store: ObjectStore
    """What is on it, in the clear."""
    outer: ObjectStore
    """As it lies there; the header is always in the clear."""
    folder: Path
    header: Header | None
    """None: nothing was exported to it yet."""
    facts: Facts
    """What its header is to say."""
    prefix: str

    @property
    def block_bytes(self) -> int:
        """What a file of one byte takes."""
        if not hasattr(os, "statvfs"):
            return 2**15
        return os.statvfs(self.folder).f_frsize


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What somebody has to know before asking for a passphrase."""

    used: bool
    """Something was exported to it."""
    encrypted: bool


def look(ctx: Context, given: Path) -> Found:
    """What kind of stick this is.

    :param given: the stick itself, or the folder on it that an export made.
    :raises StickMissing: there is no such folder.
    :raises StickForeign, StickTooNew, StickDamaged: it is not for this site, or not for this version.
    """
    try:
        _folder, _store, header = _found(ctx, given, new=False)
    except StickMissing:
        if not given.is_dir():
            raise
        return Found(used=False, encrypted=False)
    return Found(used=header is not None, encrypted=header is not None and header.facts.encryption is not None)


@contextmanager
def opened(ctx: Context, given: Path, *, new: bool, passphrase: str | None) -> Iterator[Stick]:
    """The stick in this folder.

    :param given: as in :func:`look`.
    :param new: nothing needs to have been exported to it: then it is made, and encrypted where there is a passphrase.
    :raises StickMissing: nothing was exported to it, or the folder is not there.
    :raises StickForeign, StickTooNew, StickDamaged: it is not for this site, or not for this version.
    :raises StickPassphrase: it is encrypted, with another passphrase than this.
    :raises InputInvalid: a passphrase for one that is not encrypted.
    """
    from cloud_sync.objects.sealed import SealedStore

    folder, outer, header = _found(ctx, given, new=new)
    facts, keys = _facts(ctx, header, passphrase)
    store: ObjectStore = SealedStore(outer, keys) if keys is not None else outer
    yield Stick(store=store, outer=outer, folder=folder, header=header, facts=facts, prefix=f"sites/{ctx.site.site}")


def _found(ctx: Context, given: Path, *, new: bool) -> tuple[Path, ObjectStore, Header | None]:
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
    return folder, store, header


def _facts(ctx: Context, header: Header | None, passphrase: str | None) -> tuple[Facts, SealKeys | None]:
    from cloud_sync.stick.header import Encryption, Facts, proven
    from cloud_sync.stick.passphrase import SALT_BYTES, StickKeys

    site, name = ctx.site.site, ctx.site.name
    known = header.facts.encryption if header is not None else None
    if header is not None and known is None:
        if passphrase is not None:
            raise InputInvalid(
                "What is on this stick is not encrypted, and several desktops may rely on it.",
                hint="Use another stick, or another folder on it, for an encrypted export; nothing was changed.",
            )
        return Facts(site=site, name=name), None
    if passphrase is None:
        if known is not None:
            raise StickPassphrase("This stick is encrypted.", hint="Give its passphrase.")
        return Facts(site=site, name=name), None
    salt = known.salt if known is not None else secrets.token_hex(SALT_BYTES)
    keys = StickKeys(passphrase, bytes.fromhex(salt))
    if header is not None and known is not None:
        proof = keys.proof(proven(header.facts.site, header.facts.name))
        if not secrets.compare_digest(proof, known.proof):
            raise StickPassphrase("This passphrase is not the one with which the stick was encrypted.")
    encryption = Encryption(salt=salt, proof=keys.proof(proven(site, name)))
    return Facts(site=site, name=name, encryption=encryption), keys.seal_keys


def put_header(ctx: Context, stick: Stick) -> None:
    """Write the header anew, in this desktop's name."""
    from cloud_sync.stick.header import HEADER_KEY, encode_header

    signature = seal.sign(ctx.identity, "stick", stick.facts.signed)
    stick.outer.put(HEADER_KEY, encode_header(stick.facts, ctx.identity.certificate_pem, signature))


def require_signed(root: RootFacts, header: Header) -> None:
    """:raises StickUnsigned: no desktop that this root lists answers for the header."""
    listed = root.desktops
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
