"""A wheel as a list of files with their digests, and the folder that they make."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.contracts.runtime_errors import RuntimeUnusable
from edge_runtime.plain_files import open_plain
from edge_runtime.processes import cores

MAX_MEMBERS = 20_000
MAX_UNPACKED_BYTES = 2 * 2**30
MAX_RECORD_BYTES = 8 * 2**20
_CHUNK = 2**20
# What the standard library raises on a zip that somebody bent out of shape.
_ZIP_ERRORS = (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, EOFError, struct.error, zlib.error)


@dataclass(frozen=True, slots=True)
class Member:
    """A file in a wheel, and where it goes."""

    name: str
    target: str
    """Below the folder of the version."""
    sha256: str
    size: int


def read_wheel(path: Path, name: str) -> list[Member]:
    """What a wheel installs: modules and data; its scripts and headers have no place on a box.

    :param name: the wheel's own file name, whatever it is called on the disk.
    :raises RuntimeUnusable: it is no wheel, or has files that lead elsewhere or are not in its RECORD.
    """
    base = "-".join(name.split("-")[:2])
    try:
        with open_plain(path) as file, zipfile.ZipFile(file) as archive:
            infos = {one.orig_filename: one for one in archive.infolist() if not one.orig_filename.endswith("/")}
            if len(infos) > MAX_MEMBERS or sum(one.file_size for one in infos.values()) > MAX_UNPACKED_BYTES:
                raise RuntimeUnusable(f"{name} is larger than any real wheel.")
            own = f"{base}.dist-info/RECORD"
            if own not in infos or infos[own].file_size > MAX_RECORD_BYTES:
                raise RuntimeUnusable(f"{name} has no {own}.")
            body = archive.read(own)
            recorded = {own: (hashlib.sha256(body).hexdigest(), len(body)), **_recorded(body, own)}
    except (*_ZIP_ERRORS, OSError) as error:
        raise RuntimeUnusable(f"{name} is not a whole wheel: {error}.") from error
    found = []
    for member, (sha256, size) in recorded.items():
        info = infos.get(member)
        if info is None or info.file_size != size or stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
            raise RuntimeUnusable(f"{name}: {member[:100]!r} is not what its RECORD lists.")
        target = _place(member, base)
        if target is not None:
            found.append(Member(member, target, sha256, size))
    return found


def _place(member: str, base: str) -> str | None:
    """Where a member goes; None: nowhere."""
    parts = member.split("/")
    if not member.isprintable() or "\\" in member or any(part in ("", ".", "..") for part in parts):
        raise RuntimeUnusable(f"A wheel has a member whose name leads elsewhere: {member[:100]!r}.")
    if parts[0] != f"{base}.data":
        kind, rest = "lib", parts
    elif len(parts) > 2 and parts[1] in ("purelib", "platlib", "data"):
        kind, rest = ("data" if parts[1] == "data" else "lib"), parts[2:]
    else:
        return None
    if member.endswith(".pyc") or "__pycache__" in parts:
        raise RuntimeUnusable(f"A wheel has bytecode in it: {member[:100]!r}.")
    return "/".join((kind, *rest))


def _recorded(body: bytes, own: str) -> dict[str, tuple[str, int]]:
    """:raises ValueError: a file without a digest."""
    found: dict[str, tuple[str, int]] = {}
    for row in csv.reader(io.StringIO(body.decode(), newline="")):
        if not row or row[0] == own:
            continue
        name, digest, size = row
        if not digest.startswith("sha256="):
            raise ValueError(f"RECORD has no sha256 of {name[:100]!r}")
        found[name] = (base64.urlsafe_b64decode(digest[7:] + "=").hex(), int(size))
    return found


def unpack(path: Path, name: str, members: Iterable[Member], folder: Path) -> None:
    """Put a wheel's files below ``folder``; each is the one that RECORD lists.

    :raises RuntimeUnusable: one is another.
    :raises FileExistsError: two wheels want one place.
    """
    with open_plain(path) as file, zipfile.ZipFile(file) as archive:
        for member in members:
            target = folder / member.target
            target.parent.mkdir(parents=True, exist_ok=True)
            digest = hashlib.sha256()
            handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            try:
                with os.fdopen(handle, "wb") as out, archive.open(member.name) as source:
                    while chunk := source.read(_CHUNK):
                        digest.update(chunk)
                        out.write(chunk)
            except _ZIP_ERRORS as error:
                raise RuntimeUnusable(f"{member.name} in {name} is damaged: {error}.") from error
            if digest.hexdigest() != member.sha256:
                raise RuntimeUnusable(f"{member.name} in {name} is not the file that its RECORD lists.")


def require_exactly(folder: Path, wanted: dict[str, str]) -> None:
    """Every file below ``folder`` is one of ``wanted`` (path: sha256), and all of them are there.

    :raises RuntimeUnusable: one is missing, of other bytes, a link, or one too many.
    """
    found = dict(_walk(folder))
    if different := found.keys() ^ wanted.keys():
        name = min(different)
        raise RuntimeUnusable(f"{name[:200]} {'is one file too many' if name in found else 'is missing'}.")
    # hashlib lets go of the interpreter meanwhile.
    with ThreadPoolExecutor(min(cores(), 8)) as pool:
        for name, digest in zip(found, pool.map(digest_of, found.values()), strict=True):
            if digest != wanted[name]:
                raise RuntimeUnusable(f"{name[:200]} is not the file that was signed.")


def _walk(folder: Path) -> Iterator[tuple[str, Path]]:
    for where, folders, files in os.walk(folder, onerror=_raise):
        for name in [*folders, *files]:
            path = Path(where, name)
            kind = path.lstat().st_mode
            if not (stat.S_ISDIR(kind) or stat.S_ISREG(kind)):
                raise RuntimeUnusable(f"{path.relative_to(folder)} is a link or a device.")
            if stat.S_ISREG(kind):
                yield str(path.relative_to(folder)), path


def _raise(error: OSError) -> None:
    raise error


def digest_of(path: Path) -> str:
    """sha256 of a plain file's bytes; follows no link."""
    digest = hashlib.sha256()
    with open_plain(path) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
