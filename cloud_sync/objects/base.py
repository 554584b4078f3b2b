"""What every object store can do, and the rules that all of them keep."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edge_runtime.contracts.errors import InputInvalid

MAX_GET_BYTES = 64 * 2**20
MAX_KEY_LENGTH = 512

PART_BYTES = 5 * 2**20
"""Of an upload in parts: the smallest that S3 takes, so that little is lost with a connection."""
MAX_PARTS = 10_000
BLOCK_BYTES = 2**18

Pace = Callable[[int], None]
"""Asked before each block of at most :data:`BLOCK_BYTES` goes, and told of each that came: how many bytes. May wait;
what it raises ends the work.
"""

Write = Callable[[bytes], object]
"""Given the blocks of a range as they come, each of at most :data:`BLOCK_BYTES`."""

# The last character may not be a dot: FAT and NTFS drop it, and two keys would be one file on a stick.
_SEGMENT = r"[A-Za-z0-9_](?:[A-Za-z0-9._=+@-]{0,198}[A-Za-z0-9_=+@-])?"
_KEY = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectInfo:
    """What a store says of one object."""

    key: str
    size: int
    modified_ms: int
    """By the store's clock, milliseconds since 1970."""
    etag: str | None = None
    """The store's own tag of this content, without quotes; None where it has none. Not a digest to rely on."""


@dataclass(frozen=True, slots=True)
class Children:
    """What lies directly under a folder."""

    folders: tuple[str, ...]
    objects: tuple[str, ...]
    """Names, both sorted."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of an upload, as the store has it."""

    size: int
    tag: str
    """The store's own word for what is in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Keys of an S3 store. Neither ``repr`` nor ``str`` shows the secret parts."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None = None

    def __repr__(self) -> str:
        return f"Credentials(access_key_id={self.access_key_id!r}, secret hidden)"

    def to_environment(self) -> dict[str, str]:
        """The usual variables, for a process that is to reach the store with them."""
        variables = {"AWS_ACCESS_KEY_ID": self.access_key_id, "AWS_SECRET_ACCESS_KEY": self.secret_access_key}
        return variables | ({"AWS_SESSION_TOKEN": self.session_token} if self.session_token else {})


class ObjectStore(Protocol):
    """Bytes under keys. Safe to use from several threads, and by several processes and machines at once.

    A key is written whole or not at all, and a reader sees the old bytes or the new ones. Every method raises
    StoreUnreachable (no answer: wait and try again), StoreRefused (an answer that a person has to act on) and
    InputInvalid for a key that :func:`check_key` refuses.
    """

    @property
    def address(self) -> str:
        """For people and for :func:`cloud_sync.objects.open_store`; never holds credentials."""

    def put(self, key: str, data: bytes) -> None:
        """Write ``data``, over what was there.

        :raises DiskFull: no room.
        """

    def put_file(self, key: str, path: Path) -> None:
        """As :meth:`put`, with a local file's bytes and without holding them in memory.

        :raises NotFound: the file is not there.
        """

    def get(self, key: str, *, max_bytes: int = MAX_GET_BYTES) -> bytes:
        """
        :raises ObjectMissing: nothing under this key.
        :raises InputInvalid: it is larger than ``max_bytes``; nothing of it was kept.
        """

    def get_file(self, key: str, path: Path) -> None:
        """Write the object to ``path``, which appears whole or not at all.

        :raises ObjectMissing: nothing under this key.
        :raises DiskFull: no room here.
        """

    def head(self, key: str) -> ObjectInfo | None:
        """What is under the key; None for nothing."""

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Every object under a folder (``""``: all), in no promised order; keys that no put of ours could have made
        are left out, and none comes twice. ``a/b`` and ``a/b/`` mean the same and never match ``a/bc``.
        """

    def children(self, prefix: str) -> Children:
        """Names of the folders and objects directly under a folder: what lies deeper is not visited."""

    def folders(self, prefix: str) -> tuple[str, ...]:
        """The folders of :meth:`children`."""

    def delete(self, key: str) -> None:
        """Nothing is under the key any more; not an error where nothing was."""

    def get_range(self, key: str, start: int, length: int, write: Write, pace: Pace) -> None:
        """``length`` bytes from ``start`` on, no more and no fewer.

        :param write: given block after block, in order; what it raises ends the work.
        :raises ObjectMissing: nothing under this key.
        """

    def start_upload(self, key: str) -> str:
        """Begin an upload in parts, which anybody who has its name may go on with; nothing is under the key yet."""

    def put_part(self, key: str, upload: str, number: int, start: int, data: bytes, pace: Pace) -> None:
        """Send one part, or send it again.

        :param number: from 1 on; every part but the last one is of one size, :data:`PART_BYTES` or more.
        :param start: where in the object it begins.
        :raises ObjectMissing: there is no such upload any more: begin anew.
        """

    def parts(self, key: str, upload: str) -> dict[int, Part]:
        """The parts of an upload that the store has, by number; whoever sent them.

        :raises ObjectMissing: there is no such upload any more: begin anew.
        """

    def finish_upload(self, key: str, upload: str, parts: Mapping[int, Part]) -> None:
        """Make the object of its parts, over what was there.

        :param parts: all of them, as :meth:`parts` said.
        :raises ObjectMissing: there is no such upload any more, or not all of its parts: begin anew.
        """

    def abort_upload(self, key: str, upload: str) -> None:
        """Let go of an upload and its parts; not an error where it is gone."""

    def clear_uploads(self, prefix: str, before_ms: int) -> int:
        """Let go of uploads under a folder that were begun before this moment and never finished; how many."""

    def close(self) -> None:
        """Let go of what is held; the store is not used afterwards."""


def check_key(key: str) -> str:
    """Refuse a key that could mean another place, or another object, on some store or file system.

    :raises InputInvalid: empty, absolute, with ``..``, a backslash, NUL, an empty or hidden segment, a character
        outside letters, digits and ``._=+@-``, or too long.
    """
    if len(key) > MAX_KEY_LENGTH or not _KEY.fullmatch(key):
        raise InputInvalid(f"The object store's key {key[:200]!r} is not allowed.")
    return key


def is_key(key: str) -> bool:
    """Whether :func:`check_key` would take it."""
    return len(key) <= MAX_KEY_LENGTH and _KEY.fullmatch(key) is not None


def check_prefix(prefix: str) -> str:
    """A folder's name without the slash at its end; ``""`` for everything.

    :raises InputInvalid: as :func:`check_key`.
    """
    return check_key(prefix.removesuffix("/")) if prefix else ""


def check_bucket(bucket: str) -> str:
    """:raises InputInvalid: not the name of a bucket."""
    if not _BUCKET.fullmatch(bucket):
        raise InputInvalid(f"{bucket[:80]!r} is not the name of a bucket.")
    return bucket


def too_large(key: str, max_bytes: int) -> InputInvalid:
    """The error for an object that is larger than its reader takes."""
    return InputInvalid(f"The object {key} has more than the {max_bytes} bytes that are read here.")
