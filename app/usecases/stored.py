"""Files that lie in the object store and are brought here when somebody wants them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from app.store import objects as object_store
from app.usecases.progress import CancelToken, Progress, ProgressEvent, silent
from edge_runtime.contracts.errors import ObjectCorrupt, ObjectMissing

if TYPE_CHECKING:
    from app.context import Context
    from cloud_sync.objects import ObjectStore

WORKERS = 8
KEEP_EVERY = 100
"""Files that are marked as received in one transaction."""


def fetch_files(
    ctx: Context, store: ObjectStore, wanted: Sequence[str], progress: Progress, cancel: CancelToken
) -> int:
    """Bring files here, several at a time; how many came. One that the store does not give whole is left out.

    :raises StoreUnreachable: or another error of the store; what came stays.
    """
    from cloud_sync.transfer import get_object_file

    def fetch(sha256: str) -> str | None:
        try:
            get_object_file(store, sha256, ctx.blobs.reserve(sha256))
        except (ObjectMissing, ObjectCorrupt):
            # One file that the store has lost must not hold up the rest of the site.
            return None
        return sha256

    received = 0
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="download") as pool:
        for start in range(0, len(wanted), KEEP_EVERY):
            cancel.check()
            here = [sha256 for sha256 in pool.map(fetch, wanted[start : start + KEEP_EVERY]) if sha256]
            object_store.mark_received(ctx.database, *here)
            received += len(here)
            done = min(start + KEEP_EVERY, len(wanted))
            progress(ProgressEvent(step="fetch", message=f"{done} of {len(wanted)}", fraction=done / len(wanted)))
    return received


def bring(
    ctx: Context, samples: Sequence[str], *, progress: Progress = silent, cancel: CancelToken | None = None
) -> int:
    """Bring the bytes of samples that are in the object store alone; how many came. Costs nothing where all are here.

    :raises StoreUnreachable: or another error of the store.
    """
    lacking = object_store.in_store(ctx.database, ctx.blobs.missing(samples))
    if not lacking:
        return 0
    with ctx.open_store() as store:
        return fetch_files(ctx, store, lacking, progress, cancel or CancelToken())
