"""Sending a bundle's files to a machine: only what is missing, from the byte where the last attempt stopped.

What the file transfer says of sizes is not believed: the machine's hand has read what is there, and root reads it once
more when it makes its own copy.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from app.fleet.ssh.bundle import Load
from app.fleet.ssh.machine import Machine
from app.fleet.ssh.preflight import Text
from app.fleet.ssh.session import SshSession, said
from edge_runtime.contracts.enrolment_errors import EnrolmentRefused, SshCutOff, SshUnexpected
from edge_runtime.contracts.errors import DiskFull
from edge_runtime.contracts.rows import Count, Digest

if TYPE_CHECKING:
    import paramiko

CHUNK = 32768
"""What one SFTP packet carries."""


@dataclass(frozen=True, slots=True)
class StagedFile:
    sha256: Digest
    size: Count


@dataclass(frozen=True, slots=True)
class Staged:
    """What lies in the folder for uploads."""

    folder: Text
    files: dict[str, StagedFile]


def look_at_staged(machine: Machine, load: Load, *, make: bool) -> Staged:
    """What is in the folder for uploads; with ``make`` the folder is there afterwards, and has nothing else in it."""
    staged = machine.as_self("staged", Staged, wanted=list(load.files), make=make)
    if not staged.folder.startswith("/") or not staged.folder.isprintable() or ".." in staged.folder.split("/"):
        raise SshUnexpected(f"It names {staged.folder!r} as its folder for uploads.")
    return staged


def plan(load: Load, staged: Staged) -> dict[str, int]:
    """Where each file that is not there as a whole is to be taken up."""
    offsets = {}
    for digest in load.files:
        there = staged.files.get(digest)
        if there is None:
            offsets[digest] = 0
        elif there.sha256 != digest or there.size != load.size_of(digest):
            offsets[digest] = there.size if _begins_so(load, digest, there) else 0
    return offsets


def _begins_so(load: Load, digest: str, there: StagedFile) -> bool:
    if not 0 < there.size < load.size_of(digest):
        return False
    found, left = hashlib.sha256(), there.size
    with open_file(load, digest) as source:
        while left and (chunk := source.read(min(left, 2**20))):
            found.update(chunk)
            left -= len(chunk)
    return not left and found.hexdigest() == there.sha256


@contextmanager
def open_file(load: Load, digest: str) -> Iterator[IO[bytes]]:
    file = load.files[digest]
    if file is None:
        yield io.BytesIO(load.bundle.manifest_bytes)
    else:
        with load.bundle.open(file) as source:
            yield source


def upload(
    session: SshSession, load: Load, folder: str, offsets: Mapping[str, int], *, sent: Callable[[int], None]
) -> None:
    """Send what is missing.

    :param sent: told of each piece's bytes as it goes out.
    :raises DiskFull: the machine's disk takes no more.
    :raises SshCutOff: the link was cut; what has arrived is kept.
    """
    with session.files() as sftp:
        for digest, offset in offsets.items():
            _send(session, sftp, load, digest, f"{folder}/{digest}", offset, sent)


@contextmanager
def _ends_named(session: SshSession) -> Iterator[None]:
    try:
        yield
    except EOFError as error:
        raise SshCutOff(f"The connection to {session.target.host} ended in the middle of a file.") from error


def _send(
    session: SshSession,
    sftp: paramiko.SFTPClient,
    load: Load,
    digest: str,
    path: str,
    offset: int,
    sent: Callable[[int], None],
) -> None:
    try:
        with open_file(load, digest) as source:
            source.seek(offset)
            # Not left to the bundle, to which the end of a connection would look like the end of a damaged file.
            with _ends_named(session), sftp.open(path, "r+" if offset else "w") as target:
                target.set_pipelined(True)
                target.seek(offset)
                while chunk := source.read(CHUNK):
                    session.check()
                    target.write(chunk)
                    sent(len(chunk))
    except OSError as error:
        # SFTP has no code for a full disk: it says "Failure" only.
        if error.errno is None and str(error) in ("Failure", "No space left on device"):
            raise DiskFull(f"{session.target.host} takes no more of {load.path_of(digest)}.") from error
        if isinstance(error, PermissionError | FileNotFoundError):
            raise EnrolmentRefused(f"{path} cannot be written: {said(error)}.") from error
        raise
