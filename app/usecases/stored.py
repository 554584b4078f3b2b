"""Files that lie in the object store and are brought here when somebody wants them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

from app.store import objects as object_store
from app.store.objects import Stored
from app.store.transfers import StoreLedger
from app.usecases.progress import CancelToken, Progress, ProgressEvent, silent
from app.usecases.turns import alone
from edge_runtime.contracts.errors import ObjectCorrupt, ObjectMissing

if TYPE_CHECKING:
    from app.context import Context
    from cloud_sync.objects import ObjectStore
    from cloud_sync.resumable import Moving

WORKERS = 8
KEEP_EVERY = 100
"""Files that are marked as received in one transaction."""


def fetch_files(
    ctx: Context,
    store: ObjectStore,
    wanted: Sequence[str],
    progress: Progress,
    cancel: CancelToken,
    moving: Moving | None = None,
) -> int:
    """Bring files here, small ones first and several at a time, large ones part by part; how many came. One that the
    store does not give whole is left out.

    :param moving: how; None: as fast as they come, for somebody waits.
    :raises StoreUnreachable: or another error of the store; what came stays.
    """
    from cloud_sync.objects.base import PART_BYTES
    from cloud_sync.resumable import fetch_large
    from cloud_sync.transfer import get_object_file

    how = moving or _without_delay(cancel)
    ledger = StoreLedger(ctx.database)

    def fetch(one: Stored) -> str | None:
        try:
            place = ctx.blobs.reserve(one.sha256)
            if one.size > PART_BYTES:
                lock = place.with_name(f".{one.sha256}.lock")
                with alone(lock, how.idle):
                    # Else another window or command of this desktop has brought it just now.
                    if not place.exists():
                        fetch_large(store, ledger, one.sha256, one.size, place, how)
                    with suppress(OSError):  # Windows does not let go of a file that is open
                        lock.unlink()
            else:
                how.pace(one.size)
                how.persist(lambda: get_object_file(store, one.sha256, place))
        except (ObjectMissing, ObjectCorrupt):
            # One file that the store has lost, or does not have yet, must not hold up the rest of the site.
            return None
        return one.sha256

    files = object_store.sized(ctx.database, wanted)
    small = sum(one.size <= PART_BYTES for one in files)
    ranges = [(start, min(start + KEEP_EVERY, small)) for start in range(0, small, KEEP_EVERY)]
    ranges += [(number, number + 1) for number in range(small, len(files))]
    received = 0
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="download") as pool:
        for start, end in ranges:
            how.idle()
            # A large one has its own workers, and tells this thread how it goes.
            came = pool.map(fetch, files[start:end]) if start < small else [fetch(files[start])]
            here = [sha256 for sha256 in came if sha256]
            object_store.mark_received(ctx.database, *here)
            received += len(here)
            progress(ProgressEvent(step="fetch", message=f"{end} of {len(files)}", fraction=end / len(files)))
    return received


def _without_delay(cancel: CancelToken) -> Moving:
    from cloud_sync.pacing import Persistence
    from cloud_sync.resumable import Moving

    return Moving(pace=lambda _size: cancel.check(), persist=Persistence(cancel.wait), idle=cancel.check)


def bring(
    ctx: Context, samples: Sequence[str], *, progress: Progress = silent, cancel: CancelToken | None = None
) -> int:
    """Bring the bytes of samples that are in the object store alone; how many came. Costs nothing where all are here.

    :raises StoreUnreachable: or another error of the store.
    """
    lacking = object_store.fetchable(ctx.database, ctx.blobs.missing(samples))
    if not lacking:
        return 0
    with ctx.open_store() as store:
        return fetch_files(ctx, store, lacking, progress, cancel or CancelToken())
