"""The files' part of a sync: they go by rank, within the limits that were set, and never hold up the journal."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from app.store import objects as object_store
from app.store.journal import note_movement, note_of
from app.store.objects import Stored
from app.store.records import Movement
from app.store.transfers import StoreLedger, old_downloads
from app.usecases.progress import CancelToken, Progress, ProgressEvent
from app.usecases.stored import fetch_files
from app.usecases.traffic import Hold, hold_now
from app.usecases.turns import alone
from edge_runtime.contracts.errors import Cancelled, LinesideError, NotFound, ObjectCorrupt, StoreRefused

if TYPE_CHECKING:
    from app.context import Context
    from cloud_sync.objects import ObjectStore
    from cloud_sync.transfer import Transferred

KEEP_EVERY = 100
"""Files that are marked as sent in one transaction."""
UNASKED_BYTES = 2**18
TELL_EVERY_S = 1.0
SPEED_OVER_S = 10.0
CLEAN_UP_AGE_MS = 7 * 24 * 3_600_000
"""Uploads and downloads that were begun so long ago and never finished are let go."""
CLEAN_UP_EVERY_MS = 24 * 3_600_000
_CLEANED_NOTE = "transfers-cleaned-ms"


class Carrier:
    """Moves the files of one sync. Used by one thread, and closed by the end of :func:`carrying`.

    :param between: called in that thread again and again while files are on their way: the journal's chance.
    """

    def __init__(
        self,
        ctx: Context,
        store: ObjectStore,
        progress: Progress,
        cancel: CancelToken,
        between: Callable[[], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        from cloud_sync.pacing import Persistence, TokenBucket
        from cloud_sync.resumable import Moving

        self._ctx = ctx
        self._store = store
        self._progress = progress
        self._cancel = cancel
        self._between = between
        self._clock = clock
        self._ledger = StoreLedger(ctx.database)
        self._bucket = TokenBucket(lambda: ctx.settings.traffic.bytes_per_s, cancel.wait)
        self._moving = Moving(pace=self._pace, persist=Persistence(cancel.wait), idle=self._idle)
        self._meter = Meter(clock)
        self.sent = 0
        self.bytes_sent = 0
        self.received = 0
        self.missing = 0
        """Files that other desktops wrote of and that are not in the store, whole."""
        self.held: Hold | None = None
        self._problems: list[LinesideError] = []

    def look(self) -> None:
        """:raises Cancelled: files may not go now, or not any more; :attr:`held` says why, and what went stands."""
        if (held := hold_now(self._ctx)) is not None:
            self.held = held
            raise Cancelled("Files wait for their time.")

    def send(self, files: Sequence[Stored]) -> None:
        """Bring files into the store, in this order; those that are damaged or gone here are left for :meth:`check`."""
        from cloud_sync.objects.base import PART_BYTES

        self._meter.expect(sum(one.size for one in files))
        # Runs of small ones go side by side; a large one has all workers for itself.
        run: list[Stored] = []
        for one in files:
            if one.size <= PART_BYTES:
                run.append(one)
                continue
            self._send_small(run)
            run = []
            self._send_large(one)
        self._send_small(run)

    def fetch(self, wanted: Sequence[str]) -> None:
        """Bring files here that other desktops wrote of."""
        self._meter.expect(sum(one.size for one in object_store.sized(self._ctx.database, wanted)))
        came = fetch_files(self._ctx, self._store, wanted, self._progress, self._cancel, self._moving)
        self.received += came
        self.missing += len(wanted) - came

    def clean_up(self) -> None:
        """Let go of what was begun long ago and never finished, in the store and here; once a day."""
        database, now_ms = self._ctx.database, self._ctx.database.now_ms()
        if 0 <= now_ms - int(note_of(database, _CLEANED_NOTE) or 0) < CLEAN_UP_EVERY_MS:
            return
        before_ms = now_ms - CLEAN_UP_AGE_MS
        # Who may not list uploads can sync nevertheless.
        with suppress(StoreRefused):
            self._moving.persist(lambda: self._store.clear_uploads("objects", before_ms))
        for sha256 in old_downloads(database, before_ms):
            self._ctx.blobs.path(sha256).with_name(f".{sha256}.part").unlink(missing_ok=True)
            self._ledger.end_download(sha256)
        database.write(lambda writer: writer.note(_CLEANED_NOTE, str(now_ms)))

    def check(self) -> None:
        """:raises ObjectCorrupt, NotFound: a file that should have gone is damaged here, or not here."""
        if self._problems:
            raise self._problems[0]

    def close(self) -> None:
        """Nothing is on its way any more."""
        note_movement(self._ctx.database, None)

    def _send_small(self, files: Sequence[Stored]) -> None:
        from cloud_sync.transfer import Manner, put_many

        if not files:
            return
        arrived: list[tuple[str, int]] = []

        def keep() -> None:
            object_store.mark_synced(self._ctx.database, arrived)
            arrived.clear()

        def one_more(item: Transferred) -> None:
            arrived.append((item.sha256, item.size))
            if len(arrived) >= KEEP_EVERY:
                keep()
            self._idle()

        manner = Manner(unasked_bytes=UNASKED_BYTES, pace=self._pace, persist=self._moving.persist)
        sources = ((one.sha256, self._ctx.blobs.path(one.sha256)) for one in files)
        try:
            report = put_many(self._store, sources, manner=manner, progress=one_more)
        finally:
            keep()
        self.sent += report.sent
        self.bytes_sent += report.bytes
        self._problems += report.problems.values()

    def _send_large(self, one: Stored) -> None:
        from cloud_sync.resumable import send_large

        path = self._ctx.blobs.path(one.sha256)
        try:
            if send_large(self._store, self._ledger, one.sha256, path, self._moving):
                self.sent += 1
                self.bytes_sent += one.size
        except (ObjectCorrupt, NotFound) as error:
            self._problems.append(error)
        else:
            object_store.mark_synced(self._ctx.database, [(one.sha256, one.size)])

    def _pace(self, size: int) -> None:
        """From any thread, before bytes go and as they come."""
        self._cancel.check()
        self.look()
        self._bucket.take(size)
        self._meter.add(size)

    def wait(self) -> None:
        """Called while another window or command of this desktop moves files."""
        self._cancel.check()
        self._between()
        self._progress(ProgressEvent(step="objects", message="Another window or command of this desktop moves files"))

    def _idle(self) -> None:
        self._cancel.check()
        self._between()
        if (now := self._meter.due()) is not None:
            note_movement(self._ctx.database, now)
            words = f"{now.done / 1e6:.1f} of {now.bytes / 1e6:.1f} MB, {now.bytes_per_s / 1e6:.2f} MB/s"
            fraction = min(now.done / now.bytes, 1.0) if now.bytes else None
            self._progress(ProgressEvent(step="objects", message=words, fraction=fraction))


class Meter:
    """How much went, and how fast in the last seconds. From any thread."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._expected = 0
        self._moved: deque[tuple[float, int]] = deque()
        self._done = 0
        self._told = clock() - TELL_EVERY_S
        self._begun = clock()

    def expect(self, size: int) -> None:
        """So many bytes more are to go."""
        self._expected += size

    def add(self, size: int) -> None:
        """They went."""
        self._moved.append((self._clock(), size))

    def due(self) -> Movement | None:
        """Where it stands, at most once in :data:`TELL_EVERY_S`; None: it was told just now."""
        now = self._clock()
        if now - self._told < TELL_EVERY_S:
            return None
        self._told = now
        recent = list(self._moved)
        span = min(max(now - self._begun, TELL_EVERY_S), SPEED_OVER_S)
        lately = sum(size for at, size in recent if now - at <= SPEED_OVER_S)
        while self._moved and now - self._moved[0][0] > SPEED_OVER_S:
            self._done += self._moved.popleft()[1]
        done = self._done + sum(size for _at, size in self._moved)
        return Movement(done=done, bytes=self._expected, bytes_per_s=lately / span, at_ms=time.time_ns() // 1_000_000)


@contextmanager
def carrying(
    ctx: Context, store: ObjectStore, progress: Progress, cancel: CancelToken, between: Callable[[], None]
) -> Iterator[Carrier]:
    """A carrier; where files may not go any more, what is left of the block is passed by.

    One at a time of all windows and commands of this desktop: two would send the same files. What is to go is asked for
    in the block.
    """
    carrier = Carrier(ctx, store, progress, cancel, between)
    try:
        with alone(ctx.places.home / "files.lock", carrier.wait):
            try:
                yield carrier
            finally:
                carrier.close()
    except Cancelled:
        if carrier.held is None or cancel.cancelled:
            raise
