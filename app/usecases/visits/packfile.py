"""A pack: a plain folder whose files are named by their digests, and one signed list of them. Hostile until checked.

``pack.json`` is written last and replaced at once, so that a stick holds the whole of one pack or nothing that counts.
Nothing in it names a place on a disk: a file's path follows from its digest.
"""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Callable, Container
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, BinaryIO, Literal

from msgspec import Meta

from app.fleet.digests import is_promised
from app.store.records import Model, Signature
from app.usecases.visits.seal import is_signed, sign
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import InputInvalid, NotFound, PackForeign, PackInvalid, PackTampered
from edge_runtime.contracts.rows import Count, Digest, Name
from edge_runtime.identity import Identity, fingerprint_of
from edge_runtime.plain_files import open_plain

LIST_NAME = "pack.json"
FILES_NAME = "files"
MAX_LIST_BYTES = 16 * 2**20
MAX_FILES = 4000
MAX_FILE_BYTES = 4 * 2**30

PackKind = Literal["bundle", "root", "metadata", "edge", "plan", "rollout"]
FileName = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]{0,199}(?:/[A-Za-z0-9][A-Za-z0-9_.+-]{0,199}){0,2}\Z")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class PackFile:
    """One file; it lies at ``files/SHA256``."""

    kind: PackKind
    name: FileName
    """What it is called where it is used."""
    sha256: Digest
    size: Annotated[int, Meta(ge=0, le=MAX_FILE_BYTES)]


@dataclass(frozen=True, slots=True, kw_only=True)
class PackList:
    """What is in a pack."""

    format: Literal["lineside-visit-pack-1"] = "lineside-visit-pack-1"
    certificate: str
    """PEM, of the desktop that packed."""
    site: Digest
    site_name: Name
    desktop_name: str
    made_ms: Count
    models: Annotated[tuple[Model, ...], Meta(max_length=MAX_FILES)]
    """As the library of the desktop that packed them has them."""
    files: Annotated[tuple[PackFile, ...], Meta(max_length=MAX_FILES)]
    missing: Annotated[tuple[str, ...], Meta(max_length=MAX_FILES)] = ()
    """What the plan wanted and the desktop did not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedList:
    """``pack.json``."""

    contents: PackList
    signature: Signature


@dataclass(frozen=True, slots=True)
class Pack:
    """A pack whose list is signed by the key that it names; its files were not looked at yet."""

    folder: Path
    desktop: str
    """Fingerprint of that key. Whether it is one of the site's is for the caller to judge."""
    listed: PackList
    digest: str
    """sha256 of the list, which covers every file."""

    def path(self, file: PackFile) -> Path:
        return file_path(self.folder, file.sha256)

    def open(self, file: PackFile) -> BinaryIO:
        """:raises PackTampered: it is not there, or no plain file."""
        try:
            return open_plain(self.path(file))
        except OSError as error:
            raise PackTampered(
                f"{file.name} ({FILES_NAME}/{file.sha256[:12]}…) cannot be read: {error.strerror}."
            ) from error

    def check(self, file: PackFile, *, seen: Callable[[int], None] = lambda _bytes: None) -> None:
        """Hold a file against its digest.

        :raises PackTampered: it is not the one that was packed.
        """
        with self.open(file) as source:
            if not is_promised(source, file.size, file.sha256, seen=seen):
                raise PackTampered(f"{_where(file)} is not the file that was packed.")

    def read(self, file: PackFile, most: int) -> bytes:
        """The bytes of a small file, checked."""
        if file.size > most:
            raise PackInvalid(f"{file.name} in the pack is larger than any real one.")
        with self.open(file) as source:
            content = source.read(file.size + 1)
        if len(content) != file.size or hashlib.sha256(content).hexdigest() != file.sha256:
            raise PackTampered(f"{_where(file)} is not the file that was packed.")
        return content

    def of_kind(self, kind: PackKind) -> list[PackFile]:
        return [file for file in self.listed.files if file.kind == kind]


def _where(file: PackFile) -> str:
    return f"{file.name} ({FILES_NAME}/{file.sha256[:12]}…)"


def file_path(folder: Path, sha256: str) -> Path:
    """Where a file of a pack lies."""
    return folder / FILES_NAME / sha256


def seal_list(listed: PackList, identity: Identity) -> bytes:
    """``pack.json``."""
    body = wire.encode(listed)
    return wire.encode(SealedList(contents=listed, signature=sign(identity, "visit pack", body)))


def read_pack(folder: Path) -> Pack:
    """The pack in ``folder``: its list, checked against the key that it names.

    :raises NotFound: there is none.
    :raises PackInvalid: it is none, or of another version.
    :raises PackTampered: its list was changed.
    """
    content = _read_list(folder)
    try:
        sealed = wire.decode(content, SealedList, what="list of the pack")
        desktop = fingerprint_of(sealed.contents.certificate)
    except InputInvalid as error:
        raise PackInvalid(error.message) from error
    body = wire.encode(sealed.contents)
    # Byte by byte: what is not part of the list would not be covered by the signature.
    if wire.encode(sealed) != content or not is_signed(
        sealed.contents.certificate, "visit pack", body, sealed.signature
    ):
        raise PackTampered(f"The list of the pack, {LIST_NAME}, is not the one that was signed.")
    digests = {file.sha256 for file in sealed.contents.files}
    if len(digests) != len(sealed.contents.files):
        raise PackInvalid("The pack lists a file twice.")
    return Pack(folder, desktop, sealed.contents, hashlib.sha256(body).hexdigest())


def _read_list(folder: Path) -> bytes:
    try:
        with open_plain(folder / LIST_NAME) as file:
            content = file.read(MAX_LIST_BYTES + 1)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            raise NotFound(
                f"There is no whole pack in {folder}.",
                hint="Give the folder that has pack.json in it, or pack it again.",
            ) from error
        raise PackInvalid(f"{folder / LIST_NAME} cannot be read: {error.strerror}.") from error
    if len(content) > MAX_LIST_BYTES:
        raise PackInvalid(f"{LIST_NAME} is larger than any real one.")
    return content


def must_be_of_site(pack: Pack, site: str) -> None:
    """:raises PackForeign: it is another site's."""
    if pack.listed.site != site:
        raise PackForeign(f"It is of the site {pack.listed.site_name!r} ({pack.listed.site[:12]}).")


def must_be_of_desktop(pack: Pack, desktops: Container[str]) -> None:
    """:raises PackForeign: the desktop that packed it is none of these."""
    if pack.desktop not in desktops:
        raise PackForeign(f"The site's root does not list the desktop {pack.desktop[:12]} that packed it.")
