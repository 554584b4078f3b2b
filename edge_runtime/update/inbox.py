"""What a desktop delivered to this box: objects by digest, and signed metadata. Nothing in here is trusted."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

from edge_runtime.contracts import wire
from edge_runtime.contracts.errors import DiskFull, InputInvalid, NotFound, ObjectCorrupt, PatchUnusable
from edge_runtime.update import borrowed
from edge_runtime.update.borrowed import MAX_BORROWED_BYTES, Borrowed
from edge_runtime.update.bundle import MAX_BUNDLE_BYTES
from edge_runtime.update.durable import file_digest, make_folder, remove_unfinished, sync_folder, write_durably
from edge_runtime.update.holdings import Holdings
from edge_runtime.update.patch import apply_patch, read_head

MAX_METADATA_BYTES = 2**20
_DIGEST = re.compile(r"[0-9a-f]{64}")
_METADATA = re.compile(r"(?:(?P<version>[1-9]\d{0,11})\.(?P<role>root|snapshot|targets)|timestamp)\.json")
_KEPT_VERSIONS = 4
"""Of snapshot and targets: enough for deliveries by two desktops that cross each other."""


class Inbox:
    """The folder ``inbox`` of a box's home; may be called from several threads.

    :param elsewhere: what the box has beside it: that need not be delivered again.
    """

    def __init__(self, folder: Path, elsewhere: Holdings | None = None) -> None:
        self._objects = folder / "objects"
        self._metadata = folder / "metadata"
        self._elsewhere = elsewhere or Holdings(())
        make_folder(self._objects)
        make_folder(self._metadata)
        self._lock, self._making = threading.Lock(), threading.Lock()
        remove_unfinished(self._metadata)
        remove_unfinished(self._objects)

    def have(self, sha256: str, size: int | None = None) -> tuple[int, bool]:
        """Bytes of the object that are here, and whether it is whole.

        :param size: of the whole, where the asker knows it: files of other sizes are not looked into then.
        :raises InputInvalid: not a digest.
        """
        if (whole := self._find(sha256, size)) is not None:
            return whole.stat().st_size, True
        partial = self._partial(sha256)
        return (borrowed.here(self._noted(sha256), partial.stat().st_size), False) if partial.is_file() else (0, False)

    def gap(self, sha256: str) -> int | None:
        """Bytes that are missing of an unfinished object where those that follow are here; None: all of them are."""
        noted = self._noted(sha256)
        return borrowed.gap(noted) if self._partial(sha256).is_file() else None

    def append(self, sha256: str, offset: int, chunk: bytes, size: int, *, neighbour: bool = False) -> int:
        """Add ``chunk`` at ``offset`` to an object of ``size`` bytes; a piece that is here already changes nothing.

        :param neighbour: it comes from one: where the whole is wrong, what desktops sent of it is kept.
        :returns: bytes that are here now: where the sender goes on.
        :raises InputInvalid: a gap, a piece beyond the end, an object larger than any bundle.
        :raises ObjectCorrupt: whole, but with another digest; what was doubtful of it was dropped, send that again.
        :raises DiskFull: no room; what was here before still is.
        """
        if not 0 < size <= MAX_BUNDLE_BYTES:
            raise InputInvalid(f"An object of {size} bytes is not accepted; at most {MAX_BUNDLE_BYTES}.")
        with self._lock:
            here, complete = self.have(sha256, size)
            if complete:
                return here
            if offset < 0 or offset > here or offset + len(chunk) > size:
                raise InputInvalid(f"{len(chunk)} bytes at {offset} do not fit: {here} of {size} bytes are here.")
            if offset < here:
                return here
            partial = self._partial(sha256)
            if not partial.is_file():
                # What a power cut left there is about other bytes.
                self._notes(sha256).unlink(missing_ok=True)
            noted = self._noted(sha256)
            if noted.doubted and neighbour:
                raise ObjectCorrupt(f"What neighbours gave of {sha256[:12]}… was wrong; a desktop has to send it.")
            if not noted.doubted and (before := borrowed.writes(noted, here, neighbour=neighbour)) != noted:
                noted = before
                self._note(sha256, noted)
            chunk = chunk[: borrowed.gap(noted)]
            try:
                with partial.open("r+b" if noted.doubted else "ab") as file:
                    file.seek(here)
                    file.write(chunk)
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise DiskFull("The delivery cannot go on: the box's disk is full.") from error
                raise
            here += len(chunk)
            if noted.doubted:
                noted = borrowed.filled(noted, here)
                self._note(sha256, noted)
                here = borrowed.here(noted, size)
            if here == size:
                self._finish(sha256, partial, noted)
            return here

    def _finish(self, sha256: str, partial: Path, noted: Borrowed) -> None:
        digest = file_digest(partial)
        if digest != sha256:
            if (doubted := borrowed.doubt(noted, partial.stat().st_size)) is None:
                self._drop_partial(sha256)
            else:
                self._note(sha256, doubted)
            raise ObjectCorrupt(f"The delivered bytes are {digest[:12]}…, not {sha256[:12]}….")
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.replace(self._whole(sha256))
        sync_folder(self._objects)
        self._drop_partial(sha256)

    def _noted(self, sha256: str) -> Borrowed:
        try:
            with self._notes(sha256).open("rb") as file:
                return wire.decode(file.read(MAX_BORROWED_BYTES), Borrowed, what="notes on an object")
        except (FileNotFoundError, InputInvalid):
            # Damaged: all of it counts as a desktop's, and goes where the whole is wrong.
            return Borrowed()

    def _note(self, sha256: str, noted: Borrowed) -> None:
        write_durably(self._notes(sha256), [wire.encode(noted)])

    def _drop_partial(self, sha256: str) -> None:
        self._partial(sha256).unlink(missing_ok=True)
        self._notes(sha256).unlink(missing_ok=True)

    def path(self, sha256: str) -> Path:
        """Where the whole object lies.

        :raises NotFound: it has not been delivered, or not wholly.
        """
        if (whole := self._find(sha256, None)) is None:
            raise NotFound(f"The object {sha256[:12]}… has not been delivered to this box.")
        return whole

    def make(self, sha256: str, *, base: str, patch: str) -> int:
        """Make an object from one that the box has and a patch that was delivered. Whatever comes of it the patch goes,
        unless there was no room: then it can be tried again.

        :returns: the object's size.
        :raises NotFound: the base or the patch is not here.
        :raises PatchUnusable, ObjectCorrupt: the patch is damaged, hostile, or of other files; nothing was made.
        :raises DiskFull: no room.
        """
        # One at a time: what it takes of memory is small, but not nothing.
        with self._making:
            have, complete = self.have(sha256)
            if not complete:
                try:
                    have = self._make(sha256, base, patch)
                except (PatchUnusable, ObjectCorrupt, NotFound):
                    self.discard(patch)
                    raise
            self.discard(patch)
            return have

    def _make(self, sha256: str, base: str, patch: str) -> int:
        with self.path(base).open("rb") as start, self.path(patch).open("rb") as changes:
            head = read_head(changes)
            if (head.base, head.whole) != (base, sha256) or os.fstat(start.fileno()).st_size != head.base_size:
                raise PatchUnusable("The patch is one for other files.")
            write_durably(self._whole(sha256), _checked(apply_patch(start, changes, head), sha256))
        with self._lock:
            self._drop_partial(sha256)
        return head.whole_size

    def discard(self, sha256: str) -> None:
        """Drop a delivered object that is no longer needed."""
        with self._lock:
            self._whole(sha256).unlink(missing_ok=True)
            self._drop_partial(sha256)

    def put_metadata(self, filename: str, body: bytes) -> None:
        """Store signed metadata for the verifier: ``N.root.json``, ``N.targets.json``, ``N.snapshot.json``,
        ``timestamp.json``.

        :raises InputInvalid: another name, or too large.
        """
        matched = _METADATA.fullmatch(filename)
        if matched is None:
            raise InputInvalid(f"{filename[:100]!r} is not the name of a metadata file.")
        if len(body) > MAX_METADATA_BYTES:
            raise InputInvalid(f"{filename} is {len(body)} bytes; at most {MAX_METADATA_BYTES} are accepted.")
        with self._lock:
            write_durably(self._metadata / filename, [body])
            if matched["role"] in ("snapshot", "targets"):
                files = self._metadata.glob(f"*.{matched['role']}.json")
                for old in sorted(files, key=lambda file: int(file.name.split(".")[0]))[:-_KEPT_VERSIONS]:
                    old.unlink(missing_ok=True)

    def metadata(self, filename: str) -> bytes:
        """The delivered metadata file of this name.

        :raises NotFound: none of that name was delivered.
        """
        if _METADATA.fullmatch(filename) is None:
            raise NotFound(f"{filename[:100]!r} is not the name of a metadata file.")
        try:
            return (self._metadata / filename).read_bytes()
        except FileNotFoundError as error:
            raise NotFound(f"{filename} has not been delivered to this box.") from error

    def _find(self, sha256: str, size: int | None) -> Path | None:
        whole = self._whole(sha256)
        return whole if whole.is_file() else self._elsewhere.find(sha256, size)

    def _whole(self, sha256: str) -> Path:
        if _DIGEST.fullmatch(sha256) is None:
            raise InputInvalid(f"{sha256[:100]!r} is not a sha256 in lower-case hex.")
        return self._objects / sha256

    def _partial(self, sha256: str) -> Path:
        return self._objects / f"{sha256}.incoming"

    def _notes(self, sha256: str) -> Path:
        return self._objects / f"{sha256}.borrowed"


def _checked(chunks: Iterable[bytes], sha256: str) -> Iterator[bytes]:
    """The same chunks; :raises ObjectCorrupt: at their end, where they are not those of this digest."""
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
        yield chunk
    if digest.hexdigest() != sha256:
        raise ObjectCorrupt(f"What was made has the digest {digest.hexdigest()[:12]}…, not {sha256[:12]}….")
