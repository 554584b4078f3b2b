"""Content-addressed copying: an object's key is the digest of its bytes, checked on the way in and on the way out."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from cloud_sync.objects.base import MAX_GET_BYTES, ObjectStore, Pace
from cloud_sync.objects.files import open_local
from cloud_sync.pacing import Persist, at_once, once
from edge_runtime.contracts.errors import InputInvalid, LinesideError, NotFound, ObjectCorrupt

_DIGEST = re.compile(r"[0-9a-f]{64}")
_READ_BYTES = 2**20
_SMALL_BYTES = 2**20
"""Smaller files are read once, whole."""


@dataclass(frozen=True, slots=True)
class Transferred:
    """One object that is in the store now."""

    sha256: str
    size: int
    sent: bool
    """False: it was there already."""


@dataclass(slots=True)
class TransferReport:
    """What :func:`put_many` did."""

    sent: int = 0
    skipped: int = 0
    bytes: int = 0
    """Of the objects that were sent."""
    problems: dict[str, LinesideError] = field(default_factory=dict)
    """By sha256: objects whose local bytes are gone or damaged. The others are in the store."""


def object_key(sha256: str) -> str:
    """Where the object lies in a store.

    :raises InputInvalid: not a sha256 in lower-case hex.
    """
    if not _DIGEST.fullmatch(sha256):
        raise InputInvalid(f"{sha256[:80]!r} is not a sha256 in hex.")
    return f"objects/{sha256[:2]}/{sha256}"


def put_object(store: ObjectStore, sha256: str, source: bytes | Path) -> bool:
    """Bring an object into the store unless it is there; False: it was there.

    One of another size than ours is written again: something has cut it short.

    :raises ObjectCorrupt: ``source`` does not have this digest; nothing was sent.
    :raises NotFound: the file is not there.
    """
    return _put(store, sha256, source, Manner()).sent


def get_object(store: ObjectStore, sha256: str, *, max_bytes: int = MAX_GET_BYTES) -> bytes:
    """An object's bytes, verified.

    :raises ObjectMissing: not in the store.
    :raises ObjectCorrupt: the store's bytes have another digest.
    :raises InputInvalid: larger than ``max_bytes``.
    """
    body = store.get(object_key(sha256), max_bytes=max_bytes)
    if hashlib.sha256(body).hexdigest() != sha256:
        raise _corrupt(sha256, store.address)
    return body


def get_object_file(store: ObjectStore, sha256: str, path: Path) -> None:
    """Bring an object to ``path``, which appears verified and whole or not at all.

    :raises ObjectMissing: not in the store.
    :raises ObjectCorrupt: the store's bytes have another digest; nothing was left here.
    :raises DiskFull: no room here.
    """
    temporary = path.with_name(f".{secrets.token_hex(12)}.part")
    try:
        store.get_file(object_key(sha256), temporary)
        if measure(temporary)[0] != sha256:
            raise _corrupt(sha256, store.address)
        temporary.replace(path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How :func:`put_many` sends."""

    workers: int = 8
    unasked_bytes: int = 0
    """Objects of at most so many bytes are sent without asking whether they are there: that costs as much."""
    pace: Pace = at_once
    persist: Persist = once


def put_many(
    store: ObjectStore,
    items: Iterable[tuple[str, bytes | Path]],
    *,
    manner: Manner | None = None,
    progress: Callable[[Transferred], None],
) -> TransferReport:
    """Bring many objects into the store, several at a time. Run it again after any failure: what is there is skipped.

    :param items: (sha256, bytes or file); taken one by one as there is room, so it may be long and lazy.
    :param progress: called in this thread for each object that is in the store now; raising stops the work.
    :raises StoreUnreachable: or another error of the store itself, after what was under way has ended.
    """
    report = TransferReport()
    how = manner or Manner()
    with ThreadPoolExecutor(how.workers, thread_name_prefix="upload") as pool:
        for sha256, future in _bounded(pool, store, items, how):
            try:
                done = future.result()
            except (ObjectCorrupt, NotFound) as error:
                report.problems[sha256] = error
                continue
            if done.sent:
                report.sent += 1
                report.bytes += done.size
            else:
                report.skipped += 1
            progress(done)
    return report


def _bounded(
    pool: ThreadPoolExecutor, store: ObjectStore, items: Iterable[tuple[str, bytes | Path]], how: Manner
) -> Iterator[tuple[str, Future[Transferred]]]:
    """Finished uploads in the order in which they finish. Whoever stops asking cancels those that have not begun."""
    waiting: dict[Future[Transferred], str] = {}
    try:
        for sha256, source in items:
            waiting[pool.submit(_put, store, sha256, source, how)] = sha256
            if len(waiting) >= 2 * how.workers:
                for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                    yield waiting.pop(future), future
        while waiting:
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                yield waiting.pop(future), future
    finally:
        for future in waiting:
            future.cancel()


def _put(store: ObjectStore, sha256: str, source: bytes | Path, how: Manner) -> Transferred:
    key = object_key(sha256)
    if isinstance(source, Path):
        source = _read_small(source)
    digest, size = measure(source)
    if digest != sha256:
        raise _corrupt(sha256, "this computer")

    def send() -> Transferred:
        if size > how.unasked_bytes:
            present = store.head(key)
            if present is not None and present.size == size:
                return Transferred(sha256, size, sent=False)
        how.pace(size)
        if isinstance(source, Path):
            store.put_file(key, source)
        else:
            store.put(key, source)
        return Transferred(sha256, size, sent=True)

    return how.persist(send)


def _read_small(path: Path) -> bytes | Path:
    with open_local(path) as opened:
        body = opened.read(_SMALL_BYTES + 1)
    return body if len(body) <= _SMALL_BYTES else path


def measure(source: bytes | Path) -> tuple[str, int]:
    """(sha256, bytes) of what is here.

    :raises NotFound: the file is not there.
    """
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest(), len(source)
    digest, size = hashlib.sha256(), 0
    with open_local(source) as opened:
        while chunk := opened.read(_READ_BYTES):
            digest.update(chunk)
            size += len(chunk)
    return digest.hexdigest(), size


def _corrupt(sha256: str, where: str) -> ObjectCorrupt:
    return ObjectCorrupt(f"The bytes of {sha256[:12]}… at {where} are not the ones of that digest.")
