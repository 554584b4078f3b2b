"""A new identity for a box that was copied, in a home that stays as it is otherwise.

Two steps, because the last word of either may be lost: :func:`prepare` makes the new key beside the one in force, and
may be asked for again; :func:`take` puts it in force by replacing one small file. Wherever it is cut off, one of the
two is in force.

``keys/`` has the first identity; ``keys/REQUEST/`` one that was asked for, with what led to it; ``keys/current`` says
which of them stands, once it is not the first.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.config import KEYS
from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import InputInvalid, NotFound
from edge_runtime.contracts.rows import Digest, Name
from edge_runtime.identity import (
    CERTIFICATE_NAME,
    CURRENT_NAME,
    KEY_NAME,
    Identity,
    create_identity,
    identity_folder,
    load_identity,
)
from edge_runtime.update.durable import sync_folder, write_durably

RECORD_NAME = "renewal.json"
MOST_FORMER = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """What a new identity came from."""

    name: Name
    """What the box is to be called."""
    former: tuple[Digest, ...]
    """The ids before, oldest first."""


def prepare(home: Path, request: str, name: str) -> tuple[Identity, str]:
    """Make the new identity; the one in force stays. Again with the same request: the same identity.

    :returns: the identity, and the name that the box takes with it.
    """
    keys = home / KEYS
    folder = keys / request
    if identity_folder(keys) != folder:
        former = (*former_ids(home), load_identity(keys).fingerprint)[-MOST_FORMER:]
        write_durably(folder / RECORD_NAME, [wire.encode(Renewal(name=name, former=former))])
        create_identity(folder, name)
        sync_folder(keys)
    return load_identity(folder), read_renewal(folder).name


def prepared_name(home: Path, request: str) -> str:
    """The name that the box takes with a prepared identity.

    :raises NotFound: it was not prepared.
    """
    folder = home / KEYS / request
    try:
        load_identity(folder)
        return read_renewal(folder).name
    except (NotFound, InputInvalid) as error:
        raise NotFound("No such identity was prepared on this box.", hint="Ask for the renewal again.") from error


def take(home: Path, request: str) -> Identity:
    """Put a prepared identity in force, and let go of the one before. Again: nothing happens.

    :raises NotFound: it was not prepared.
    """
    prepared_name(home, request)
    keys = home / KEYS
    if identity_folder(keys) != keys / request:
        write_durably(keys / CURRENT_NAME, [request.encode("ascii")])
    forget_others(home)
    return load_identity(keys)


def forget_others(home: Path) -> None:
    """Remove the keys that are not in force: a copy must not keep what the original goes by.

    Call it at a start, too: the power may have gone before it was done.
    """
    keys = home / KEYS
    current = identity_folder(keys)
    if current == keys:
        return
    for name in (KEY_NAME, CERTIFICATE_NAME):
        with suppress(OSError):
            (keys / name).unlink(missing_ok=True)
    now = load_identity(keys).fingerprint
    for folder in keys.iterdir():
        # One that was prepared to follow may still be asked for.
        if folder.is_dir() and folder != current and not _follows(folder, now):
            shutil.rmtree(folder, ignore_errors=True)


def former_ids(home: Path) -> tuple[str, ...]:
    """Ids that the box of this home had before, oldest first."""
    folder = identity_folder(home / KEYS)
    return () if folder == home / KEYS else read_renewal(folder).former


def read_renewal(folder: Path) -> Renewal:
    """:raises InputInvalid: there is no record of a renewal in this folder, or it is damaged."""
    try:
        return wire.decode((folder / RECORD_NAME).read_bytes(), Renewal, what="record of a renewal")
    except OSError as error:
        raise InputInvalid(f"{folder / RECORD_NAME} cannot be read: {error.strerror}.") from error


def _follows(folder: Path, box: str) -> bool:
    try:
        return read_renewal(folder).former[-1:] == (box,)
    except InputInvalid:
        return False
