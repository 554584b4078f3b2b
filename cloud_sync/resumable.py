"""Large objects, part by part: what a cut, or the end of the process, leaves behind is gone on with.

An upload is known by its name in the store, kept here before the first part goes; which parts stand the store itself
says. A download is a file beside its place and a record of the parts that came. Either way the whole is checked against
its sha256, which a thread of its own finds meanwhile.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from queue import SimpleQueue
from typing import Protocol

from cloud_sync.objects.base import BLOCK_BYTES, MAX_PARTS, PART_BYTES, ObjectStore, Pace, Part
from cloud_sync.objects.files import fsync_folder, local_error, open_local
from cloud_sync.pacing import Persist
from cloud_sync.transfer import measure, object_key
from edge_runtime.contracts.errors import DiskFull, ObjectCorrupt, ObjectMissing, StoreUnreachable

PARTS_AT_ONCE = 4
ROUNDS = 3
"""How often parts that the store acknowledged and does not have are sent."""
IDLE_S = 1.0
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Span:
    """One part: its number from 1 on, and where in the object it lies."""

    number: int
    start: int
    length: int


class TransferLedger(Protocol):
    """What is kept of transfers under way; each method is durable when it returns."""

    def upload_of(self, sha256: str) -> tuple[str, int] | None:
        """(name of the upload in the store, bytes a part) of one that was begun."""

    def begin_upload(self, sha256: str, upload: str, part_bytes: int) -> None: ...

    def end_upload(self, sha256: str) -> None:
        """It is finished, or gone; nothing where none was begun."""

    def came(self, sha256: str, size: int, part_bytes: int) -> frozenset[int]:
        """Numbers of the parts that came; a download of another size, or in other parts, is forgotten."""

    def parts_came(self, sha256: str, numbers: Sequence[int]) -> None: ...

    def end_download(self, sha256: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Moving:
    """How bytes are moved."""

    pace: Pace
    persist: Persist
    idle: Callable[[], None]
    """Called in the thread that waits, every second and after each part; what it raises ends the work."""
    workers: int = PARTS_AT_ONCE


def part_bytes_of(size: int) -> int:
    """Bytes a part of an object of this size: the smallest that S3 takes, unless that would be too many parts."""
    needed = -(-size // MAX_PARTS)
    return max(PART_BYTES, -(-needed // _MIB) * _MIB)


def spans(size: int, part_bytes: int) -> list[Span]:
    """The parts of an object, in order; one, empty, of an empty one."""
    starts = range(0, max(size, 1), part_bytes)
    return [Span(number, start, min(part_bytes, size - start)) for number, start in enumerate(starts, 1)]


def send_large(store: ObjectStore, ledger: TransferLedger, sha256: str, path: Path, moving: Moving) -> bool:
    """Bring a file into the store unless it is there; False: it was there.

    :raises ObjectCorrupt: the file does not have this digest; no object was made of it.
    :raises NotFound: the file is not there.
    :raises StoreUnreachable: or another error of the store: the parts that stand are gone on with the next time.
    """
    key = object_key(sha256)
    with open_local(path) as source:
        size = os.fstat(source.fileno()).st_size
    for _attempt in range(2):
        present = moving.persist(lambda: store.head(key))
        if present is not None and present.size == size:
            ledger.end_upload(sha256)
            return False
        try:
            _upload(store, ledger, sha256, path, size, moving)
        except ObjectMissing:
            # Cleared away as too old, or by somebody's hand: once more, from the beginning. Or it was finished, and the
            # answer got lost.
            ledger.end_upload(sha256)
            present = moving.persist(lambda: store.head(key))
        else:
            present = moving.persist(lambda: store.head(key))
        if present is not None and present.size == size:
            ledger.end_upload(sha256)
            return True
        ledger.end_upload(sha256)
    raise StoreUnreachable(f"The object store {store.address} does not keep what it acknowledged of {sha256[:12]}….")


def _upload(store: ObjectStore, ledger: TransferLedger, sha256: str, path: Path, size: int, moving: Moving) -> None:
    key, begun = object_key(sha256), ledger.upload_of(sha256)
    parts: dict[int, Part] | None = None
    if begun is None:
        parts = {}
        begun = moving.persist(lambda: store.start_upload(key)), part_bytes_of(size)
        ledger.begin_upload(sha256, *begun)
    upload, part_bytes = begun
    wanted = spans(size, part_bytes)

    def send(span: Span) -> None:
        with open_local(path) as source:
            source.seek(span.start)
            body = source.read(span.length)
        moving.persist(lambda: store.put_part(key, upload, span.number, span.start, body, moving.pace))

    with ThreadPoolExecutor(1, thread_name_prefix="digest") as beside:
        measured = beside.submit(measure, path)
        if parts is None:
            parts = moving.persist(lambda: store.parts(key, upload))
        for _round in range(ROUNDS):
            if not (lacking := _lacking(wanted, parts)):
                break
            _side_by_side(send, lacking, moving)
            parts = moving.persist(lambda: store.parts(key, upload))
        if measured.result()[0] != sha256:
            store.abort_upload(key, upload)
            ledger.end_upload(sha256)
            raise ObjectCorrupt(f"The bytes of {sha256[:12]}… at this computer are not the ones of that digest.")
    if _lacking(wanted, parts):
        raise ObjectMissing(f"The object store {store.address} loses parts of {sha256[:12]}….")
    ours = {span.number: parts[span.number] for span in wanted}
    moving.persist(lambda: store.finish_upload(key, upload, ours))


def _lacking(wanted: Sequence[Span], parts: dict[int, Part]) -> list[Span]:
    return [span for span in wanted if span.number not in parts or parts[span.number].size != span.length]


def fetch_large(store: ObjectStore, ledger: TransferLedger, sha256: str, size: int, path: Path, moving: Moving) -> None:
    """Bring an object to ``path``, which appears verified and whole or not at all.

    :param size: that it is known to have.
    :raises ObjectMissing: not in the store.
    :raises ObjectCorrupt: what the store has is not of this size, or not of this digest; nothing of it was kept.
    :raises DiskFull: no room here; what came stays.
    :raises StoreUnreachable: or another error of the store: what came stays.
    """
    key, temporary = object_key(sha256), path.with_name(f".{sha256}.part")
    present = moving.persist(lambda: store.head(key))
    if present is None:
        raise ObjectMissing(f"There is no object {key} in {store.address}.")
    if present.size != size:
        raise ObjectCorrupt(f"{sha256[:12]}… at {store.address} has {present.size} bytes, not {size}.")
    part_bytes = part_bytes_of(size)
    came = _prepare(ledger, sha256, size, part_bytes, temporary)

    cut = spans(size, part_bytes)
    with _Following(ledger, sha256, temporary, cut, came) as following:

        def fetch(span: Span) -> None:
            moving.persist(lambda: _receive(store, key, span, temporary, moving.pace))
            following.add(span.number)

        _side_by_side(fetch, [span for span in cut if span.number not in came], moving)
        whole = following.digest()
    if whole != sha256:
        temporary.unlink(missing_ok=True)
        ledger.end_download(sha256)
        raise ObjectCorrupt(f"The bytes of {sha256[:12]}… at {store.address} are not the ones of that digest.")
    _keep(temporary, path)
    ledger.end_download(sha256)


def _receive(store: ObjectStore, key: str, span: Span, temporary: Path, pace: Pace) -> None:
    """Block by block to their place in the file, while the processor's cache has them."""
    try:
        target = temporary.open("r+b", buffering=0)
        target.seek(span.start)
    except OSError as error:
        raise local_error(error, temporary) from error

    def write(block: bytes) -> None:
        left = memoryview(block)
        try:
            while left:
                left = left[target.write(left) :]
        except OSError as error:  # of this disk, not of the store
            raise local_error(error, temporary) from error

    with target:
        store.get_range(key, span.start, span.length, write, pace)


class _Following:
    """Reads a file from its beginning as its parts come, in whatever order: its digest is known when the last one is
    there. Notes the parts that came, those together that came together.
    """

    def __init__(
        self, ledger: TransferLedger, sha256: str, path: Path, cut: Sequence[Span], came: frozenset[int]
    ) -> None:
        self._ledger = ledger
        self._sha256 = sha256
        self._path = path
        self._cut = cut
        self._came = set(came)
        self._arrived: SimpleQueue[int | None] = SimpleQueue()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="digest")
        self._digest = self._pool.submit(self._follow)

    def __enter__(self) -> _Following:
        return self

    def __exit__(self, *_error: object) -> None:
        self._arrived.put(None)
        self._pool.shutdown()

    def add(self, number: int) -> None:
        """A part is in the file.

        :raises LinesideError: the file cannot be read, or nothing can be noted.
        """
        if self._digest.done():
            self._digest.result()
        self._arrived.put(number)

    def digest(self) -> str:
        """Of the whole file, once every part was added; ends the following."""
        self._arrived.put(None)
        return self._digest.result()

    def _follow(self) -> str:
        digest, left, more = hashlib.sha256(), deque(self._cut), True
        try:
            with self._path.open("rb", buffering=0) as source:
                while True:
                    while left and left[0].number in self._came:
                        _digest_next(digest, source, left.popleft().length)
                    if not more:
                        return digest.hexdigest()
                    more = self._note_arrived()
        except OSError as error:
            raise local_error(error, self._path) from error

    def _note_arrived(self) -> bool:
        """Waits for parts, and takes all that are there; False: there will be no more."""
        numbers = [self._arrived.get()]
        while not self._arrived.empty():
            numbers.append(self._arrived.get())
        if new := [number for number in numbers if number is not None]:
            self._ledger.parts_came(self._sha256, new)
            self._came.update(new)
        return None not in numbers


def _digest_next(digest: hashlib._Hash, source: FileIO, size: int) -> None:
    buffer = memoryview(bytearray(min(size, BLOCK_BYTES)))
    while size and (got := source.readinto(buffer[:size])):
        digest.update(buffer[:got])
        size -= got


def _prepare(ledger: TransferLedger, sha256: str, size: int, part_bytes: int, temporary: Path) -> frozenset[int]:
    """Which parts are in the file already, which is of its whole size from the beginning."""
    try:
        if temporary.is_file() and temporary.stat().st_size == size:
            return ledger.came(sha256, size, part_bytes)
        ledger.end_download(sha256)
        with suppress(FileNotFoundError):
            temporary.unlink()
        came = ledger.came(sha256, size, part_bytes)
        with temporary.open("xb") as target:
            target.truncate(size)
    except OSError as error:
        raise local_error(error, temporary) from error
    free = shutil.disk_usage(temporary.parent).free
    if free < size:
        temporary.unlink(missing_ok=True)
        raise DiskFull(f"There is no room for {sha256[:12]}…: it has {size} bytes, and {free} are free.")
    return came


def _keep(temporary: Path, path: Path) -> None:
    try:
        with temporary.open("r+b") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
        fsync_folder(path.parent)
    except OSError as error:
        raise local_error(error, path) from error


def _side_by_side(work: Callable[[Span], None], todo: Sequence[Span], moving: Moving) -> None:
    """All of them, several at a time; the first error ends it when those under way have ended."""
    with ThreadPoolExecutor(moving.workers, thread_name_prefix="part") as pool:
        waiting: set[Future[None]] = {pool.submit(work, span) for span in todo}
        try:
            while waiting:
                ended = wait(waiting, timeout=IDLE_S, return_when=FIRST_EXCEPTION).done
                waiting -= ended
                for future in ended:
                    future.result()
                moving.idle()
        finally:
            for future in waiting:
                future.cancel()
